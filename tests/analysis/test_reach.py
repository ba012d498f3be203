from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from tests.analysis.scored_runs import (
    BASE,
    TUNED,
    Answer,
    Paths,
    Side,
    drawn,
    random_paths,
    write_scored,
)

from pathshift.analysis.reach import reach
from pathshift.decoding.policy import Policy
from pathshift.errors import InputError, RunError
from pathshift.models.fake import FakeModel, value_of
from pathshift.models.protocol import Continuation, Request
from pathshift.records import Outcome
from pathshift.stats.passk import FloatArray
from pathshift.store.scores import ScoreWriter

Answers = dict[str, list[Answer]]


def world(n_problems: int, n: int, seed: int) -> tuple[list[Paths], Answers, Answers]:
    rng = np.random.default_rng(seed)
    paths = [random_paths(rng) for _ in range(n_problems)]
    base = {f"p{i}": drawn(p, n, rng, by_tuned=False) for i, p in enumerate(paths)}
    tuned = {f"p{i}": drawn(p, n, rng, by_tuned=True) for i, p in enumerate(paths)}
    return paths, base, tuned


def written(
    tmp_path: Path, base: Answers, tuned: Answers, *, base_side: Side = BASE, side: Side = TUNED
) -> tuple[Path, Path]:
    return (
        write_scored(tmp_path / "base", base_side, base),
        write_scored(tmp_path / "tuned", side, tuned),
    )


def test_the_bound_lies_below_the_known_truth_and_follows_it(tmp_path: Path) -> None:
    paths, base, tuned = world(60, 48, 1)
    found = reach(*written(tmp_path, base, tuned))
    truth = np.array([p.success for p in paths])
    lows = np.array([row.low for row in found.problems])
    values = np.array([row.value for row in found.problems])
    assert (lows > truth).mean() <= 0.05
    assert np.corrcoef(values, truth)[0, 1] > 0.7
    assert 0.3 * truth.mean() < found.bound.low < truth.mean()
    assert found.bound.high == 1
    assert found.agreement.r is not None
    assert found.agreement.r > 0.7
    assert found.agreement.is_comparable
    assert not found.alarms
    assert "never its absence" in found.sentence
    json.dumps(found.to_dict(), allow_nan=False)


def test_the_bound_of_a_problem_is_the_mean_of_its_right_weights(tmp_path: Path) -> None:
    half = np.log(0.5)
    rows = [
        Answer(text="a", outcome=Outcome.CORRECT, own=half, other=half),
        Answer(text="b", outcome=Outcome.CORRECT, own=half, other=2 * half),
        Answer(text="c", outcome=Outcome.WRONG, own=half, other=half),
        Answer(text="d", outcome=Outcome.FAILED, own=half, other=half),
    ]
    found = reach(*written(tmp_path, {"p": rows, "q": rows}, {"p": rows, "q": rows}))
    assert [row.value for row in found.problems] == pytest.approx([1.5 / 4] * 2)
    assert [(row.n_base, row.c_base) for row in found.problems] == [(3, 2)] * 2
    assert found.weights.correct == 4


def test_profile_is_one_where_nothing_changed_and_is_given_under_both_policies(
    tmp_path: Path,
) -> None:
    _, base, tuned = world(8, 16, 2)
    same = {
        name: [replace(row, other=row.own, other_policy=(row.own or 0) - 2) for row in rows]
        for name, rows in tuned.items()
    }
    policy, plain = reach(*written(tmp_path, base, same)).profiles
    assert (policy.under, plain.under) == ("policy", "T=1")
    assert plain.share == [1.0] * len(plain.share)
    assert plain.median_factor == 1
    assert policy.share[:2] == [0.0, 0.0]
    assert policy.share[2] == 1.0, "16 > e^2"
    assert all(low <= x <= high for low, x, high in zip(
        policy.low, policy.share, policy.high, strict=True))  # fmt: skip


def test_the_bases_own_samples_fail_the_absolute_test(tmp_path: Path) -> None:
    """40 nats a sample, right or wrong: no k of the table lets them pass."""
    rows = [Answer(text="a", outcome=Outcome.CORRECT, own=-40.0, other=-40.0)] * 4
    found = reach(*written(tmp_path, {"p": rows, "q": rows}, {"p": rows, "q": rows}))
    assert found.absolute.own == [0.0] * len(found.absolute.k)
    assert found.absolute.tuned_correct == [0.0] * len(found.absolute.k)
    assert found.profiles[0].share[0] == 1.0, "while its reach is beyond doubt"
    assert "own samples fail" in found.absolute.why_wrong


