"""Scores beside a run's samples."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow.compute as pc
import pytest

from pathshift.errors import ConfigMismatch, RunError, RunLocked
from pathshift.models.fake import FakeModel
from pathshift.records import Score, TokenTrace
from pathshift.rollout.plan import SampleConfig, make_plan
from pathshift.rollout.sampling import draw_samples
from pathshift.store import rows
from pathshift.store.merge import merge_runs
from pathshift.store.run import RunFolder
from pathshift.store.scores import (
    Scorer,
    ScoreWriter,
    own_scores,
    policy_stated,
    read_scores,
    scorers,
)

SCORER = Scorer(name="a", model="fake:base", weights_hash="w", tokenizer="t", dtype="fp32")
TRACE = TokenTrace(
    token_ids=(5, 7), pieces=("\ud800 half", " \n"), logprobs=(-0.5, -1.25),
    policy_logprobs=(-0.25, -float("inf")), entropies=(0.5, 2.0),
)  # fmt: skip


def drawn(out: Path, store: str = "tokens", seed: int = 0) -> Path:
    model = FakeModel(name="base")
    config = SampleConfig(task="arithmetic", n=6, limit=5, store=store, seed=seed)
    draw_samples(make_plan(config, model), model, out)
    return out


def score(problem: str, number: int, trace: TokenTrace | None = TRACE) -> Score:
    return Score(
        problem_id=problem, sample_no=number, n_tokens=2, n_bytes=7, logprob_sum=-1.75,
        policy_logprob_sum=-float("inf"), entropy_sum=2.5, tokens_from="text", trace=trace,
    )  # fmt: skip


def test_scores_come_back_as_they_went_in(tmp_path: Path) -> None:
    run = drawn(tmp_path / "run")
    first, second = (problem.id for problem in RunFolder(run).problems()[:2])
    lost = replace(
        score(second, 3), logprob_sum=None, policy_logprob_sum=None, entropy_sum=None, trace=None,
        detail="empty completion",
    )  # fmt: skip
    given = [score(first, 0), score(second, 1), lost]
    with ScoreWriter(run, SCORER) as writer:
        writer.add(given[:1])
        writer.flush()
        writer.add(given[1:])
        assert writer.waiting == 2
        writer.compact()
    shown = replace(TRACE, pieces=("? half", " \n"))  # a lone surrogate cannot be stored
    want = [replace(one, trace=shown) if one.trace else one for one in given]
    assert rows.scores_of(read_scores(run, "a", traced=True)) == want
    assert rows.scores_of(read_scores(run, "a")) == [replace(one, trace=None) for one in given]
    (kept,) = rows.scores_of(read_scores(run, "a", traced=True, problem_ids=[first]))
    assert kept == want[0]
    assert len(read_scores(run, "a", problem_ids=[])) == 0
    assert scorers(run) == [SCORER]


def test_a_scorer_of_sums_has_empty_lists(tmp_path: Path) -> None:
    run = drawn(tmp_path / "run")
    problem = RunFolder(run).problems()[0].id
    with ScoreWriter(run, replace(SCORER, has_traces=False)) as writer:
        writer.add([score(problem, 0)])
    (found,) = rows.scores_of(read_scores(run, "a", traced=True))
    assert found == score(problem, 0, trace=None)


def test_one_scorer_one_model_one_writer(tmp_path: Path) -> None:
    run = drawn(tmp_path / "run")
    with ScoreWriter(run, SCORER):
        with pytest.raises(RunLocked):
            ScoreWriter(run, SCORER)
        with ScoreWriter(run, replace(SCORER, name="b")):
            pass
    with pytest.raises(ConfigMismatch, match="weights_hash='w', now asked with 'v'"):
        ScoreWriter(run, replace(SCORER, weights_hash="v"))


@pytest.mark.parametrize("text", [None, "{", "[]", json.dumps({"model": "x"})])
def test_a_scorer_that_does_not_say_who_it_is_is_refused(tmp_path: Path, text: str | None) -> None:
    run = drawn(tmp_path / "run")
    folder = run / "scores" / "x"
    folder.mkdir(parents=True)
    if text is not None:
        (folder / "scorer.json").write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match="does not say who scored"):
        scorers(run)
    with pytest.raises(RunError, match="is not a name"):
        read_scores(run, "../x")


def test_a_run_that_stores_tokens_has_its_own_scores(tmp_path: Path) -> None:
    run = drawn(tmp_path / "run")
    samples = RunFolder(run).samples(traced=True)
    found = rows.scores_of(own_scores(run, traced=True))
    assert [one.trace for one in found] == [sample.trace for sample in samples]
    for one, sample in zip(found, samples, strict=True):
        assert one.trace is not None
        assert (one.id, one.logprob_sum) == (sample.id, sample.logprob_sum)
        assert one.policy_logprob_sum == sample.sampling_logprob_sum
        assert one.entropy_sum == pytest.approx(sum(one.trace.entropies))
        assert one.n_bytes == len(sample.text)
    assert all(trace is None for trace in (s.trace for s in RunFolder(run).samples()))


def test_a_plain_run_says_how_to_score_it(tmp_path: Path) -> None:
    run = drawn(tmp_path / "run", store="samples")
    with pytest.raises(RunError, match=r"run `pathshift score --as .*run .*run`"):
        own_scores(run)
    weights = RunFolder(run).manifest.config["weights_hash"]
    own = replace(SCORER, weights_hash=weights, policy=policy_stated({}))
    other = replace(own, name="b", policy=policy_stated({"temperature": 0.5}))
    with ScoreWriter(run, other) as writer:
        writer.add([score(RunFolder(run).problems()[1].id, 0)])
    with pytest.raises(RunError, match="no scores of its own model"):
        own_scores(run)
    with ScoreWriter(run, own) as writer:
        writer.add([score(RunFolder(run).problems()[0].id, 0)])
    assert len(own_scores(run)) == 1


def test_tokens_survive_compaction_and_merge(tmp_path: Path) -> None:
    runs = [drawn(tmp_path / str(seed), seed=seed) for seed in (0, 1)]
    merge_runs(runs, tmp_path / "both")
    table = own_scores(tmp_path / "both", traced=True)
    assert len(table) == 2 * 5 * 6
    assert pc.all(table.column("token_ids").is_valid()).as_py()
    plain = drawn(tmp_path / "plain", store="samples", seed=2)
    with pytest.raises(ConfigMismatch, match="store"):
        merge_runs([runs[0], plain], tmp_path / "mixed")
