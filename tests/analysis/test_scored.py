from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.analysis.scored_runs import BASE, PLAIN, TUNED, Answer, scorer_of, write_scored

from pathshift.analysis.reach import reach
from pathshift.analysis.scored import Bootstrapping, matched, part_of, scored_run
from pathshift.errors import ConfigError
from pathshift.records import Outcome, Score
from pathshift.store.scores import ScoreWriter, scorer_like

ROWS = {
    f"p{i}": [
        Answer(text="äb", outcome=Outcome.CORRECT, own=-2.0, other=-3.0),
        Answer(text="", outcome=Outcome.WRONG, own=-1.0, other=None),
        Answer(text="c", outcome=Outcome.FAILED, own=-1.0, other=-2.0, finish_reason="length"),
    ]
    for i in range(8)
}


def test_samples_verdicts_and_scores_are_joined_by_sample(tmp_path: Path) -> None:
    base, tuned = (
        write_scored(tmp_path / "b", BASE, ROWS),
        write_scored(tmp_path / "t", TUNED, ROWS),
    )
    found = scored_run(tuned, ["p3", "p1"], base)
    place = np.lexsort((found.sample_no, found.problem))
    assert found.problem[place].tolist() == [0, 0, 0, 1, 1, 1]
    assert found.is_correct[place].tolist() == [True, False, False] * 2
    assert found.is_failed[place].tolist() == [False, False, True] * 2
    assert found.is_cut[place].tolist() == [False, False, True] * 2
    assert found.n_bytes[place].tolist() == [3, 0, 1] * 2
    assert found.own[place].tolist() == [-2, -1, -1] * 2
    assert found.other[place][[0, 2]].tolist() == [-3, -2]
    assert np.isnan(found.other[place][1])
    assert found.is_exact[place].tolist() == [True, False, True] * 2
    assert found.unscored == {"empty completion": 2}
    assert found.shares_tokenizer is True
    assert found.counts(2).tolist() == [[2, 1], [2, 1]]


def test_a_run_without_its_own_ln_p_takes_its_models_score_at_temperature_one_only(
    tmp_path: Path,
) -> None:
    silent = {k: [replace(r, own=None) for r in rows] for k, rows in ROWS.items()}
    run = write_scored(tmp_path / "t", TUNED, silent)
    own = replace(TUNED, other="tuned")
    with ScoreWriter(run, scorer_of(own, name="self")) as scores:
        scores.add([
            Score(problem_id=k, sample_no=0, n_tokens=7, n_bytes=3, logprob_sum=-9.0,
                  policy_logprob_sum=-8.0, entropy_sum=None, tokens_from="text")
            for k in ROWS
        ])  # fmt: skip
    found = scored_run(run, list(ROWS), None)
    assert sorted(found.own[found.is_correct].tolist()) == [-9.0] * 8
    assert np.isnan(found.own_policy).all()


def test_of_several_scorers_the_one_with_the_runs_policy_is_taken(tmp_path: Path) -> None:
    base = write_scored(tmp_path / "b", replace(BASE, config={"temperature": 0.6}), ROWS)
    tuned = write_scored(tmp_path / "t", TUNED, ROWS)
    warm = replace(scorer_of(TUNED, name="warm"), policy={**PLAIN, "temperature": 0.6})
    ScoreWriter(tuned, warm).__exit__(None, None, None)
    taken = scorer_like(tuned, base, any_policy=True)
    assert taken is not None
    assert taken.name == "warm"
    assert scorer_like(tuned, tuned) is None


def test_problems_of_a_cluster_are_drawn_together_and_count_in_the_bound(tmp_path: Path) -> None:
    base = write_scored(tmp_path / "b", BASE, ROWS, clusters=True)
    tuned = write_scored(tmp_path / "t", TUNED, ROWS, clusters=True)
    weights = Bootstrapping(replicates=200).weights(matched(base, tuned))
    assert weights.rows.shape == (200, 8)
    assert (weights.rows[:, :4] == weights.rows[:, :1]).all()
    assert weights.rows.sum(axis=1) + weights.atoms.sum(axis=1) == pytest.approx(np.ones(200))
    some = part_of(weights, np.array([0, 5]))
    assert some.rows.sum(axis=1) + some.atoms.sum(axis=1) == pytest.approx(np.ones(200))
    alone = [write_scored(tmp_path / n, side, ROWS) for n, side in (("c", BASE), ("d", TUNED))]
    assert reach(base, tuned).bound.low < reach(alone[0], alone[1]).bound.low


@pytest.mark.parametrize("setting", [{"level": 1.0}, {"replicates": 10}])
def test_settings_out_of_range_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="must be"):
        Bootstrapping(**setting)  # type: ignore[arg-type]