def test_what_is_certified_holds_and_counts_problems_never_solved(tmp_path: Path) -> None:
    paths, base, tuned = world(40, 64, 3)
    unlucky = {name: [replace(r, outcome=Outcome.WRONG) for r in rows[:2]]
               for name, rows in base.items()}  # fmt: skip
    found = reach(*written(tmp_path, unlucky, tuned))
    truth = np.array([p.success for p in paths])
    for row in found.certified:
        assert row.problems == row.never_solved
        assert row.problems <= (truth > 1 / row.k).sum() + 2
        assert row.pass_low <= (1 - (1 - truth) ** row.k).mean()
    assert found.certified[0].problems == 0, "no rate is above 1"
    assert found.certified[3].problems > 20


def test_broken_scores_raise_an_alarm(tmp_path: Path) -> None:
    _, base, tuned = world(40, 32, 4)
    broken = {
        name: [replace(row, other=(row.other or 0) + 3) for row in rows]
        for name, rows in tuned.items()
    }
    found = reach(*written(tmp_path, base, broken))
    assert any("cannot exceed 1" in alarm for alarm in found.alarms)
    assert found.sentence.startswith("The scores do not fit together, so nothing is proven")
    assert found.agreement.p is not None
    assert found.agreement.p < 0.01


def test_other_settings_end_the_check_against_own_samples_and_say_so(tmp_path: Path) -> None:
    _, base, tuned = world(6, 8, 5)
    side = replace(TUNED, config={"max_tokens": 128}, prompt="Think. ?")
    found = reach(*written(tmp_path, base, tuned, side=side))
    assert not found.agreement.is_comparable
    assert found.agreement.conflicts is None
    (note,) = found.notes
    assert note.startswith("max_tokens and prompts differ")


def test_texts_encoded_again_count_only_where_the_own_model_recognises_them(
    tmp_path: Path,
) -> None:
    """Half of the samples were drawn in tokens that their text does not encode to."""
    rows = [
        Answer(text="a", outcome=Outcome.CORRECT, own=-3.0, other=-3.0),
        Answer(text="b", outcome=Outcome.CORRECT, own=-3.0, other=-3.0),
    ]
    side = replace(TUNED, tokens_from="text")
    base, tuned = written(tmp_path, {"p": rows, "q": rows}, {"p": rows, "q": rows}, side=side)
    with pytest.raises(RunError, match=r"pathshift score --as"):
        reach(base, tuned)
    own = replace(side, other="tuned")
    from tests.analysis.scored_runs import _score, scorer_of

    again = [rows[0], replace(rows[1], own=-3.0, other=-5.0)]
    with ScoreWriter(tuned, scorer_of(own, name="own")) as scores:
        scores.add([_score(name, i, row, own) for name in "pq" for i, row in enumerate(again)])
    found = reach(base, tuned)
    assert [row.value for row in found.problems] == pytest.approx([0.5, 0.5])
    assert found.weights.unknown == 2
    assert "2 of 4 samples count as 0" in found.notes[0]


def test_a_token_that_the_policy_leaves_out_is_a_true_zero(tmp_path: Path) -> None:
    rows = [
        Answer(text="a", outcome=Outcome.CORRECT, own=-3.0, other=-3.0, other_policy=-np.inf),
        Answer(text="b", outcome=Outcome.CORRECT, own=-3.0, other=-3.0),
    ]
    found = reach(*written(tmp_path, {"p": rows, "q": rows}, {"p": rows, "q": rows}))
    assert found.weights.excluded == 2
    assert found.weights.unknown == 0
    assert found.profiles[0].share[-1] == 0.5


def test_what_is_missing_ends_in_one_line(tmp_path: Path) -> None:
    _, base, tuned = world(3, 4, 6)
    ours, theirs = written(tmp_path, base, tuned)
    with pytest.raises(InputError, match="one tokenizer"):
        reach(ours, write_scored(tmp_path / "foreign", replace(TUNED, tokenizer="words"), tuned))
    stranger = write_scored(tmp_path / "third", replace(BASE, model="third"), base)
    with pytest.raises(RunError, match=r"pathshift score --as"):
        reach(stranger, theirs)
    silent = {
        name: [replace(row, own=None, own_policy=None) for row in rows]
        for name, rows in tuned.items()
    }
    with pytest.raises(RunError, match="how likely its draws were"):
        reach(ours, write_scored(tmp_path / "silent", TUNED, silent))


