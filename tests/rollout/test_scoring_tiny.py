"""Scoring with real networks: two random byte models, and one that numbers its tokens otherwise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.tiny import save_tiny

from pathshift.models.hf.model import HfModel, load_hf
from pathshift.records import Score
from pathshift.rollout.plan import SampleConfig, make_plan
from pathshift.rollout.sampling import draw_samples
from pathshift.rollout.scoring import score_run
from pathshift.store import rows
from pathshift.store.run import RunFolder
from pathshift.store.scores import read_scores

CONFIG = SampleConfig(
    task="arithmetic", n=20, limit=3, temperature=0.7, top_p=0.9, max_tokens=30, store="tokens",
    stop=(),
)  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, HfModel]:
    folder = tmp_path_factory.mktemp("tiny")
    save_tiny(folder / "a", seed=1)
    save_tiny(folder / "b", seed=2)
    save_tiny(folder / "foreign", seed=1, reverse=True)
    return {
        name: load_hf(f"hf:{name}", str(folder / name), n_rows=16) for name in ("a", "b", "foreign")
    }


@pytest.fixture(scope="module")
def run(models: dict[str, HfModel], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "a"
    draw_samples(make_plan(CONFIG, models["a"]), models["a"], out)
    return out


def scores(run: Path, model: HfModel) -> dict[str, Score]:
    scorer, _ = score_run(run, model)
    return {score.id: score for score in rows.scores_of(read_scores(run, scorer.name))}


def test_the_model_that_drew_gives_what_it_drew_with(models: dict[str, HfModel], run: Path) -> None:
    found = scores(run, models["a"])
    for sample in RunFolder(run).samples():
        score = found[sample.id]
        assert score.tokens_from == "sampled"
        assert score.n_tokens == sample.n_tokens
        assert score.logprob_sum == pytest.approx(sample.logprob_sum, abs=1e-3)
        assert score.policy_logprob_sum == pytest.approx(sample.sampling_logprob_sum, abs=1e-3)


def test_another_model_excludes_what_its_own_nucleus_would(
    models: dict[str, HfModel], run: Path
) -> None:
    found = list(scores(run, models["b"]).values())
    assert all(score.logprob_sum is not None and score.logprob_sum < 0 for score in found)
    excluded = [score.policy_logprob_sum == -float("inf") for score in found]
    assert sum(excluded) > len(excluded) / 2  # thirty draws from a stranger leave its top 90%


def test_a_foreign_tokenizer_reads_the_text(models: dict[str, HfModel], run: Path) -> None:
    found = scores(run, models["foreign"])
    for sample in RunFolder(run).samples():
        score = found[sample.id]
        assert score.tokens_from == "text"
        assert score.n_bytes == len(sample.text.encode())
        if score.logprob_sum is None:
            assert (sample.text, score.detail) == ("", "empty completion")
        else:
            assert score.n_tokens == score.n_bytes + (sample.finish_reason == "stop")


def test_texts_encoded_again_give_the_same_where_the_encoding_is_unique(
    models: dict[str, HfModel], tmp_path: Path
) -> None:
    """One token a byte: text that is valid UTF-8 has one encoding, so nothing may differ."""
    config = replace(CONFIG, store="samples", temperature=1.0, top_p=1.0, max_tokens=2)
    draw_samples(make_plan(config, models["a"]), models["a"], tmp_path / "run")
    found = scores(tmp_path / "run", models["a"])
    checked = 0
    for sample in RunFolder(tmp_path / "run").samples():
        if sample.text and "\ufffd" not in sample.text:
            assert found[sample.id].logprob_sum == pytest.approx(sample.logprob_sum, abs=1e-3)
            checked += 1
    assert checked > 0
