from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.analysis.scored_runs import (
    BASE,
    TUNED,
    Side,
    Token,
    Tokens,
    write_scored,
    write_traced,
)

from pathshift.analysis import token_shift
from pathshift.analysis.shift import shift
from pathshift.analysis.shift_result import GroupShift, Shift
from pathshift.errors import InputError, RunError
from pathshift.stats.passk import FloatArray

Traced = Mapping[str, Sequence[Tokens]]


def pair(
    tmp_path: Path, tuned: Traced, *, base: Traced | None = None, side: Side = TUNED
) -> tuple[Path, Path]:
    """By default the base's samples are the tuned model's, seen from the other side."""
    seen = base or {
        name: [[replace_sides(token) for token in row] for row in rows]
        for name, rows in tuned.items()
    }
    return write_traced(tmp_path / "base", BASE, seen), write_traced(
        tmp_path / "tuned", side, tuned
    )


def replace_sides(token: Token) -> Token:
    return Token(token.piece, token.other, token.own, token.other_entropy, token.own_entropy)


def group(groups: list[GroupShift], name: str) -> GroupShift:
    (found,) = [g for g in groups if g.name == name]
    return found


SUM = [
    Token("So", -0.5, -2.5, 0.4, 2.0), Token(" 3", -0.5, -1.5, 0.4, 1.0),
    Token("+", -0.1, -0.1, 0.1, 0.1), Token("4", -0.1, -0.1, 0.1, 0.1),
    Token(" =", -0.2, -0.1, 0.1, 0.1), Token(" 7", -0.2, -0.3, 0.1, 0.1),
    Token("\n", -0.3, -0.5, 0.1, 0.1),
]  # fmt: skip


def test_changes_by_kind_are_what_a_hand_adds_up(tmp_path: Path) -> None:
    found = shift(*pair(tmp_path, {f"p{i}": [SUM] * 3 for i in range(3)}))
    side = found.tuned
    assert side.per_sample.value == pytest.approx(2 + 1 + 0 + 0 - 0.1 + 0.1 + 0.2, abs=1e-6)
    assert group(side.by_class, "connective").mean.value == pytest.approx(2, abs=1e-6)
    first = group(side.by_class, "first operation")
    assert first.n_tokens == 27
    assert first.mean.value == pytest.approx(1 / 3, abs=1e-6)
    assert group(side.by_class, "operator").mean.value == pytest.approx(-0.1, abs=1e-6)
    assert group(side.by_class, "operator").size.value == pytest.approx(0.1, abs=1e-6)
    assert group(side.by_phase, "before").share == pytest.approx(2 / 3.2, abs=1e-6)
    assert sum(g.share for g in side.by_phase) == pytest.approx(1)
    assert side.entrance.value == pytest.approx(2 / (0.4 / 3), rel=1e-5)
    assert group(side.by_position, "4-7").n_tokens == 27
    assert group(side.by_decile, "0.0-0.1").mean.value == pytest.approx(2, abs=1e-6)
    assert side.base_entropy.value == pytest.approx(3.5 / 7, abs=1e-6)
    assert side.tuned_entropy.value == pytest.approx(1.3 / 7, abs=1e-6)
    assert (side.n_samples, side.n_tokens) == (9, 63)
    json.dumps(found.to_dict(), allow_nan=False)


def test_forks_are_where_the_base_is_unsure_and_neighbours_stay_within_a_sample(
    tmp_path: Path,
) -> None:
    row = [Token(c, -1.0, -1.5, 0.1, 3.0 if c == "F" else 0.1) for c in "abcFdefg"]
    found = shift(*pair(tmp_path, {f"p{i}": [row] * 2 for i in range(2)}))
    assert 0.09 < found.fork_entropy < 0.11
    sizes = {g.name: g.n_tokens for g in found.tuned.by_fork}
    assert sizes == {"before a fork": 8, "at a fork": 4, "after a fork": 8, "elsewhere": 12}
    last = [Token("a", -1.0, -1.5, 0.1, 0.1)] * 7 + [Token("F", -1.0, -1.5, 0.1, 3.0)]
    edges = shift(*pair(tmp_path / "edge", {f"p{i}": [last] * 2 for i in range(2)}))
    assert group(edges.tuned.by_fork, "before a fork").n_tokens == 8
    assert "after a fork" not in {g.name for g in edges.tuned.by_fork}


