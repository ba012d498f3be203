"""Scoring runs: known probabilities, resumption, and rows that have no score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pathshift.decoding.policy import Policy
from pathshift.errors import ModelError
from pathshift.models.fake import FakeModel
from pathshift.models.protocol import Continuation, ModelInfo, Scored
from pathshift.records import Score
from pathshift.rollout.plan import SampleConfig, make_plan
from pathshift.rollout.sampling import draw_samples
from pathshift.rollout.scoring import Scoring, score_run
from pathshift.store import rows
from pathshift.store.run import RunFolder
from pathshift.store.scores import read_scores

CONFIG = SampleConfig(task="arithmetic", n=70, limit=6, temperature=0.8, store="tokens")


def drawn(out: Path, config: SampleConfig = CONFIG, name: str = "tuned") -> Path:
    model = FakeModel(name=name)
    draw_samples(make_plan(config, model), model, out)
    return out


def scores(run: Path, name: str) -> dict[str, Score]:
    return {score.id: score for score in rows.scores_of(read_scores(run, name, traced=True))}


@pytest.mark.parametrize("store", ["samples", "tokens"])
def test_every_sample_gets_the_probability_the_scorer_gives_it(tmp_path: Path, store: str) -> None:
    run = drawn(tmp_path / "run", replace(CONFIG, store=store))
    base = FakeModel(name="base")
    scorer, progress = score_run(run, base)
    assert progress.drawn == 6 * 70
    assert scorer.policy == {"temperature": 0.8, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
    prompts, found = RunFolder(run).prompts(), scores(run, scorer.name)
    for sample in RunFolder(run).samples():
        prompt, text, score = prompts[sample.problem_id], sample.text.strip(), found[sample.id]
        assert score.logprob_sum is not None
        assert math.exp(score.logprob_sum) == pytest.approx(base.answers(prompt, Policy())[text])
        assert score.policy_logprob_sum is not None
        at = base.answers(prompt, Policy(temperature=0.8))
        assert math.exp(score.policy_logprob_sum) == pytest.approx(at[text])
        assert score.tokens_from == ("sampled" if store == "tokens" else "text")
        assert score.n_bytes == len(sample.text.encode())


def test_its_own_scores_are_what_it_drew_with(tmp_path: Path) -> None:
    run = drawn(tmp_path / "run")
    scorer, _ = score_run(run, FakeModel(name="tuned"))
    found = scores(run, scorer.name)
    for sample in RunFolder(run).samples():
        assert found[sample.id].logprob_sum == pytest.approx(sample.logprob_sum)
        assert found[sample.id].policy_logprob_sum == pytest.approx(sample.sampling_logprob_sum)


def test_another_policy_is_another_scorer(tmp_path: Path) -> None:
    run = drawn(tmp_path / "run")
    model = FakeModel(name="base")
    first, _ = score_run(run, model)
    second, _ = score_run(run, model, Scoring(temperature=1.0))
    assert first.name != second.name
    plain = scores(run, second.name)
    for key, score in scores(run, first.name).items():
        assert score.logprob_sum == plain[key].logprob_sum == plain[key].policy_logprob_sum
        assert score.policy_logprob_sum != score.logprob_sum


class _Interrupted(FakeModel):
    """Stops in the middle of its work, as Ctrl-C would, after some calls."""

    calls = 0
    most = 5

    def score_all(
        self, prompt: str, continuations: Sequence[Continuation], policy: Policy, *, is_chat: bool
    ) -> list[Scored]:
        type(self).calls += 1
        if type(self).calls > type(self).most:
            raise KeyboardInterrupt
        return super().score_all(prompt, continuations, policy, is_chat=is_chat)


def test_a_scoring_that_was_stopped_goes_on_and_is_the_same(tmp_path: Path) -> None:
    run, whole = drawn(tmp_path / "run"), drawn(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        score_run(run, _Interrupted(name="base"))
    scorer, progress = score_run(run, FakeModel(name="base"))
    assert progress.kept == 32 + 32 + 6 + 32 + 32  # five whole units
    assert progress.drawn == 6 * 70 - progress.kept
    score_run(whole, FakeModel(name="base"))
    assert scores(run, scorer.name) == scores(whole, scorer.name)
    _, again = score_run(run, FakeModel(name="base"))
    assert again.drawn == 0


def test_a_run_that_grew_is_scored_on(tmp_path: Path) -> None:
    run = drawn(tmp_path / "run", replace(CONFIG, n=40))
    score_run(run, FakeModel(name="base"))
    drawn(run)
    scorer, progress = score_run(run, FakeModel(name="base"))
    assert (progress.kept, progress.drawn) == (6 * 40, 6 * 30)
    assert len(scores(run, scorer.name)) == 6 * 70


class _Silent(FakeModel):
    """Sometimes says nothing, sometimes a great deal."""

    def _one(self, prompt: str, seed: int, policy: Policy):  # type: ignore[no-untyped-def]
        text = ["", "x" * 3_000_000, " 12"][seed % 3]
        return replace(super()._one(prompt, seed, policy), text=text, trace=None)


def test_empty_and_endless_completions_are_rows_with_a_reason(tmp_path: Path) -> None:
    run = tmp_path / "run"
    config = replace(CONFIG, n=12, limit=3, store="samples")
    model = _Silent(name="base")
    draw_samples(make_plan(config, model), model, run)
    scorer, _ = score_run(run, FakeModel(name="base"))
    texts = {sample.id: sample.text for sample in RunFolder(run).samples()}
    for key, score in scores(run, scorer.name).items():
        if texts[key] == " 12":
            assert score.logprob_sum is not None
            continue
        assert (score.logprob_sum, score.n_tokens, score.trace) == (None, 0, None)
        said = "more than 2,000,000 characters" if texts[key] else "empty completion"
        assert said in score.detail


class _Mute(FakeModel):
    @property
    def info(self) -> ModelInfo:
        return replace(super().info, capabilities=frozenset({"deterministic"}))


def test_a_model_that_cannot_score_says_so(tmp_path: Path) -> None:
    run = drawn(tmp_path / "run", replace(CONFIG, n=2))
    with pytest.raises(ModelError, match="fake:base cannot give log-probabilities"):
        score_run(run, _Mute(name="base"))
