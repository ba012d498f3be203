"""Logs of two tools are compared problem by problem, or refused; and what their tools misreport."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from tests.commands import pathshift
from tests.store.importers.worlds import (
    CORRECT,
    DATA,
    IDS,
    QUESTIONS,
    N,
    Side,
    draws_of,
    expected,
    json_rows,
    read,
    write_rows,
)

from pathshift.analysis.comparison import compare
from pathshift.analysis.drilldown import shown_samples
from pathshift.analysis.pairing import Pair, pair_up
from pathshift.analysis.tool_numbers import lines, tool_numbers
from pathshift.errors import CountsError, LogError
from pathshift.records import CountTable, ProblemCount
from pathshift.rollout.ingest import log_samples, read_table

LOGS: dict[str, dict[Side, str]] = {
    "verl": {"base": "verl/val/0.jsonl", "tuned": "verl/val/300.jsonl"},
    "verl v1": {"tuned": "verl/val_v1/300.jsonl"},
    "inspect": {"base": "inspect-ai/base.eval", "tuned": "inspect-ai/tuned.json"},
    "evalscope": {"base": "evalscope/base", "tuned": "evalscope/tuned"},
    "lighteval": {"base": "lighteval/base", "tuned": "lighteval/tuned"},
    "generic": {"base": "generic/base.jsonl", "tuned": "generic/tuned.jsonl"},
    "verifiers-legacy": {"base": "verifiers_legacy/base", "tuned": "verifiers_legacy/tuned"},
    "monkeys": {"base": "llmonkeys/base", "tuned": "llmonkeys/tuned"},
    "nemo-skills": {"base": "nemo-skills/base", "tuned": "nemo-skills/tuned"},
    "skythought": {"base": "skythought/base", "tuned": "skythought/tuned"},
}
"""They name problems, dress questions and order rows each in its own way."""

DRESSED = {"verl", "verl v1", "evalscope"}
"""Tools that keep the prompt and not the question."""


@cache
def table(path: str) -> CountTable:
    return read_table(DATA / path)


CROSSED = [
    (b, t) for b, t in itertools.product(LOGS, repeat=2) if "base" in LOGS[b] and "tuned" in LOGS[t]
]


def right(pair: Pair) -> list[tuple[int, int]]:
    return sorted(
        (b[1], t[1]) for b, t in zip(pair.counts("base"), pair.counts("tuned"), strict=True)
    )


WORLD = sorted(zip(CORRECT["base"], CORRECT["tuned"], strict=True))


@pytest.mark.parametrize(("base", "tuned"), CROSSED)
def test_the_same_problems_find_each_other_across_tools(base: str, tuned: str) -> None:
    pair = pair_up(table(LOGS[base]["base"]), table(LOGS[tuned]["tuned"]))
    assert right(pair) == WORLD
    assert pair.unmatched == (0, 0)
    assert pair.left_out == ()
    is_same_dress = (base in DRESSED) == (tuned in DRESSED) and "evalscope" not in {base, tuned}
    assert pair.prompts_match is (is_same_dress or base == tuned)
    if base == tuned:
        assert pair.matched_by == "id"
    elif pair.matched_by != "id":
        assert pair.matched_by == ("content_hash" if pair.prompts_match else "core_hash")


def test_a_chat_template_is_said_to_mix_with_training() -> None:
    result = compare(table("verl/val/0.jsonl"), table("inspect-ai/tuned.eval"))
    notes = " ".join(result.notes)
    assert "prompts differ: problems were matched by their question" in notes
    assert {row.tuned_id for row in result.problems} == set(IDS)


def test_logs_without_questions_match_by_id_only() -> None:
    pair = pair_up(table("scorio/base.jsonl"), table("scorio/tuned.jsonl"))
    assert (right(pair), pair.matched_by, pair.prompts_match) == (WORLD, "id", None)
    with pytest.raises(CountsError, match="measure different problems: 8 only in"):
        pair_up(table("scorio/base.jsonl"), table("inspect-ai/tuned.eval"))


def subset(path: str, folder: Path, keep: set[str]) -> CountTable:
    """Counts of the rows whose question holds one of those."""
    rows = json_rows(DATA / path)
    kept = [
        row for row in rows if any(q in str(row.get("question", row.get("input"))) for q in keep)
    ]
    return read_table(write_rows(folder / Path(path).name, kept))


@pytest.mark.parametrize("path", ["generic/tuned.jsonl", "verl/val/300.jsonl"])
def test_common_compares_the_problems_that_both_have(tmp_path: Path, path: str) -> None:
    base, few = table("inspect-ai/base.eval"), subset(path, tmp_path, set(QUESTIONS[1:6]))
    with pytest.raises(CountsError, match=r"measure different problems.*--common"):
        pair_up(base, few)
    pair = pair_up(base, few, common=True)
    assert right(pair) == sorted(zip(CORRECT["base"][1:6], CORRECT["tuned"][1:6], strict=True))
    assert pair.unmatched == (3, 0)


def test_common_of_nothing_is_refused(tmp_path: Path) -> None:
    first = subset("generic/base.jsonl", tmp_path / "a", set(QUESTIONS[:4]))
    second = subset("generic/tuned.jsonl", tmp_path / "b", set(QUESTIONS[4:]))
    with pytest.raises(CountsError, match="measure different problems: 4 only in"):
        pair_up(first, second, common=True)


def rows_with_ids(folder: Path, shift: int) -> CountTable:
    """The world with the ids p0 to p7 moved along."""
    rows = json_rows(DATA / "generic/base.jsonl")
    for row in rows:
        row["id"] = f"p{(QUESTIONS.index(row['question']) + shift) % 8}"
    return read_table(write_rows(folder / f"{shift}.jsonl", rows))


def test_ids_that_stand_for_other_questions_give_way_to_the_questions(tmp_path: Path) -> None:
    pair = pair_up(rows_with_ids(tmp_path, 0), rows_with_ids(tmp_path, 3))
    assert pair.matched_by == "content_hash"
    assert np.array_equal(pair.counts("base"), pair.counts("tuned"))


def test_one_id_for_two_questions_is_an_error_that_names_it(tmp_path: Path) -> None:
    rows = json_rows(DATA / "generic/base.jsonl")
    for row in rows:
        row["id"] = f"p{QUESTIONS.index(row['question'])}"
    other = [{**row, "question": row["question"].replace("90 - 17", "91 - 17")} for row in rows]
    first = read_table(write_rows(tmp_path / "a.jsonl", rows))
    second = read_table(write_rows(tmp_path / "b.jsonl", other))
    with pytest.raises(CountsError, match="problem p2 asks different things in"):
        pair_up(first, second)


def test_one_question_alone_is_not_matched_across_templates(tmp_path: Path) -> None:
    bare = subset("generic/base.jsonl", tmp_path / "a", {QUESTIONS[0]})
    worn = subset("verl/val/0.jsonl", tmp_path / "b", {QUESTIONS[0]})
    with pytest.raises(CountsError, match="measure different problems"):
        pair_up(bare, worn)


# What tools report


def tools_own(pair: Pair, k: int) -> dict[tuple[str, str], tuple[float, float]]:
    return {(n.side, n.name): (n.says, n.unbiased) for n in tool_numbers(pair, k)}


@pytest.mark.parametrize("k", [2, 4])
def test_verls_best_at_k_is_said_beside_pass_at_k(k: int) -> None:
    pair = pair_up(table("verl/val/0.jsonl"), table("verl/val/300.jsonl"))
    for (side, name), (says, unbiased) in tools_own(pair, k).items():
        file = expected("verl")["files"]["val/0.jsonl" if side == "base" else "val/300.jsonl"]
        rates = [c / N for c in CORRECT[side]]  # type: ignore[index]
        assert name == f"best@{k}"
        assert says == pytest.approx(sum(1 - (1 - rate) ** k for rate in rates) / 8)
        # verl itself draws a thousand times for each of 8 problems, with a standard error of 0.004.
        assert says == pytest.approx(file["own"][f"acc/best@{k}/mean"], abs=0.015)
        assert unbiased == pytest.approx(file["unbiased"][f"pass@{k}"])
    assert len(tools_own(pair, k)) == 2
    assert tools_own(pair, 1) == {}


def one_problem(n: int, c: int, settings: dict[str, object]) -> CountTable:
    return CountTable(name="x", counts=(ProblemCount(id="a", n=n, c=c),), settings=settings)


def test_one_right_sample_of_256_is_1_by_pass_at_256_and_0_633_by_verl() -> None:
    side = one_problem(256, 1, {"format": "verl"})
    for says, unbiased in tools_own(pair_up(side, side), 256).values():
        assert says == pytest.approx(1 - (255 / 256) ** 256)
        assert round(says, 3) == 0.633
        assert unbiased == 1.0


def test_lighteval_with_missing_samples_is_told_beside_the_truth() -> None:
    pair = pair_up(table("lighteval/short"), table("lighteval/tuned"))
    said = next(v for k, v in expected("lighteval").items() if k.startswith("short"))["tool"]
    right_numbers = next(v for k, v in expected("lighteval").items() if k.startswith("base"))[
        "tool"
    ]
    found = tools_own(pair, 4)
    assert set(found) == {("base", "pass@1"), ("base", "pass@4")}
    for k in (1, 4):
        says, unbiased = found["base", f"pass@{k}"]
        assert says == pytest.approx(said[f"pass@k:k={k}&n=8"])
        assert unbiased == pytest.approx(right_numbers[f"pass@k:k={k}&n=4"])


def test_qwens_padded_rows_are_told_beside_the_truth() -> None:
    pair = pair_up(table("qwen-math/base"), table("qwen-math/tuned"))
    said = expected("qwen-math")["base"]
    found = tools_own(pair, 2)
    assert set(found) == {("base", "pass@1")}
    assert found["base", "pass@1"] == pytest.approx(
        (said["padded"]["pass@1"], said["observed"]["pass@1"])
    )


@pytest.mark.parametrize("tool", ["inspect", "evalscope", "generic", "monkeys", "nemo-skills"])
def test_tools_that_report_rightly_are_not_corrected(tool: str) -> None:
    assert tools_own(pair_up(table(LOGS[tool]["base"]), table(LOGS[tool]["tuned"])), 4) == {}


def test_both_sides_of_a_tool_stand_in_one_line() -> None:
    pair = pair_up(table("verl/val/0.jsonl"), table("verl/val/300.jsonl"))
    (line,) = lines(tool_numbers(pair, 4))
    base, tuned = line.index("0.655 (base"), line.index("0.702 (tuned")
    assert line.startswith("verl would report best@4")
    assert base < tuned
    assert line.count("0.750") == 2
    assert line.endswith("it draws with replacement")


# Samples to look at


def test_shown_samples_are_those_of_the_compared_problem() -> None:
    base, tuned = read("verl/val/0.jsonl"), read("inspect-ai/tuned.eval")
    result = compare(base.counts("base"), tuned.counts("tuned"))
    shown = shown_samples(
        result, {"base": log_samples(base, None), "tuned": log_samples(tuned, None)}
    )
    assert {sample.problem_id for sample in shown} == {row.id for row in result.problems}
    for sample in shown:
        item = next(i for i, question in enumerate(QUESTIONS) if question in sample.question)
        drawn = draws_of(sample.side)[item, sample.text]
        assert (sample.outcome == "correct") is drawn.is_right
        assert sample.sample_no == drawn.sample
    by_problem = {sample.problem_id: sample.side for sample in shown}
    assert len(by_problem) == 8


def test_shown_samples_hold_a_right_one_where_there_is_one() -> None:
    base, tuned = read("inspect-ai/base.eval"), read("generic/tuned.jsonl")
    result = compare(base.counts("base"), tuned.counts("tuned"))
    shown = shown_samples(
        result, {"base": log_samples(base, None), "tuned": log_samples(tuned, None)}
    )
    for row in result.problems:
        for side, c in (("base", row.c_base), ("tuned", row.c_tuned)):
            outcomes = [s.outcome for s in shown if (s.problem_id, s.side) == (row.id, side)]
            assert ("correct" in outcomes) is (c > 0)
            assert len(outcomes) == 3 or c == N


def test_an_unjudged_log_is_judged_by_the_command_and_named_by_python() -> None:
    paths = [DATA / "lighteval" / "base", DATA / "lighteval" / "tuned"]
    with pytest.raises(LogError, match="do not say which samples are right; `pathshift import"):
        compare(*paths)
    done = pathshift("compare", *paths, "--json", "-")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert {row["id"]: row["c_base"] for row in result["problems"]} == {
        f"world|0-{i}": c for i, c in enumerate(CORRECT["base"])
    }


def test_the_report_of_two_logs_shows_no_markup_of_a_model(tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    logs = [DATA / "verl/val/0.jsonl", DATA / "inspect-ai/tuned.eval"]
    done = pathshift("compare", *logs, "--report", page)
    assert done.returncode == 0, done.stderr
    text = page.read_text(encoding="utf-8")
    assert "<b>not bold" not in text
    assert "not bold" in text
    assert "verl would report best@4" in done.stdout


def test_matching_does_not_depend_on_the_order_of_problems() -> None:
    base, tuned = table("verl/val/0.jsonl"), table("inspect-ai/tuned.eval")
    turned = replace(tuned, counts=tuned.counts[::-1])
    one, other = pair_up(base, tuned), pair_up(base, turned)
    assert one.tuned.counts == other.tuned.counts