class Chain:
    """A Markov chain over three tokens that ends after eight: everything about it is known."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.start = rng.dirichlet(np.ones(3))
        self.step = rng.dirichlet(np.ones(3), size=3)

    def draw(self, rng: np.random.Generator) -> list[int]:
        path = [int(rng.choice(3, p=self.start))]
        while len(path) < 8:
            path.append(int(rng.choice(3, p=self.step[path[-1]])))
        return path

    def rows(self, path: list[int]) -> FloatArray:
        """The distribution each token was drawn from."""
        return np.array([self.start, *(self.step[token] for token in path[:-1])])

    def divergence(self, other: Chain) -> float:
        """KL of whole sequences, by the chain rule over exact marginals."""
        total = float(self.start @ np.log(self.start / other.start))
        by_state = (self.step * np.log(self.step / other.step)).sum(axis=1)
        marginal = self.start
        for _ in range(7):
            total += float(marginal @ by_state)
            marginal = marginal @ self.step
        return total


def sampled(own: Chain, other: Chain, n: int, rng: np.random.Generator) -> list[Tokens]:
    found: list[Tokens] = []
    for _ in range(n):
        path = own.draw(rng)
        ours, theirs = own.rows(path), other.rows(path)
        surprise = [-(rows * np.log(rows)).sum(axis=1) for rows in (ours, theirs)]
        found.append([
            Token("abc"[t], float(np.log(ours[i, t])), float(np.log(theirs[i, t])),
                  float(surprise[0][i]), float(surprise[1][i]))
            for i, t in enumerate(path)
        ])  # fmt: skip
    return found


def test_divergences_of_known_chains_lie_in_their_intervals(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    chains = [(Chain(rng), Chain(rng)) for _ in range(30)]
    tuned = {f"p{i}": sampled(t, b, 24, rng) for i, (b, t) in enumerate(chains)}
    base = {f"p{i}": sampled(b, t, 24, rng) for i, (b, t) in enumerate(chains)}
    found = shift(*pair(tmp_path, tuned, base=base))
    forward = np.mean([t.divergence(b) for b, t in chains])
    backward = np.mean([b.divergence(t) for b, t in chains])
    assert found.tuned.per_sample.low <= forward <= found.tuned.per_sample.high
    assert found.tuned.divergence is not None
    assert found.tuned.divergence.low <= forward <= found.tuned.divergence.high
    assert found.base is not None
    assert found.base.per_sample.low <= -backward <= found.base.per_sample.high
    assert found.tuned.per_sample.low > 0 > found.base.per_sample.high


def test_top_tokens_have_their_largest_place_and_hostile_text_is_spelled_out(
    tmp_path: Path,
) -> None:
    bidi = "\u202e"
    row = [Token(f"<b>\n{bidi}", -1.0, -1.0), Token("Wait", -1.0, -5.0), Token(" no", -3.0, -1.0)]
    far = [row[0], Token("Wait", -0.5, -9.5), row[2]]
    found = shift(*pair(tmp_path, {f"p{i}": [row] * 3 for i in range(2)} | {"q": [row, row, far]}))
    top = found.tuned.raised[0]
    assert (top.token, top.count, round(top.total, 4)) == ("Wait", 9, 8 * 4 + 9)
    assert top.example is not None
    assert (top.example.problem_id, top.example.sample_no, top.example.position) == ("q", 2, 1)
    assert top.example.context == "<b>\\n\\u202e"
    assert found.tuned.lowered[0].token == " no"
    assert found.tuned.largest[0].change == pytest.approx(9)


def test_batches_of_few_tokens_give_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(5)
    one, other = Chain(rng), Chain(rng)
    drawn: Traced = {f"p{i}": sampled(one, other, 5, rng) for i in range(9)}
    runs = pair(tmp_path, drawn)
    whole = shift(*runs).to_dict()
    monkeypatch.setattr(token_shift, "BATCH_TOKENS", 90)
    assert len(list(token_shift.batches(list("abc"), np.array([40, 60, 500])))) == 3
    parts = shift(*runs).to_dict()
    assert json.dumps(_rounded(parts)) == json.dumps(_rounded(whole))


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return round(value, 6) if isinstance(value, float) else value


def test_impossible_tokens_and_other_tokens_are_told_and_left_out(tmp_path: Path) -> None:
    from tests.analysis.scored_runs import _traced_score, scorer_of

    from pathshift.store.scores import ScoreWriter

    odd = [*SUM[:-1], Token("\n", -0.3, -np.inf)]
    base, tuned = pair(tmp_path, {"p": [SUM, odd], "q": [SUM, SUM]}, side=replace(TUNED, other="x"))
    with ScoreWriter(tuned, scorer_of(TUNED, name="base", has_traces=True)) as scores:
        for name, i, row in (("p", 0, SUM), ("p", 1, odd), ("q", 0, SUM),
                             ("q", 1, [Token("Z", -1, -1), *SUM[1:]])):  # fmt: skip
            scores.add([_traced_score(name, i, row, TUNED)])
    found = shift(base, tuned)
    assert (found.tuned.infinite, found.tuned.left_out, found.tuned.n_samples) == (1, 1, 3)
    assert found.tuned.n_tokens == 20
    assert found.tuned.excluded == 1
    assert found.to_dict()["tuned"]["divergence"] == [None, None, None]
    assert any("no finite change" in note for note in found.notes)
    assert any("divergence between the policies is infinite" in note for note in found.notes)


def test_what_is_missing_ends_in_one_line(tmp_path: Path) -> None:
    from tests.analysis.test_perplexity import answer

    rows: Traced = {"p": [SUM]}
    base, _ = pair(tmp_path, rows)
    plain = write_scored(tmp_path / "plain", TUNED, {"p": [answer(-3, -4)]})
    with pytest.raises(RunError, match=r"token by token.*--store tokens"):
        shift(base, plain)
    foreign = write_traced(tmp_path / "foreign", replace(TUNED, tokenizer="words"), rows)
    with pytest.raises(InputError, match="one tokenizer"):
        shift(base, foreign)
    unscored = write_traced(tmp_path / "unscored", replace(TUNED, other="x"), rows)
    with pytest.raises(RunError, match=r"pathshift score --as"):
        shift(base, unscored)


def test_without_the_bases_token_scores_there_is_no_control_and_a_note(tmp_path: Path) -> None:
    base = write_traced(tmp_path / "b", replace(BASE, other="x"), {"p": [SUM], "q": [SUM]})
    tuned = write_traced(tmp_path / "t", TUNED, {"p": [SUM], "q": [SUM]})
    found: Shift = shift(base, tuned)
    assert found.base is None
    assert any("no control" in note for note in found.notes)
