"""Several problems under way at once: the same run, and what was drawn is kept if a server dies."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from tests.servers.hf_server import Behaviour, Body, send, serving
from tests.tiny import save_tiny

from pathshift.decoding.policy import Policy
from pathshift.errors import ConfigError, ModelError, ModelLost
from pathshift.models.fake import FakeModel
from pathshift.models.load import LoadOptions, load_model
from pathshift.models.openai.model import OpenAIModel
from pathshift.models.protocol import (
    Completion,
    Continuation,
    Message,
    ModelInfo,
    Request,
    Scored,
)
from pathshift.rollout.plan import SampleConfig, make_plan
from pathshift.rollout.sampling import draw_samples
from pathshift.rollout.scoring import Scoring, score_run
from pathshift.store.run import RunFolder

CONFIG = SampleConfig(task="arithmetic", n=40, limit=12)


class Parallel:
    """A fake that takes several calls at once, and goes away after some samples.

    Args:
        together: So many first calls wait for each other, to show that they are under way at once.
    """

    def __init__(self, at_once: int, *, lives: int = 10**9, together: int = 1) -> None:
        self.inner, self.at_once, self.lives = FakeModel(name="base"), at_once, lives
        self.barrier, self.lock, self.calls = threading.Barrier(together), threading.Lock(), 0

    @property
    def info(self) -> ModelInfo:
        return replace(self.inner.info, at_once=self.at_once)

    def render_chat(self, messages: Sequence[Message]) -> str:
        return self.inner.render_chat(messages)

    def score(self, prompt: str, continuation: str) -> list[float]:
        return self.inner.score(prompt, continuation)

    def score_all(
        self, prompt: str, continuations: Sequence[Continuation], policy: Policy, *, is_chat: bool
    ) -> list[Scored]:
        return self.inner.score_all(prompt, continuations, policy, is_chat=is_chat)

    def generate(self, requests: Sequence[Request], policy: Policy) -> list[list[Completion]]:
        with self.lock:
            self.calls += 1
            is_first = self.calls <= self.barrier.parties
        if is_first:
            self.barrier.wait(20)
        (drawn,) = self.inner.generate(requests, policy)
        with self.lock:
            given = min(len(drawn), self.lives)
            self.lives -= given
        if given < len(drawn):
            raise ModelLost("it is gone", [[*drawn[:given], *[None] * (len(drawn) - given)]])
        return [drawn]


def kept(path: Path) -> dict[str, tuple[str, int]]:
    return {s.id: (s.text, s.seed) for s in RunFolder(path).samples()}


@pytest.mark.parametrize("stopping", [{}, {"stop_at": 2, "pilot": 8}])
def test_the_run_is_the_one_drawn_problem_after_problem(
    tmp_path: Path, stopping: dict[str, Any]
) -> None:
    config = replace(CONFIG, **stopping)
    for name, model in (("one", FakeModel(name="base")), ("many", Parallel(64))):
        draw_samples(make_plan(config, model), model, tmp_path / name)
    assert kept(tmp_path / "many") == kept(tmp_path / "one")
    outcomes = [RunFolder(tmp_path / name).outcomes("numeric") for name in ("one", "many")]
    assert outcomes[0] == outcomes[1]


def test_problems_are_under_way_beside_each_other(tmp_path: Path) -> None:
    """Five calls that wait for each other: one after the other they would wait in vain."""
    model = Parallel(40, together=5)
    draw_samples(make_plan(CONFIG, model), model, tmp_path)
    assert len(kept(tmp_path)) == 12 * 40


@pytest.mark.parametrize("at_once", [1, 64])
def test_a_model_that_goes_away_costs_nothing_it_had_drawn(tmp_path: Path, at_once: int) -> None:
    model = Parallel(at_once, lives=150)
    plan = make_plan(CONFIG, model)
    with pytest.raises(ModelLost, match="run the same command again to go on"):
        draw_samples(plan, model, tmp_path / "broken")
    whole = FakeModel(name="base")
    draw_samples(plan, whole, tmp_path / "whole")
    part, all_of_it = kept(tmp_path / "broken"), kept(tmp_path / "whole")
    assert len(part) == 150
    assert part.items() <= all_of_it.items()
    draw_samples(plan, Parallel(64), tmp_path / "broken")
    assert kept(tmp_path / "broken") == all_of_it


def test_a_bug_in_a_model_is_a_crash(tmp_path: Path) -> None:
    class Broken(Parallel):
        def generate(self, requests: Sequence[Request], policy: Policy) -> list[list[Completion]]:
            raise ZeroDivisionError

    model = Broken(64)
    with pytest.raises(ZeroDivisionError):
        draw_samples(make_plan(CONFIG, model), model, tmp_path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("tiny"))


def model_at(spec: str, **options: Any) -> OpenAIModel:
    found = load_model(spec, LoadOptions(retries=0, concurrency=8, **options))
    assert isinstance(found, OpenAIModel)
    return found


ASKED = SampleConfig(task="arithmetic", n=6, limit=4, max_tokens=4)


def test_a_run_on_a_server_that_dies_goes_on_when_it_is_back(folder: Path, tmp_path: Path) -> None:
    own, alive = Behaviour(), [10]

    def dies(handler: BaseHTTPRequestHandler, body: Body, number: int) -> bool:
        if body.get("seed", 1) == 1:
            return False
        with own.lock:
            alive[0] -= 1
            is_dead = alive[0] < 0
        if is_dead:
            send(handler, 503, b"{}")
        return is_dead

    own.mishap = dies
    with serving(folder, own):
        model = model_at(own.spec)
        plan = make_plan(ASKED, model)
        with pytest.raises(ModelLost, match=r"is gone: HTTP 503.*run the same command again"):
            draw_samples(plan, model, tmp_path / "run")
        model.close()
        assert len(kept(tmp_path / "run")) == 10
        own.mishap = None
        for name in ("run", "whole"):
            model = model_at(own.spec)
            draw_samples(plan, model, tmp_path / name)
            model.close()
    assert len(kept(tmp_path / "run")) == 24
    assert kept(tmp_path / "run") == kept(tmp_path / "whole")


def test_a_run_is_scored_by_a_server_in_sums(folder: Path, tmp_path: Path) -> None:
    with serving(folder) as own:
        model = model_at(own.spec)
        draw_samples(make_plan(replace(ASKED, temperature=0.7), model), model, tmp_path)
        with pytest.raises(ModelError, match="score with --sums"):
            score_run(tmp_path, model)
        scorer, progress = score_run(tmp_path, model, Scoring(traced=False))
        model.close()
    assert progress.drawn == 24
    from pathshift.store.scores import read_scores

    table = read_scores(tmp_path, scorer.name)
    drawn = {s.id: s.logprob_sum for s in RunFolder(tmp_path).samples()}
    assert table.column("entropy_sum").to_pylist() == [None] * 24
    assert table.column("policy_logprob_sum").to_pylist() == [None] * 24
    assert all(value is not None for value in drawn.values())


def test_what_only_a_server_could_render_is_not_scored(folder: Path, tmp_path: Path) -> None:
    with serving(folder, Behaviour(shows_template=False)) as own:
        model = model_at(own.spec)
        draw_samples(make_plan(ASKED, model), model, tmp_path)
        model.close()
    local = load_model(f"hf:{folder}", LoadOptions(rows=16))
    with pytest.raises(ConfigError, match="does not show the text"):
        score_run(tmp_path, local)
