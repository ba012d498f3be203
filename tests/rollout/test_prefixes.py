"""Beginnings: what is cut, what is left out, and runs against the exact chances of the fake."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from tests.analysis.runs import write_run

from pathshift.decoding.policy import Policy
from pathshift.errors import ConfigError, ConfigMismatch, RunError
from pathshift.models.fake_paths import FakePaths
from pathshift.models.protocol import Completion, Model, ModelInfo, Request
from pathshift.records import Outcome, Sample, TokenTrace
from pathshift.rollout.cutting import answer_in, ends_of, unit_of
from pathshift.rollout.plan import SampleConfig, make_plan
from pathshift.rollout.prefixed import for_the_tuned, prefixed_run
from pathshift.rollout.prefixes import Cut, PrefixConfig, cut_samples
from pathshift.rollout.sampling import draw_samples
from pathshift.store.prefixes import SOURCES, TUNED_RIGHT, TUNED_WRONG, note_of
from pathshift.store.run import RunFolder

BASE, TUNED = FakePaths(name="paths-base"), FakePaths(name="paths-tuned")


def sampled(
    out: Path, model: Model, *, n: int = 32, limit: int = 60, store: str = "tokens"
) -> Path:
    config = SampleConfig(
        task="arithmetic", n=n, limit=limit, task_options={"ops": "+,-"}, store=store
    )
    draw_samples(make_plan(config, model), model, out)
    return out


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("runs")
    return sampled(folder / "base", BASE), sampled(folder / "tuned", TUNED)


def as_sample(text: str, pieces: tuple[str, ...] = ()) -> Sample:
    zeros = tuple(0.0 for _ in pieces)
    trace = TokenTrace(
        token_ids=tuple(range(len(pieces))), pieces=pieces, logprobs=zeros,
        policy_logprobs=zeros, entropies=zeros,
    )  # fmt: skip
    return Sample(
        problem_id="a", sample_no=0, seed=0, text=text, n_tokens=len(pieces),
        finish_reason="stop", trace=trace if pieces else None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "gold", "expected"),
    [
        (" tens 37 + 40 = 77;", "85", False),
        (" tens 37 + 48 = 85", "85", True),
        ("it is 185 or 850 or 8.5", "85", False),
        ("about 1,085", "1085", True),
        ("85.0", "85", True),
        ("37 - 48 = -11", "-11", True),
        ("37 - 11 = 26", "-11", True),
        ("37 - 11 = 26", "11", True),
        ("37 + 11", "-11", False),
        ("so zd ca", "zdca", True),
        ("so x = \\frac{ 1 }{ 2 }", "\\frac{1}{2}x", False),
        ("", "85", False),
        ("anything", "", False),
    ],
)
def test_where_the_reference_answer_stands(text: str, gold: str, expected: object) -> None:
    assert answer_in(text, gold) is expected


def test_tokens_end_where_they_stand_in_the_text() -> None:
    whole = as_sample(" tens 37 +", (" tens", " 37", " +", ""))
    assert ends_of(whole, "tokens") == [5, 8, 10]
    # SentencePiece drops the space of a token that is decoded alone; a stop text is not there.
    assert ends_of(as_sample(" tens 37", ("tens", "37", "\n")), "tokens") == [5, 8]
    # Half a character cannot be cut off: it ends with the token before it.
    halves = as_sample("a é b", ("a", " \ufffd", "\ufffd", " b"))
    assert ends_of(halves, "tokens") == [1, 1, 1, 5]
    assert ends_of(as_sample("", ("",)), "tokens") == []
    assert ends_of(whole, "words") == [5, 8, 10]


def test_what_lengths_count() -> None:
    traced, plain = as_sample("a", ("a",)), as_sample("a")
    assert unit_of((1, 2), [traced, traced]) == "tokens"
    assert unit_of((1, 2), [traced, plain]) == "words"
    assert unit_of((0.5,), [traced]) == "characters"


def test_beginnings_are_those_of_right_and_wrong_samples(runs: tuple[Path, Path]) -> None:
    base, tuned = runs
    cut = cut_samples(tuned, PrefixConfig(at=(1, 4, 6, 30), problems="all"), base)
    assert cut.unit == "tokens"
    folders = {TUNED_RIGHT: tuned, TUNED_WRONG: tuned, "base_right": base}
    seen = set()
    for one in cut.asked:
        for use in one.note.uses:
            seen.add((use.source, use.length, use.left_out))
            folder = RunFolder(folders[use.source])
            outcome = folder.outcomes("number-first")[one.problem.id][use.sample_no]
            assert (outcome is Outcome.CORRECT) == (use.source != TUNED_WRONG)
            (text,) = (s.text for s in folder.samples(problem_ids=[one.problem.id])
                       if s.sample_no == use.sample_no)  # fmt: skip
            if not use.left_out:
                assert text.startswith(one.note.text)
                assert one.note.n_tokens == use.length
                assert not answer_in(one.note.text, one.problem.gold)
    assert {source for source, _, _ in seen} == set(SOURCES)
    # No chain of one or two steps has 30 tokens and few have told the answer after four.
    assert {why for _, length, why in seen if length == 30} == {"short"}
    assert (TUNED_RIGHT, 6, "leak") in seen
    assert (TUNED_RIGHT, 1, "leak") not in seen


def test_one_beginning_is_asked_once_however_many_samples_begin_so(
    runs: tuple[Path, Path],
) -> None:
    cut = cut_samples(runs[1], PrefixConfig(at=(1,), problems="all", per_problem=8))
    asked = [(one.problem.id, one.note.text) for one in cut.asked]
    assert len(set(asked)) == len(asked)
    assert max(len(one.note.uses) for one in cut.asked) > 1


@pytest.mark.parametrize("kind", ["cells", "gained", "lost", "all"])
def test_which_problems_are_taken(runs: tuple[Path, Path], kind: str) -> None:
    base, tuned = (RunFolder(path).outcomes("number-first") for path in runs)

    def rate(outcomes: Mapping[int, Outcome]) -> float:
        return sum(o is Outcome.CORRECT for o in outcomes.values()) / len(outcomes)

    expected = set()
    for name in tuned:
        b, t = rate(base[name]), rate(tuned[name])
        kinds = {"cells": b <= 0.1 and b < t, "gained": b == 0, "lost": b > t, "all": True}
        if t > 0 and kinds[kind]:
            expected.add(name)
    assert expected
    cut = cut_samples(runs[1], PrefixConfig(problems=kind), runs[0])
    assert {one.problem.id for one in cut.asked} == expected


def test_completions_succeed_as_often_as_the_fake_says(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    """2,000 samples in all: the exact chances sum up to what was seen, length by length."""
    base, tuned = runs
    cut = cut_samples(tuned, PrefixConfig(at=(1, 4, 8), problems="all", limit=12), base)
    plan, model = prefixed_run(cut, BASE, 40)
    draw_samples(plan, model, tmp_path / "out")
    folder = RunFolder(tmp_path / "out")
    outcomes, prompts = folder.outcomes("number-first"), folder.prompts()
    by_length: dict[float, list[tuple[int, float]]] = {}
    for problem in folder.problems():
        note = note_of(problem)
        assert prompts[problem.id].endswith(f"Answer:{note.text}")
        left = replace(plan.policy, max_tokens=plan.policy.max_tokens - (note.n_tokens or 0))
        truth = BASE.success_probability(prompts[problem.id], left)
        seen = sum(o is Outcome.CORRECT for o in outcomes[problem.id].values())
        by_length.setdefault(note.n_tokens or 0, []).append((seen, truth))
    assert set(by_length) == {0, 1, 4, 8}
    for rows in by_length.values():
        expected = 40 * math.fsum(truth for _, truth in rows)
        spread = math.sqrt(40 * math.fsum(truth * (1 - truth) for _, truth in rows))
        assert abs(sum(seen for seen, _ in rows) - expected) < 4.5 * spread + 1e-9
    notes = {problem.id: note_of(problem) for problem in folder.problems()}
    for sample in folder.samples():
        note = notes[sample.problem_id]
        assert sample.text.startswith(note.text)
        assert sample.n_tokens is not None
        assert sample.n_tokens + (note.n_tokens or 0) <= plan.policy.max_tokens


def test_different_beginnings_of_a_problem_are_drawn_independently(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    cut = cut_samples(runs[1], PrefixConfig(at=(1, 4), problems="all", limit=3))
    for name, chosen in (("base", BASE), ("tuned", TUNED)):
        plan, model = prefixed_run(cut, chosen, 4, wanted=for_the_tuned)
        draw_samples(plan, model, tmp_path / name)
    seeds = [s.seed for path in (*runs, tmp_path / "base", tmp_path / "tuned")
             for s in RunFolder(path).samples()]  # fmt: skip
    assert len(set(seeds)) == len(seeds)


class Stopped(Exception):
    """Stands for a kill."""


class Failing:
    """A model that dies after so many requests."""

    def __init__(self, requests: int) -> None:
        self.left = requests

    @property
    def info(self) -> ModelInfo:
        return BASE.info

    render_chat = BASE.render_chat
    score = BASE.score
    score_all = BASE.score_all

    def generate(self, requests: list[Request], policy: Policy) -> list[list[Completion]]:
        self.left -= 1
        if self.left < 0:
            raise Stopped
        return BASE.generate(requests, policy)


def contents(out: Path) -> list[object]:
    folder = RunFolder(out)
    return [
        sorted(folder.samples(), key=lambda s: s.id),
        sorted(folder.verdicts("number-first"), key=lambda v: (v.problem_id, v.sample_no)),
    ]


def test_stopped_half_way_and_resumed_equals_uninterrupted(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    config = PrefixConfig(at=(1, 4), problems="all", limit=8)

    def draw(out: Path, model: Model, n: int) -> None:
        # Everything is worked out anew, as the command does.
        plan, prefixed = prefixed_run(cut_samples(runs[1], config, runs[0]), model, n)
        draw_samples(plan, prefixed, out)

    draw(tmp_path / "whole", BASE, 8)
    with pytest.raises(Stopped):
        draw(tmp_path / "broken", Failing(7), 8)  # type: ignore[arg-type]
    assert 0 < len(RunFolder(tmp_path / "broken").samples()) < len(contents(tmp_path / "whole")[0])  # type: ignore[arg-type]
    draw(tmp_path / "broken", BASE, 8)
    assert contents(tmp_path / "broken") == contents(tmp_path / "whole")
    # A larger n draws only what is missing.
    draw(tmp_path / "few", BASE, 3)
    draw(tmp_path / "few", BASE, 8)
    assert contents(tmp_path / "few") == contents(tmp_path / "whole")
    config = replace(config, at=(2, 4))
    with pytest.raises(ConfigMismatch, match="prefixes="):
        draw(tmp_path / "whole", BASE, 8)


def test_without_stored_tokens_lengths_are_words(tmp_path: Path) -> None:
    tuned = sampled(tmp_path / "tuned", TUNED, store="samples", limit=12)
    cut = cut_samples(tuned, PrefixConfig(at=(1, 5)))
    assert cut.unit == "words"
    given = [one.note for one in cut.asked if one.note.text]
    assert {len(note.text.split()) for note in given} == {1, 5}
    assert all(note.n_tokens is None for note in given)
    shares = cut_samples(tuned, PrefixConfig(at=(0.05, 0.5)))
    assert shares.unit == "characters"
    texts = {s.id: s.text for s in RunFolder(tuned).samples()}
    for one in shares.asked:
        for use in one.note.uses:
            whole = texts[f"{one.problem.id}#{use.sample_no}"]
            if not use.left_out:
                assert len(one.note.text) <= use.length * len(whole)
                assert whole[len(one.note.text)].isspace()
            elif use.left_out == "short":
                # Not even the first word ends within the share.
                assert use.length * len(whole) < len(f" {whole.split()[0]}")


def test_empty_and_short_samples_are_left_out_and_counted(tmp_path: Path) -> None:
    run = write_run(
        tmp_path / "run",
        {"a": "7", "b": "9"},
        {
            "number-lenient": {
                "a": [("we think it is 7", Outcome.CORRECT), ("", Outcome.WRONG)],
                "b": [("9", Outcome.CORRECT), ("x y z 1", Outcome.WRONG)],
            }
        },
    )
    cut = cut_samples(run, PrefixConfig(at=(1, 3, 9)))
    left_out = {
        (one.problem.id, use.source, use.length): use.left_out
        for one in cut.asked
        for use in one.note.uses
    }
    assert left_out["a", TUNED_RIGHT, 1] == left_out["a", TUNED_RIGHT, 3] == ""
    assert left_out["a", TUNED_RIGHT, 9] == "short"
    assert {left_out["a", TUNED_WRONG, t] for t in (1, 3, 9)} == {"short"}
    assert {left_out["b", TUNED_RIGHT, t] for t in (1, 3, 9)} == {"short"}
    assert left_out["b", TUNED_WRONG, 3] == ""


def test_a_run_without_a_right_sample_is_one_line(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"a": "7"}, {"number": {"a": [("8", Outcome.WRONG)] * 2}})
    with pytest.raises(RunError, match=r"has no correct sample by verifier number") as caught:
        cut_samples(run, PrefixConfig())
    assert "\n" not in str(caught.value)


def test_refusals_name_the_value_and_the_way_out(runs: tuple[Path, Path]) -> None:
    base, tuned = runs
    with pytest.raises(ConfigError, match="--base"):
        cut_samples(tuned, PrefixConfig(problems="gained"))
    with pytest.raises(RunError, match="--problems all"):
        cut_samples(base, PrefixConfig(problems="lost"), base)
    for wrong in ((), (0,), (1.5,), (0.5, 2), (-1,)):
        with pytest.raises(ConfigError, match="lengths must"):
            PrefixConfig(at=wrong)
    with pytest.raises(ConfigError, match="cells, all, gained, lost"):
        PrefixConfig(problems="some")
    cut = cut_samples(tuned, PrefixConfig(problems="all", limit=1))
    chat = Cut(unit=cut.unit, asked=cut.asked, settings={**cut.settings, "mode": "chat"},
               origin=cut.origin, config=cut.config)  # fmt: skip
    with pytest.raises(ConfigError, match="no"):
        prefixed_run(chat, BASE, 4)
    with pytest.raises(ConfigError, match="at least 1"):
        prefixed_run(cut, BASE, 0)
