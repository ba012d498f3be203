"""Completion by prefix and its split, against a population whose every chance is computed."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from tests.analysis.runs import write_run

from pathshift.analysis.intervention import analysed, intervention, spell
from pathshift.analysis.intervention_result import Estimate, Intervention
from pathshift.analysis.prefix_counts import Measured
from pathshift.decoding.policy import Policy
from pathshift.errors import ConfigError, RunError
from pathshift.models.fake_chain import piece_of
from pathshift.models.fake_paths import FakePaths
from pathshift.models.protocol import Request
from pathshift.problems.families import load_problems
from pathshift.records import Outcome, Problem, RunManifest, Sample, Verdict
from pathshift.store.prefixes import (
    BASE_RIGHT,
    SOURCES,
    TUNED_RIGHT,
    TUNED_WRONG,
    PrefixNote,
    PrefixUse,
)
from pathshift.store.run import RunWriter

LENGTHS = [1.0, 4.0, 8.0]
N = 16
Array = npt.NDArray[np.float64]


def arrays(
    own: Array, rates: dict[str, Array], rng: np.random.Generator | None, n: int = N
) -> Measured:
    """Counts drawn with the given chances, or as near to them as n allows."""

    def counts(chance: Array) -> npt.NDArray[np.int64]:
        there = np.nan_to_num(chance)
        return rng.binomial(n, there) if rng else np.rint(n * there).astype(np.int64)

    shape = next(iter(rates.values())).shape
    full = {s: rates.get(s, np.full(shape, np.nan)) for s in SOURCES}
    judged = {s: np.where(np.isfinite(full[s]), n, 0) for s in SOURCES}
    correct = {s: counts(full[s]) for s in SOURCES}
    zeros = {s: np.zeros(shape[1], dtype=np.int64) for s in SOURCES}
    names = [f"p{i}" for i in range(shape[0])]
    return Measured(
        ids=names, clusters=names, lengths=LENGTHS[: shape[1]],
        own=np.column_stack([counts(own), np.full(shape[0], n)]),
        correct=correct, judged=judged,
        rates={s: np.where(judged[s] > 0, correct[s] / n, np.nan) for s in SOURCES},
        prefixes=zeros, leaked=zeros, short=zeros,
    )  # fmt: skip


def result(ours: Measured, theirs: Measured | None = None, seed: int = 0) -> Intervention:
    return analysed(
        ours, theirs, names={"base": "b", "tuned": "t"}, unit="tokens", n=N,
        settings={"level": 0.95, "replicates": 800, "seed": seed},
    )  # fmt: skip


def holds(estimate: Estimate, truth: float) -> bool:
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low <= truth <= estimate.high


@pytest.fixture(scope="module")
def population() -> tuple[Array, Array, Array, Array]:
    """Exact chances on 80 problems of the fakes: alone, and from three right beginnings of each.

    Shapes (80,) and (80, 3, L) for the base, then the same for the tuned model; NaN where the
    answer stands in the beginning.
    """
    base, tuned = FakePaths(name="paths-base"), FakePaths(name="paths-tuned")
    rows = []
    for problem in load_problems("arithmetic", {"n": "400", "ops": "+,-"}, limit=400):
        prompt = f"{problem.question}\nAnswer:"
        (drawn,) = tuned.generate([Request(prompt=prompt, seeds=tuple(range(150)))], Policy())
        right = [c.token_ids for c in drawn if c.text.endswith(f" Answer: {problem.gold}")][:3]
        if len(right) < 3:
            continue
        texts = [["".join(map(piece_of, ids[: int(t)])) for t in LENGTHS] for ids in right]
        rows.append([chances(m, prompt, texts, problem.gold) for m in (base, tuned)])
        if len(rows) == 80:
            break
    (base_own, base_at), (tuned_own, tuned_at) = (
        [np.array(part) for part in zip(*side, strict=True)] for side in zip(*rows, strict=True)
    )
    return base_own, base_at, tuned_own, tuned_at


def chances(
    model: FakePaths, prompt: str, texts: list[list[str]], gold: str
) -> tuple[float, list[list[float]]]:
    at = [
        [
            math.nan if f" {gold}" in text else model.success_probability(prompt + text, Policy())
            for text in row
        ]
        for row in texts
    ]
    return model.success_probability(prompt, Policy()), at


def experiment(
    population: tuple[Array, Array, Array, Array], rng: np.random.Generator, n_problems: int = 40
) -> Intervention:
    """Problems, one right sample of each, and draws."""
    base_own, base_at, tuned_own, tuned_at = population
    who = rng.integers(0, len(base_own), n_problems)
    which = rng.integers(0, 3, n_problems)
    ours = arrays(base_own[who], {TUNED_RIGHT: base_at[who, which]}, rng)
    theirs = arrays(tuned_own[who], {TUNED_RIGHT: tuned_at[who, which]}, rng)
    return result(ours, theirs, seed=int(rng.integers(2**31)))


def test_bands_hold_the_fakes_truth_at_their_rate(
    population: tuple[Array, Array, Array, Array],
) -> None:
    base_own, base_at, _, _ = population
    completion = [base_own.mean(), *np.nanmean(base_at, axis=(0, 1))]
    gain = np.nanmean(base_at - base_own[:, None, None], axis=(0, 1))
    assert min(gain) > 0.2  # the entrance is what the base lacks
    rng, runs = np.random.default_rng(4), 200
    held = np.zeros(2)
    for _ in range(runs):
        points = experiment(population, rng).curves[0].points
        held[0] += all(holds(p.completion, t) for p, t in zip(points, completion, strict=True))
        held[1] += all(holds(p.gain, t) for p, t in zip(points[1:], gain, strict=True))
    # A rate of .95 shows .90 or less in one of five hundred such tests.
    assert (held / runs > 0.9).all(), held / runs


def test_the_split_holds_the_fakes_truth_at_its_rate(
    population: tuple[Array, Array, Array, Array],
) -> None:
    base_own, base_at, tuned_own, tuned_at = population
    there = np.isfinite(base_at)
    own = [np.where(there, x[:, None, None], np.nan) for x in (base_own, tuned_own)]
    means = [np.nanmean(x, axis=(0, 1)) for x in (*own, base_at, tuned_at)]
    total, execution = np.log(means[1] / means[0]), np.log(means[3] / means[2])
    rng, runs = np.random.default_rng(5), 200
    held = np.zeros(3)
    for _ in range(runs):
        splits = experiment(population, rng).splits
        assert splits is not None
        held += [
            all(holds(s.total, t) for s, t in zip(splits, total, strict=True)),
            all(holds(s.access, t) for s, t in zip(splits, total - execution, strict=True)),
            all(holds(s.execution, t) for s, t in zip(splits, execution, strict=True)),
        ]
    assert (held / runs > 0.9).all(), held / runs


def test_nothing_is_certified_where_prefixes_do_nothing() -> None:
    rng, runs, false = np.random.default_rng(6), 200, 0
    for _ in range(runs):
        chance = rng.beta(0.5, 3, 40)
        found = result(arrays(chance, {TUNED_RIGHT: np.repeat(chance[:, None], 3, axis=1)}, rng))
        false += bool(found.certified)
    # One-sided error of a two-sided 95% band: 2.5%; 6% or more in one of two hundred tests.
    assert false / runs < 0.06


def test_the_split_adds_up_and_its_ends_are_plain() -> None:
    half, full = np.full((30, 1), 0.5), np.full((30, 1), 1.0)
    ours = arrays(np.full(30, 0.125), {TUNED_RIGHT: half}, None)
    theirs = arrays(np.full(30, 0.5), {TUNED_RIGHT: full}, None)
    (split,) = result(ours, theirs).splits or []
    assert split.total.value == pytest.approx(math.log(4))
    assert split.execution.value == pytest.approx(math.log(2))
    assert split.access.value == pytest.approx(math.log(2))
    assert split.share.value == pytest.approx(0.5)
    # A prefix that both complete alike: all of the gain is access.
    (split,) = result(ours, replace(theirs, rates=ours.rates)).splits or []
    assert split.share.value == pytest.approx(1)
    # No difference at all: nothing that access could be a share of.
    (split,) = result(ours, ours).splits or []
    assert split.share == Estimate(None)


def test_a_base_that_never_succeeds_leaves_no_ratio() -> None:
    ours = arrays(np.zeros(20), {TUNED_RIGHT: np.full((20, 1), 0.5)}, None)
    theirs = arrays(np.full(20, 0.5), {TUNED_RIGHT: np.full((20, 1), 0.75)}, None)
    found = result(ours, theirs)
    assert found.splits is not None
    assert found.splits[0].total == Estimate(None)
    assert found.problems[0].access == [None]
    assert found.problems[0].execution == [pytest.approx(math.log(1.5))]
    assert found.certified == [1.0]
    assert "null" not in found.sentence


def test_from_which_length_on() -> None:
    rates = np.tile([0.1, 0.9, 0.9], (40, 1))
    found = result(arrays(np.full(40, 0.1), {TUNED_RIGHT: rates}, None))
    assert (found.certified, found.certified_from) == ([4.0, 8.0], 4.0)
    assert found.sentence.startswith("From 4 tokens of the tuned model's right answers on")
    found = result(arrays(np.full(40, 0.1), {TUNED_RIGHT: rates[:, ::-1]}, None))
    assert (found.certified, found.certified_from) == ([1.0, 4.0], None)
    assert "not from all longer ones" in found.sentence
    rates[:, 2] = math.nan
    found = result(arrays(np.full(40, 0.1), {TUNED_RIGHT: rates}, None))
    assert found.certified_from == 4.0  # what was not measured is not held against it
    found = result(arrays(np.full(40, 0.1), {TUNED_RIGHT: np.full((40, 3), 0.1)}, None))
    assert found.sentence.startswith("undecided")


def test_the_control_of_wrong_beginnings_is_paired() -> None:
    right, wrong = np.full((40, 1), 0.8), np.full((40, 1), 0.7)
    wrong[20:] = math.nan
    right[:20] = 0.75
    found = result(arrays(np.full(40, 0.1), {TUNED_RIGHT: right, TUNED_WRONG: wrong}, None, n=100))
    # On the twenty problems that have both.
    assert found.over_wrong[0].value == pytest.approx(0.05)
    assert any("wrong answers raise success too" in note for note in found.notes)
    assert found.curves[1].source == BASE_RIGHT
    assert found.curves[1].points[1].completion == Estimate(None)


def write(
    path: Path, cells: list[tuple[PrefixNote, list[Outcome]]], *, n: int, at: list[float]
) -> Path:
    problems = [
        Problem(id=f"{i}", task="toy", question=f"{i}?", gold="1", cluster=note.problem,
                data=note.to_data())
        for i, (note, _) in enumerate(cells)
    ]  # fmt: skip
    origin = {"at": at, "unit": "tokens", "model": "t", "problems": "all"}
    config = {"verifier": "number", "model": "b", "seed": 0, "prefixes": origin}
    with RunWriter.open(path, RunManifest(config=config, n=n), problems, ["?"] * len(cells)) as w:
        for problem, (_, outcomes) in zip(problems, cells, strict=True):
            samples = [
                Sample(problem_id=problem.id, sample_no=i, seed=i, text="", n_tokens=1,
                       finish_reason="stop")
                for i in range(len(outcomes))
            ]  # fmt: skip
            verdicts = [
                Verdict(problem_id=problem.id, sample_no=i, outcome=outcome)
                for i, outcome in enumerate(outcomes)
            ]
            w.add(samples, verdicts)
    return path


def cell(problem: str, text: str, *uses: PrefixUse) -> PrefixNote:
    return PrefixNote(problem=problem, text=text, n_tokens=len(text), uses=uses)


RIGHT, WRONG, FAILED = Outcome.CORRECT, Outcome.WRONG, Outcome.FAILED


def test_a_folder_is_counted_by_hand(tmp_path: Path) -> None:
    def use(source: str, length: float, number: int = 0, why: str = "") -> PrefixUse:
        return PrefixUse(source=source, length=length, sample_no=number, left_out=why)

    cells = [
        (cell("a", "", use(TUNED_RIGHT, 2, 0, "leak"), use(TUNED_WRONG, 2, 5, "short")),
         [WRONG, WRONG, WRONG, RIGHT]),
        # One beginning of a right and of a wrong sample counts for both.
        (cell("a", "x", use(TUNED_RIGHT, 1), use(TUNED_WRONG, 1, 5)),
         [RIGHT, RIGHT, FAILED, WRONG]),
        (cell("a", "y", use(TUNED_RIGHT, 1, 7)), [RIGHT, RIGHT, RIGHT, RIGHT]),
        (cell("b", ""), [WRONG] * 4),
        (cell("b", "z", use(TUNED_RIGHT, 1, 2)), [RIGHT, WRONG, WRONG, WRONG]),
    ]  # fmt: skip
    found = intervention(write(tmp_path / "run", cells, n=4, at=[1, 2]), replicates=500)
    alone, one, two = found.curves[0].points
    assert alone.completion.value == pytest.approx(0.125)
    assert one.completion.value == pytest.approx((((2 / 3) + 1) / 2 + 0.25) / 2)
    assert one.gain.value == pytest.approx((((2 / 3) + 1) / 2 + 0.25) / 2 - 0.125)
    assert (one.problems, one.prefixes, one.leaked) == (2, 3, 0)
    assert (two.problems, two.leaked, two.completion) == (0, 1, Estimate(None))
    assert found.curves[2].points[1].completion.value == pytest.approx(2 / 3)
    assert found.curves[2].points[2].short == 1
    assert found.problems[0].right == [(6, 7), None]
    assert (found.n_problems, found.n_clusters, found.splits) == (2, 2, None)
    assert any("1 right prefixes hold the reference answer" in note for note in found.notes)
    plain = found.to_dict()
    assert plain["curves"][0]["points"][2]["completion"] == [None, None, None]
    assert plain["schema"] == 1


def test_what_is_no_finished_intervention_is_one_line(tmp_path: Path) -> None:
    other = write_run(tmp_path / "other", {"a": "7"}, {"number": {"a": [("7", RIGHT)]}})
    with pytest.raises(RunError, match="no prefix intervention"):
        intervention(other)
    half = write(tmp_path / "half", [(cell("a", ""), [RIGHT])], n=2, at=[1])
    with pytest.raises(RunError, match="not finished; run the same"):
        intervention(half)
    whole = write(tmp_path / "whole", [(cell("a", ""), [RIGHT])], n=1, at=[1])
    third = write(tmp_path / "third", [(cell("b", ""), [RIGHT])], n=1, at=[1])
    with pytest.raises(RunError, match="different problems"):
        intervention(whole, third)
    with pytest.raises(ConfigError, match="level"):
        intervention(whole, level=1.0)


def test_lengths_are_spelled() -> None:
    assert [spell(1, "tokens"), spell(4, "words"), spell(0.25, "characters")] == [
        "1 token", "4 words", "25% of the characters",
    ]  # fmt: skip
