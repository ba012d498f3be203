"""The driver's loop with workers that are lost at random: no Ray here, the rest is real.

A stand-in runs each call when its result is asked for, on a copy made by pickle as Ray makes one.
"""

from __future__ import annotations

import os
import pickle
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from tests.commands import environment
from tests.tiny import save_tiny

from pathshift.decoding.policy import Policy
from pathshift.errors import ConfigError, ModelError, PathshiftError, RunError, RunLocked
from pathshift.models.fake import FakeModel
from pathshift.models.load import LoadOptions
from pathshift.models.protocol import Completion, Request
from pathshift.rollout import clustered
from pathshift.rollout.clustered import MOST_LOSSES, draw_on_crew
from pathshift.rollout.crew import CrewOptions, Lost
from pathshift.rollout.plan import Plan, SampleConfig, make_plan
from pathshift.rollout.remote import Assignment, Item, Worker
from pathshift.rollout.sampling import Progress, draw_samples
from pathshift.store.run import RunFolder, RunWriter

FAKE = FakeModel(name="base")
PLAIN = SampleConfig(task="arithmetic", n=70, limit=6)
STOPPED = replace(PLAIN, n=90, pilot=4, stop_at=2)


@dataclass(eq=False)
class Call:
    method: Callable[..., Any]
    arguments: tuple[Any, ...]


class Remote:
    def __init__(self, calls: list[Call], method: Callable[..., Any]) -> None:
        self._calls, self._method = calls, method

    def remote(self, *arguments: Any) -> Call:
        call = Call(self._method, pickle.loads(pickle.dumps(arguments)))
        self._calls.append(call)
        return call


class Hand:
    """A worker as Ray shows it."""

    def __init__(self, crew: StandIn) -> None:
        worker = crew.make()
        for name in ("begin", "draw", "stop"):
            setattr(self, name, Remote(crew.calls, getattr(worker, name)))


@dataclass
class StandIn:
    """A crew; `lose` says of each call that is asked for whether its worker is lost instead."""

    lose: Callable[[Call], str]
    options: CrewOptions = field(default_factory=lambda: CrewOptions(workers=3))
    make: Callable[[], Worker] = lambda: Worker("fake:base", LoadOptions(), 1)
    calls: list[Call] = field(default_factory=list)
    order: random.Random = field(default_factory=lambda: random.Random(0))
    interrupt_after: int = 10**9

    def __post_init__(self) -> None:
        self.hands = [Hand(self) for _ in range(self.options.workers or 1)]

    @property
    def ray(self) -> StandIn:
        return self

    @property
    def workers(self) -> tuple[Hand, ...]:
        return tuple(self.hands)

    def hire(self) -> Hand:
        self.hands.append(Hand(self))
        return self.hands[-1]

    def dismiss(self, hand: Hand) -> None:
        self.hands.remove(hand)

    def wait(
        self, refs: Sequence[Call], *, num_returns: int, timeout: float
    ) -> tuple[list[Call], list[Call]]:
        self.interrupt_after -= 1
        if self.interrupt_after == 0:
            raise KeyboardInterrupt
        done = self.order.sample(list(refs), min(num_returns, len(refs)))
        return done, [ref for ref in refs if ref not in done]

    def result(self, call: Call) -> Any:
        how = self.lose(call)
        if how == "before":
            raise Lost("node 7 is gone. It was hit by a truck")
        told = pickle.loads(pickle.dumps(call.method(*call.arguments)))
        if how == "after":  # its shard lies in the staging place, and nobody was told
            raise Lost("node 7 is gone")
        return told


def never(call: Call) -> str:
    return ""


def at_random(seed: int) -> Callable[[Call], str]:
    rng = random.Random(seed)
    return lambda call: rng.choices(["", "before", "after"], [8, 1, 1])[0]


def plan_of(config: SampleConfig) -> Plan:
    return make_plan(config, FAKE)


def contents(out: Path) -> tuple[Any, ...]:
    folder = RunFolder(out)
    return (
        folder.samples(), folder.verdicts("number-first"), folder.problems(), folder.prompts(),
        folder.manifest.config, folder.manifest.n,
    )  # fmt: skip


