"""What a worker on another machine does: draw some problems for a while, judge, leave a shard.

Plain objects that know nothing of how they are called or moved; `rollout.crew` puts them on Ray.
A worker keeps nothing between two calls but the model and the verifier, so that a lost one costs
what it drew since its last shard and nothing else.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from pathshift.decoding.policy import Policy
from pathshift.errors import MissingExtra, ModelError, ModelLost, PathshiftError
from pathshift.models.load import LoadOptions, load_model
from pathshift.models.protocol import Completion, Message, Model, ModelInfo, Request
from pathshift.records import Outcome, Sample, Verdict
from pathshift.rollout.course import Course
from pathshift.rollout.plan import Plan, environment
from pathshift.rollout.sampling import Unit, draw_units
from pathshift.store import rows
from pathshift.store.run import SHARD_SAMPLES
from pathshift.store.staging import Staging
from pathshift.verify.judge import Judge


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a worker says of itself.

    Attributes:
        environment: As in a manifest: versions, CPU, the model's details.
        where: Its machine, for people.
    """

    info: ModelInfo
    environment: Mapping[str, Any]
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What every worker of a run is told once.

    Attributes:
        staging: Address and token of the place for finished shards.
        shard_seconds: How long a call may draw before it leaves its shard.
    """

    plan: Plan
    staging: tuple[str, str]
    shard_seconds: float


@dataclass(frozen=True, slots=True)
class Item:
    """One problem as work: its place in the plan and what is left to draw of it."""

    place: int
    course: Course


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """What one call drew.

    Attributes:
        items: The same problems, with what is left now.
        samples, verdicts: Names of the two files in the staging place; None if nothing was drawn.
        drawn: Samples in them.
        correct: Correct ones among them.
        surplus: Samples thrown away beyond where a rule stopped.
        tokens: Of all samples drawn, those thrown away included.
        trouble: Why no more was drawn; empty if all is well.
    """

    items: tuple[Item, ...]
    samples: str | None = None
    verdicts: str | None = None
    drawn: int = 0
    correct: int = 0
    surplus: int = 0
    tokens: int = 0
    trouble: str = ""


@dataclass(slots=True)
class _Open:
    """The open shard."""

    samples: list[Sample] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    n_asked: int = 0
    tokens: int = 0


class Worker:
    """A model and a verifier, ready to work; `stop` may come from another thread.

    Args:
        threads: CPU threads of the model; set before a library reads it, since schedulers set
            their own (Ray: as many as the CPUs it was asked for, 1 if none).
    """

    def __init__(self, spec: str, options: LoadOptions, threads: int) -> None:
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(threads)
        self._spec, self._options = spec, options
        self._loaded: Model | None = None
        self._judge: Judge | None = None
        self._assignment: Assignment | None = None
        self._stop = threading.Event()
        self._loading = threading.Lock()

    def about(self) -> About:
        """Load the model and say what it is.

        Raises:
            PathshiftError: as `load_model`.
        """
        model = self._model
        return About(info=model.info, environment=environment(model), where=os.uname().nodename)

    def render_chat(self, messages: Sequence[Message]) -> str:
        """As the model's."""
        return self._model.render_chat(messages)

    def generate(self, requests: Sequence[Request], policy: Policy) -> list[list[Completion]]:
        """As the model's."""
        return self._model.generate(requests, policy)

    def begin(self, assignment: Assignment) -> About:
        """Get ready for a run: see its staging place, load its model, start its verifier.

        Raises:
            RunError: the staging place is not seen from here.
            ModelError: the model has other weights here.
            PathshiftError: the model or the verifier cannot be loaded.
        """
        Staging(*assignment.staging).check_seen()
        about = self.about()
        config = assignment.plan.manifest.config
        if about.info.weights_hash != config["weights_hash"]:
            raise ModelError(
                f"{config['model']} has other weights on {about.where} than the run; "
                "put the same files on every machine"
            )
        if self._judge is not None:
            self._judge.close()
        self._judge = Judge(str(config["verifier"]))
        self._assignment = assignment
        self._stop.clear()
        return about

    def stop(self) -> None:
        """Have the running call leave its shard after the unit in hand."""
        self._stop.set()

    def draw(self, items: Sequence[Item]) -> Shard:
        """Draw these problems until they are done, the shard is full or old, or `stop` came.

        What went wrong on the way (a dead server, a full disk of the model's) is told in the shard,
        which holds all that was drawn before.

        Raises:
            StorageError: the staging place refused.
        """
        assert self._assignment is not None
        shard, trouble = _Open(), ""
        ends = time.monotonic() + self._assignment.shard_seconds
        try:
            while self._draw_once(items, shard):
                is_full = len(shard.samples) >= SHARD_SAMPLES or time.monotonic() >= ends
                if is_full or self._stop.is_set():
                    break
        except PathshiftError as error:
            trouble = str(error)
        return self._left(tuple(items), shard, trouble)

    @property
    def _model(self) -> Model:
        with self._loading:
            if self._loaded is None:
                try:
                    self._loaded = load_model(self._spec, self._options)
                except MissingExtra as error:  # which no pickle brings back to the driver
                    raise ModelError(f"on {os.uname().nodename}: {error}") from None
            return self._loaded

    def _draw_once(self, items: Sequence[Item], shard: _Open) -> bool:
        """One unit of each problem that is not done; False if there is none."""
        assert self._assignment is not None
        assert self._judge is not None
        plan = self._assignment.plan
        asked = [
            (item.course, Unit(plan.problems[item.place], plan.prompts[item.place], numbers))
            for item in items
            if (numbers := item.course.next_numbers())
        ]
        lost: ModelLost | None = None
        try:
            drawn = draw_units([unit for _, unit in asked], plan, self._model) if asked else []
        except ModelLost as error:
            drawn, lost = [list(of_unit) for of_unit in error.drawn], error
        for (course, unit), samples in zip(asked, drawn, strict=lost is None):
            verdicts = self._judge.verdicts((unit.problem, sample) for sample in samples)
            keep = course.take({v.sample_no: v.outcome for v in verdicts})
            shard.samples.extend(s for s in samples if s.sample_no in keep)
            shard.verdicts.extend(v for v in verdicts if v.sample_no in keep)
            shard.n_asked += len(samples)
            shard.tokens += sum(sample.n_tokens or 0 for sample in samples)
        if lost is not None:
            raise lost
        return bool(asked)

    def _left(self, items: tuple[Item, ...], shard: _Open, trouble: str) -> Shard:
        """Put the shard where the driver finds it."""
        assert self._assignment is not None
        if not shard.samples:
            return Shard(items=items, trouble=trouble)
        staging = Staging(*self._assignment.staging)
        is_traced = self._assignment.plan.manifest.config.get("store") == "tokens"
        name = uuid4().hex  # two attempts at the same work never meet
        return Shard(
            items=items,
            samples=staging.put(rows.sample_table(shard.samples, traced=is_traced), f"{name}-s"),
            verdicts=staging.put(rows.verdict_table(shard.verdicts), f"{name}-v"),
            drawn=len(shard.samples),
            correct=sum(v.outcome is Outcome.CORRECT for v in shard.verdicts),
            surplus=shard.n_asked - len(shard.samples),
            tokens=shard.tokens,
            trouble=trouble,
        )