def test_stopped_runs_are_cut_to_their_pilot(tmp_path: Path) -> None:
    _, base, tuned = world(5, 8, 7)
    stopping = {"stopping": {"pilot": 8, "successes": 2}}
    found = reach(*written(
        tmp_path, base, tuned,
        base_side=replace(BASE, config=stopping), side=replace(TUNED, config=stopping),
    ))  # fmt: skip
    assert [row.n for row in found.problems] == [8] * 5
    assert any("pilot" in note for note in found.notes)


class Chain:
    """Five tokens of three letters by a Markov chain, at a temperature; 243 texts, all known."""

    def __init__(self, logits: FloatArray, temperature: float) -> None:
        self.logits, self.temperature = logits, temperature

    def logprob(self, path: Sequence[int], temperature: float) -> float:
        scaled = self.logits / temperature
        logs = scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))
        return float(sum(logs[before, t] for before, t in zip((3, *path), path, strict=False)))

    def draw(self, rng: np.random.Generator) -> tuple[int, ...]:
        path: tuple[int, ...] = ()
        while len(path) < 5:
            scaled = np.exp(self.logits[path[-1] if path else 3] / self.temperature)
            path += (int(rng.choice(3, p=scaled / scaled.sum())),)
        return path


def test_token_models_under_their_policies_are_bounded_by_enumerated_truth(
    tmp_path: Path,
) -> None:
    """Base at temperature .7, tuned at 1.1; right are texts whose letters add up to at most 3."""
    rng = np.random.default_rng(11)
    logits = [rng.normal(size=(4, 3)) for _ in range(50)]
    pairs = [(Chain(x, 0.7), Chain(x + rng.normal(size=(4, 3)) / 2, 1.1)) for x in logits]
    every = list(product(range(3), repeat=5))
    truth = np.array([
        sum(np.exp(base.logprob(path, 0.7)) for path in every if sum(path) <= 3)
        for base, _ in pairs
    ])  # fmt: skip

    def answers(own: Chain, other: Chain) -> list[Answer]:
        paths = [own.draw(rng) for _ in range(64)]
        return [
            Answer(
                text="".join("abc"[t] for t in path), n_tokens=5,
                outcome=Outcome.CORRECT if sum(path) <= 3 else Outcome.WRONG,
                own=own.logprob(path, 1.0), own_policy=own.logprob(path, own.temperature),
                other=other.logprob(path, 1.0), other_policy=other.logprob(path, other.temperature),
            )
            for path in paths
        ]  # fmt: skip

    base = {f"p{i}": answers(b, t) for i, (b, t) in enumerate(pairs)}
    tuned = {f"p{i}": answers(t, b) for i, (b, t) in enumerate(pairs)}
    found = reach(*written(tmp_path, base, tuned))
    assert (np.array([row.low for row in found.problems]) > truth).mean() <= 0.05
    assert np.corrcoef([row.value for row in found.problems], truth)[0, 1] > 0.7
    assert found.bound.low < truth.mean()
    assert found.bound.value == pytest.approx(truth.mean(), rel=0.15)
    assert not found.alarms


def test_fake_models_are_bounded_by_their_exact_success(tmp_path: Path) -> None:
    base_model, tuned_model = FakeModel(name="base"), FakeModel(name="tuned")
    policy = Policy()
    prompts = {f"p{i}": f"{i + 11} + {3 * i} * 7" for i in range(80)}

    def answers(own: FakeModel, other: FakeModel, prompt: str, first: int) -> list[Answer]:
        request = Request(prompt=prompt, seeds=tuple(range(first, first + 48)))
        (drawn,) = own.generate([request], policy)
        texts = [Continuation(text=one.text) for one in drawn]
        scores = other.score_all(prompt, texts, policy, is_chat=False)
        right = str(value_of(prompt))
        return [
            Answer(
                text=one.text, n_tokens=1, own=one.logprob_sum, other=score.trace.logprobs[0],
                outcome=Outcome.CORRECT if one.text.strip() == right else Outcome.WRONG,
            )
            for one, score in zip(drawn, scores, strict=True)
            if score.trace is not None
        ]  # fmt: skip

    base = {k: answers(base_model, tuned_model, v, 0) for k, v in prompts.items()}
    tuned = {k: answers(tuned_model, base_model, v, 1000) for k, v in prompts.items()}
    found = reach(*written(tmp_path, base, tuned))
    truth = np.array([base_model.success_probability(p, policy) for p in prompts.values()])
    assert (np.array([row.low for row in found.problems]) > truth).mean() <= 0.05
    assert np.corrcoef([row.value for row in found.problems], truth)[0, 1] > 0.7
    assert found.agreement.r is not None
    assert found.agreement.r > 0.7
    assert found.bound.low < truth.mean()
    assert not found.alarms