def crew_draws(config: SampleConfig, out: Path, crew: StandIn, **more: Any) -> Any:
    return draw_on_crew(plan_of(config), crew, out, shard_seconds=0, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("config", [PLAIN, STOPPED], ids=["plain", "stopped"])
@pytest.mark.parametrize("problems", [1, 4])
def test_the_run_of_a_crew_is_the_run_of_one_process(
    tmp_path: Path, config: SampleConfig, problems: int
) -> None:
    draw_samples(plan_of(config), FAKE, tmp_path / "here")
    crew = StandIn(never, CrewOptions(workers=3, problems=problems))
    progress = crew_draws(config, tmp_path / "there", crew)
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    assert progress.drawn == progress.wanted == len(RunFolder(tmp_path / "there").samples())
    assert not (tmp_path / "there" / "incoming").exists()


@pytest.mark.parametrize("config", [PLAIN, STOPPED], ids=["plain", "stopped"])
@pytest.mark.parametrize("seed", range(4))
def test_workers_lost_at_random_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: SampleConfig, seed: int
) -> None:
    monkeypatch.setattr(clustered, "MOST_LOSSES", 10)
    draw_samples(plan_of(config), FAKE, tmp_path / "here")
    notes: list[str] = []
    crew = StandIn(at_random(seed), order=random.Random(seed))
    crew_draws(config, tmp_path / "there", crew, on_note=notes.append)
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    assert any("a worker is lost (node 7 is gone)" in note for note in notes)
    assert len(crew.hands) == 3


@pytest.mark.parametrize("after", range(2, 14, 3))
def test_an_interrupt_takes_in_what_is_under_way_and_the_run_goes_on(
    tmp_path: Path, after: int
) -> None:
    draw_samples(plan_of(PLAIN), FAKE, tmp_path / "here")
    out = tmp_path / "there"
    with pytest.raises(KeyboardInterrupt):
        crew_draws(PLAIN, out, StandIn(never, interrupt_after=after))
    kept = len(RunFolder(out).samples())
    told: list[Progress] = []
    crew_draws(PLAIN, out, StandIn(never), on_progress=told.append)
    assert told[0].kept == kept
    assert contents(out) == contents(tmp_path / "here")


def test_what_a_dead_driver_left_aside_is_swept_and_not_counted(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        crew_draws(PLAIN, out, StandIn(never, interrupt_after=4))
    left = out / "incoming" / "dead"
    left.mkdir(parents=True)
    (shard,) = list((out / "samples").glob("*.parquet"))[:1]
    (left / "x-s").write_bytes(shard.read_bytes())
    crew_draws(PLAIN, out, StandIn(never))
    draw_samples(plan_of(PLAIN), FAKE, tmp_path / "here")
    assert contents(out) == contents(tmp_path / "here")
    assert not (out / "incoming").exists()


def test_a_problem_that_takes_its_workers_with_it_is_named(tmp_path: Path) -> None:
    plan = plan_of(PLAIN)
    bad = plan.problems[3]

    def lose(call: Call) -> str:
        items = call.arguments[0] if call.arguments else ()
        is_bad = isinstance(items, tuple) and any(item.place == 3 for item in items)
        return "before" if is_bad else ""

    with pytest.raises(RunError, match=rf"{MOST_LOSSES} workers were lost.*{bad.id}"):
        crew_draws(PLAIN, tmp_path / "run", StandIn(lose))
    assert len(RunFolder(tmp_path / "run").samples()) > 0


def test_workers_that_die_while_they_start_end_the_wait(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="died while they started"):
        crew_draws(PLAIN, tmp_path / "run", StandIn(lambda call: "before"))


def test_a_cluster_that_never_gives_a_worker_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew = StandIn(never)
    monkeypatch.setattr(clustered, "START_SECONDS", -1.0)
    monkeypatch.setattr(crew, "wait", lambda refs, **_: ([], list(refs)))
    monkeypatch.setattr(crew, "no_worker", lambda: RunError("no room"), raising=False)
    with pytest.raises(RunError, match="no room"):
        crew_draws(PLAIN, tmp_path / "run", crew)


def test_machines_that_differ_are_told_by_name(tmp_path: Path) -> None:
    plan = plan_of(PLAIN)
    other = {**plan.manifest.environment, "cpu": "another one"}
    plan = replace(plan, manifest=replace(plan.manifest, environment=other))
    notes: list[str] = []
    draw_on_crew(plan, StandIn(never), tmp_path / "run", on_note=notes.append)  # type: ignore[arg-type]
    assert any("cpu was" in note and os.uname().nodename in note for note in notes)


def test_two_drivers_on_one_folder_are_refused(tmp_path: Path) -> None:
    plan = plan_of(PLAIN)
    with (
        RunWriter.open(tmp_path / "run", plan.manifest, plan.problems, plan.prompts),
        pytest.raises(RunLocked),
    ):
        crew_draws(PLAIN, tmp_path / "run", StandIn(never))


class Dying(FakeModel):
    """A server that is there for a while."""

    left = 5

    def generate(self, requests: Sequence[Request], policy: Policy) -> list[list[Completion]]:
        type(self).left -= 1
        if type(self).left < 0:
            raise ModelError("the server is gone")
        return FakeModel.generate(self, requests, policy)


def test_a_dead_server_ends_the_run_and_keeps_what_was_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Dying, "left", 5)
    monkeypatch.setattr("pathshift.rollout.remote.load_model", lambda *_: Dying(name="base"))
    out = tmp_path / "run"
    with pytest.raises(PathshiftError, match="the server is gone"):
        draw_on_crew(plan_of(PLAIN), StandIn(never), out)  # type: ignore[arg-type]
    assert len(RunFolder(out).samples()) >= 3 * 32
    monkeypatch.undo()
    crew_draws(PLAIN, out, StandIn(never))
    draw_samples(plan_of(PLAIN), FAKE, tmp_path / "here")
    assert contents(out) == contents(tmp_path / "here")


