"""Workers on a Ray cluster: hired, lost, replaced, sent home.

Each is one actor that holds the model and a verifier. Usage statistics and the dashboard of Ray are
switched off. Ray moves our own records between our own processes by pickle; a cluster is therefore
trusted with all that the driver may do, and its ports belong behind a firewall.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from pathshift.decoding.policy import Policy
from pathshift.errors import ConfigError, MissingExtra, ModelError, RunError
from pathshift.models.load import LoadOptions
from pathshift.models.protocol import (
    Completion,
    Continuation,
    Message,
    ModelInfo,
    Request,
    Scored,
)
from pathshift.rollout.remote import About, Worker

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # read when Ray is imported

START_SECONDS = 3_600.0
"""How long to wait for a first worker: a large model is read from a slow disk."""
REACH_SECONDS = 10.0
"""How long a cluster's address may take to answer."""
STOP_SECONDS = 60.0
"""How long an interrupted driver waits for the workers' open shards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrewOptions:
    """How many workers, and what each of them takes of the cluster.

    Attributes:
        workers: Their number; None for as many as fit.
        cpus: Each one's CPUs, and the threads of its model.
        gpus: Each one's GPUs; a part of one is possible.
        problems: Problems that a worker draws at once, so 32 times as many samples; None for what
            the model says it takes.
        address: Of a running cluster, "auto" for the one this machine belongs to; None starts one
            on this machine, or takes RAY_ADDRESS.
        staging: Where workers leave finished shards; None for a folder in the run's.
    """

    workers: int | None = None
    cpus: int = 1
    gpus: float = 0.0
    problems: int | None = None
    address: str | None = None
    staging: str | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, least in (("workers", 1), ("cpus", 1), ("gpus", 0), ("problems", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError(f"-E {name} must be at least {least}, got {value}")


class Crew:
    """The workers of one driver; use as a context manager.

    Raises:
        MissingExtra: Ray is not installed.
        RunError: no cluster at the address, or one without room for a single worker.
    """

    def __init__(self, spec: str, model_options: LoadOptions, options: CrewOptions) -> None:
        try:
            import ray
        except ModuleNotFoundError as error:
            raise MissingExtra("ray", "ray") from error
        self.ray: Any = ray
        self.options = options
        self._spec, self._model_options = spec, model_options
        self._workers: list[Any] = []

    def __enter__(self) -> Self:
        self._connect()
        try:
            room = self._room()
            for _ in range(self.options.workers or room):
                self.hire()
        except BaseException:
            self.ray.shutdown()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            self.ray.kill(worker)
        self.ray.shutdown()

    @property
    def workers(self) -> tuple[Any, ...]:
        """The actors, those included that are still to start."""
        return tuple(self._workers)

    def hire(self) -> Any:
        """One more worker; it starts when the cluster has room."""
        threads = self._model_options.threads or self.options.cpus
        actor = self.ray.remote(
            num_cpus=self.options.cpus, num_gpus=self.options.gpus,
            max_concurrency=2, max_restarts=0,
        )(Worker)  # fmt: skip
        worker = actor.remote(self._spec, self._model_options, threads)
        self._workers.append(worker)
        return worker

    def dismiss(self, worker: Any) -> None:
        """End a worker that is lost, in case it lives on out of sight."""
        if worker in self._workers:
            self._workers.remove(worker)
        self.ray.kill(worker)

    def first(self) -> RemoteModel:
        """The model, as the first worker that is ready has it.

        Raises:
            PathshiftError: it cannot be loaded there.
            RunError: no worker started.
        """
        asked = {worker.about.remote(): worker for worker in self._workers}
        ready, _ = self.ray.wait(list(asked), num_returns=1, timeout=START_SECONDS)
        if not ready:
            raise self.no_worker()
        about = self.result(ready[0])
        assert isinstance(about, About)
        return RemoteModel(self, asked[ready[0]], about)

    def result(self, ref: Any) -> Any:
        """What a call returned; an error of ours is raised as itself.

        Raises:
            Lost: the worker is gone, or cannot be reached.
        """
        try:
            return self.ray.get(ref)
        except self.ray.exceptions.RayTaskError as error:
            raise error.cause from error
        except self.ray.exceptions.RayError as error:
            raise Lost(" ".join(str(error).split())[:300]) from error

    def no_worker(self) -> RunError:
        """What to say when none starts."""
        told = ", ".join(f"{k} {v:g}" for k, v in sorted(self._resources().items()))
        return RunError(
            f"no worker started: each needs {self.options.cpus} CPUs and {self.options.gpus:g} "
            f"GPUs, the cluster has {told or 'nothing'}; lower -E cpus or gpus, or add machines"
        )

    def _connect(self) -> None:
        address = self.options.address or os.environ.get("RAY_ADDRESS")
        own: Mapping[str, Any] = {} if address else {"include_dashboard": False}
        try:
            if address and address != "auto":
                _check_reached(address)
            self.ray.init(
                address=address, log_to_driver=False, logging_level="error",
                configure_logging=False, **own,
            )  # fmt: skip
        except (OSError, ValueError, RuntimeError) as error:
            raise RunError(
                f"no Ray cluster at {address or 'this machine'} "
                f"({' '.join(str(error).split())[:160]}); start one with `ray start --head`"
            ) from error

    def _resources(self) -> dict[str, float]:
        found = self.ray.cluster_resources()
        return {name: found[name] for name in ("CPU", "GPU") if name in found}

    def _room(self) -> int:
        """How many workers fit.

        Raises:
            RunError: none.
        """
        have = self._resources()
        room = int(have.get("CPU", 0) // self.options.cpus)
        if self.options.gpus:
            room = min(room, int(have.get("GPU", 0) // self.options.gpus))
        if not room:
            raise self.no_worker()
        return room


def _check_reached(address: str) -> None:
    """Ask at the door, since Ray itself waits for many minutes where nobody is.

    Raises:
        OSError, ValueError: nobody answers, or the address is none.
    """
    host, _, port = address.rpartition(":")
    if "://" in address or not host:
        raise ValueError("an address is HOST:PORT, or auto")
    socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_SECONDS).close()


class Lost(Exception):
    """A worker is gone, or cannot be reached; the text says why."""


class RemoteModel:
    """A worker's model, as the plan of a run needs it."""

    def __init__(self, crew: Crew, worker: Any, about: About) -> None:
        self._crew, self._worker, self.about = crew, worker, about

    @property
    def info(self) -> ModelInfo:
        """What a run records of it."""
        return self.about.info

    def render_chat(self, messages: Sequence[Message]) -> str:
        """As the worker's model does."""
        text = self._crew.result(self._worker.render_chat.remote(messages))
        assert isinstance(text, str)
        return text

    def generate(self, requests: Sequence[Request], policy: Policy) -> list[list[Completion]]:
        """As the worker's model does."""
        drawn: list[list[Completion]] = self._crew.result(
            self._worker.generate.remote(requests, policy)
        )
        return drawn

    def score(self, prompt: str, continuation: str) -> list[float]:
        """Refused."""
        raise ModelError("a model on a cluster is not asked for scores; run `pathshift score`")

    def score_all(
        self, prompt: str, continuations: Sequence[Continuation], policy: Policy, *, is_chat: bool
    ) -> list[Scored]:
        """Refused."""
        raise ModelError("a model on a cluster is not asked for scores; run `pathshift score`")
