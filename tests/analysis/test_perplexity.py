from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.analysis.scored_runs import BASE, TUNED, Answer, Paths, drawn, random_paths, write_scored

from pathshift.analysis.perplexity import Distribution, Perplexities, perplexity
from pathshift.errors import RunError
from pathshift.records import Outcome

RIGHT, WRONG = Outcome.CORRECT, Outcome.WRONG


def answer(own: float, other: float | None, outcome: Outcome = RIGHT, n_tokens: int = 4) -> Answer:
    return Answer(text="abcd", outcome=outcome, own=own, other=other, n_tokens=n_tokens)


def distribution(found: Perplexities, model: str, samples: str) -> Distribution:
    (one,) = [d for d in found.distributions if (d.model, d.samples) == (model, samples)]
    return one


def test_perplexity_is_e_to_the_mean_surprise_of_the_response(tmp_path: Path) -> None:
    """Two problems, two samples each: every quantile can be read off by hand."""
    logs = [[-4.0, -8.0], [-2.0, -12.0]]
    base = write_scored(tmp_path / "b", BASE, {
        f"p{i}": [answer(x, x / 2) for x in row] for i, row in enumerate(logs)})  # fmt: skip
    tuned = write_scored(tmp_path / "t", TUNED, {
        f"p{i}": [answer(x / 4, x) for x in row] for i, row in enumerate(logs)})  # fmt: skip
    found = perplexity(base, tuned)
    ours = distribution(found, "base", "base").parts[0]
    assert ours.perplexity is not None
    assert [q.value for q in ours.perplexity.quantiles] == pytest.approx(
        np.exp([0.5, 0.5, 1, 2, 3])
    )
    assert ours.logprob is not None
    assert ours.logprob.quantiles[2].value == -8.0
    theirs = distribution(found, "tuned", "tuned").parts[0]
    assert theirs.perplexity is not None
    assert theirs.perplexity.quantiles[2].value == pytest.approx(np.exp(0.25))
    assert theirs.bits_per_byte is not None
    assert theirs.bits_per_byte.quantiles[2].value == pytest.approx(1 / (4 * np.log(2)))
    assert ours.perplexity.median_of_medians.value == pytest.approx(np.exp(1.5))
    assert distribution(found, "tuned", "base").parts[0].perplexity is not None
    json.dumps(found.to_dict(), allow_nan=False)


def test_parts_are_split_by_cell_and_by_correctness(tmp_path: Path) -> None:
    kinds = {"both": (RIGHT, RIGHT), "lost": (RIGHT, WRONG), "won": (WRONG, RIGHT),
             "no": (WRONG, WRONG)}  # fmt: skip
    base = write_scored(tmp_path / "b", BASE,
                        {k: [answer(-1, -1, b)] * 2 for k, (b, _) in kinds.items()})  # fmt: skip
    tuned = write_scored(tmp_path / "t", TUNED,
                         {k: [answer(-1, -1, t)] * 2 for k, (_, t) in kinds.items()})  # fmt: skip
    parts = {p.name: p for p in distribution(perplexity(base, tuned), "base", "tuned").parts}
    assert {name: (p.n_samples, p.n_problems) for name, p in parts.items()} == {
        "all": (8, 4), "correct": (4, 2), "not correct": (4, 2), "both": (2, 1),
        "base only": (2, 1), "tuned only": (2, 1), "neither": (2, 1),
    }  # fmt: skip


def test_equal_models_lie_half_below_and_sharpened_ones_more(tmp_path: Path) -> None:
    """Shares within their intervals; the truth of sharpened paths by enumeration."""
    rng = np.random.default_rng(0)
    paths = [random_paths(rng) for _ in range(40)]
    base = {f"p{i}": drawn(p, 32, rng, by_tuned=False) for i, p in enumerate(paths)}
    again = {f"p{i}": drawn(p, 32, rng, by_tuned=False) for i, p in enumerate(paths)}
    same = {k: [replace(a, other=a.own) for a in rows] for k, rows in again.items()}
    tuned = {f"p{i}": drawn(p, 32, rng, by_tuned=True) for i, p in enumerate(paths)}
    ours = write_scored(tmp_path / "b", BASE, base)
    null = perplexity(ours, write_scored(tmp_path / "same", TUNED, same)).below[1]
    assert null.superiority.low <= 0.5 <= null.superiority.high
    control, moved = perplexity(ours, write_scored(tmp_path / "t", TUNED, tuned)).below
    assert control.samples == "base"
    assert control.superiority.value == pytest.approx(0.5)
    assert moved.superiority.low > 0.5
    truth = np.mean([_superiority_of(p) for p in paths])
    assert moved.superiority.low <= truth <= moved.superiority.high


def _superiority_of(paths: Paths) -> float:
    """Chance that a path drawn by the tuned model is likelier to the base than one of its own."""
    below = [(paths.base < q) @ paths.base + (paths.base == q) @ paths.base / 2 for q in paths.base]
    return float(paths.tuned @ np.array(below))


def test_foreign_tokenizers_leave_bits_per_byte_only(tmp_path: Path) -> None:
    rows = {f"p{i}": [answer(-3, -4), answer(-5, -6)] for i in range(3)}
    base = write_scored(tmp_path / "b", replace(BASE, other_tokenizer="words"), rows)
    tuned = write_scored(tmp_path / "t", replace(TUNED, tokenizer="words"), rows)
    found = perplexity(base, tuned)
    assert not found.shares_tokenizer
    assert found.measure == "bits per byte"
    assert found.edges is None
    for one in found.distributions:
        assert one.counts is None
        assert one.parts[0].perplexity is None
        assert one.parts[0].bits_per_byte is not None
    assert any("bits per byte" in note for note in found.notes)


def test_samples_without_a_score_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = {"p": [answer(-3, -4), answer(-5, None)], "q": [answer(-3, -4), answer(-1, -np.inf)]}
    base = write_scored(tmp_path / "b", BASE, rows)
    found = perplexity(base, write_scored(tmp_path / "t", TUNED, rows))
    one = distribution(found, "base", "tuned")
    assert (one.unscored, one.parts[0].n_samples) == (2, 2)
    assert one.counts is not None
    assert sum(one.counts) == 2
    assert any("2 samples of tuned have no finite score by base" in note for note in found.notes)


def test_reference_answers_are_a_fifth_distribution(tmp_path: Path) -> None:
    rows = {f"p{i}": [answer(-3, -4)] * 2 for i in range(3)}
    base, tuned = (
        write_scored(tmp_path / "b", BASE, rows),
        write_scored(tmp_path / "t", TUNED, rows),
    )
    expert = replace(TUNED, model="expert")
    reference = write_scored(
        tmp_path / "r", expert, {k: [answer(-9, -8, n_tokens=2)] for k in rows}
    )
    one = distribution(perplexity(base, tuned, reference=reference), "base", "reference")
    assert one.parts[0].perplexity is not None
    assert one.parts[0].perplexity.quantiles[2].value == pytest.approx(np.exp(4))


def test_a_run_that_the_base_has_not_scored_names_the_command(tmp_path: Path) -> None:
    rows = {"p": [answer(-3, -4)]}
    base = write_scored(tmp_path / "b", BASE, rows)
    tuned = write_scored(tmp_path / "t", replace(TUNED, other="somebody"), rows)
    with pytest.raises(RunError, match=r"pathshift score --as"):
        perplexity(base, tuned)