def ready(tmp_path: Path, plan: Plan, seen: str) -> Worker:
    worker = Worker("fake:base", LoadOptions(), 1)
    worker.begin(Assignment(plan=plan, staging=(seen, "t"), shard_seconds=9.0))
    return worker


def test_a_machine_that_does_not_see_the_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="all machines share"):
        ready(tmp_path, plan_of(PLAIN), str(tmp_path / "elsewhere"))


def test_other_weights_on_a_machine_are_refused(tmp_path: Path) -> None:
    from pathshift.store.staging import Staging

    Staging(str(tmp_path), "t").open()
    plan = plan_of(PLAIN)
    config = {**plan.manifest.config, "weights_hash": "other"}
    with pytest.raises(ModelError, match="other weights on"):
        ready(
            tmp_path, replace(plan, manifest=replace(plan.manifest, config=config)), str(tmp_path)
        )
    assert ready(tmp_path, plan, str(tmp_path)).draw([]).samples is None


def test_stop_ends_a_call_after_the_unit_in_hand(tmp_path: Path) -> None:
    from pathshift.rollout.sampling import courses
    from pathshift.store.staging import Staging

    Staging(str(tmp_path), "t").open()
    plan = plan_of(PLAIN)
    worker = ready(tmp_path, plan, str(tmp_path))
    worker.stop()
    items = [Item(i, course) for i, (_, _, course) in enumerate(courses(plan, {}, 70))]
    shard = worker.draw(items[:2])
    assert (shard.drawn, shard.trouble) == (64, "")
    assert [item.course.left for item in shard.items] == [38, 38]


def test_a_workers_threads_are_set_before_a_library_reads_them(tmp_path: Path) -> None:
    tiny = save_tiny(tmp_path / "tiny")
    code = (
        "import sys\n"
        "from pathshift.rollout.remote import Worker\n"
        "from pathshift.models.load import LoadOptions\n"
        "assert 'torch' not in sys.modules\n"
        f"worker = Worker('hf:{tiny}', LoadOptions(), 2)\n"
        "worker.about()\n"
        "import torch; print(torch.get_num_threads())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**environment(), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.stdout.split()[-1] == "2"


@pytest.mark.parametrize("name", ["workers", "cpus", "problems"])
def test_options_out_of_range_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"-E {name} must be at least 1, got 0"):
        CrewOptions(**{name: 0})  # type: ignore[arg-type]
