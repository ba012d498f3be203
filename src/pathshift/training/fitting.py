"""Next-token training: what will be drawn, and one visible loop over it.

Fine-tuning, distillation and pre-training all run this loop; they differ in their data and in where
the network comes from. Every step is a function of (configuration, seed, step number), and what it
changes is in the checkpoint, so a run that was ended goes on bit for bit.

Shapes: B rows of a step, T positions.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch

from pathshift.decoding.uniforms import seed_of
from pathshift.errors import ConfigError
from pathshift.training.checkpoints import Trained, resume, save_checkpoint
from pathshift.training.examples import Source
from pathshift.training.folder import TrainingFolder
from pathshift.training.mixture import Draw, SourceRow, planned, table
from pathshift.training.optimizer import (
    Muon,
    OptimizerSettings,
    build_optimizers,
    check_finite,
    learning_rate,
    update,
)
from pathshift.training.packing import Document, batch_of, one_a_row, pack
from pathshift.training.progress import MetricsLog, Progress
from pathshift.training.sequences import Batch, micro_batches, token_logprobs
from pathshift.training.trackers import TrackedRun, Trackers

DTYPES = ("fp32", "bf16")
SAVE_SECONDS = 60.0
"""A checkpoint is written after so long at the latest; it changes nothing of what is trained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitSettings:
    """How long, in which portions, and how a run is watched.

    Attributes:
        epochs: Times that all tokens together are drawn; not looked at where `steps` is given.
        steps: Updates in all; None lets `epochs` decide.
        batch: Rows of one update.
        length: Tokens of a row.
        micro_tokens: Tokens that go through the network at once; the update is the same for any.
        packed: Several documents share a row.
        dtype: "bf16" computes in bfloat16 (autocast); the weights are fp32 always.
        warmup: Share of the steps in which the learning rate rises.
        optimizer: The rest of how weights are moved; its `warmup_steps` follow from `warmup`.
        muon: Moves the matrices inside the network; None for AdamW on all.
        eval_every: Steps between two looks at the evaluation loss; 0 for the last step only.
        save_every: Steps between two checkpoints.
        seed: Of the order and of dropout.
    """

    epochs: float = 1.0
    steps: int | None = None
    batch: int = 16
    length: int = 512
    micro_tokens: int = 8192
    packed: bool = True
    dtype: str = "fp32"
    warmup: float = 0.1
    optimizer: OptimizerSettings = field(
        default_factory=lambda: OptimizerSettings(schedule="cosine")
    )
    muon: Muon | None = None
    eval_every: int = 0
    save_every: int = 100
    seed: int = 0

    def config(self) -> dict[str, Any]:
        """What a resumed run must share, flat; how it is watched may change."""
        whole = asdict(self)
        moving = whole.pop("optimizer")
        for name in ("eval_every", "save_every"):
            del whole[name]
        del moving["warmup_steps"]  # follows from `warmup`
        # Not there without Muon: runs that began before there was a choice go on.
        muon = {f"muon_{name}": value for name, value in (whole.pop("muon") or {}).items()}
        return {**whole, **moving, **muon}

    def for_steps(self, n_steps: int) -> OptimizerSettings:
        """How weights are moved in a run of so many steps."""
        return replace(self.optimizer, warmup_steps=round(self.warmup * n_steps))

    def __post_init__(self) -> None:
        """Check every field against its rule."""
        rules = {
            f"epochs must be above 0, got {self.epochs:g}": 0 < self.epochs < math.inf,
            f"steps must be at least 1, got {self.steps}": self.steps is None or self.steps >= 1,
            f"batch must be at least 1 row, got {self.batch}": self.batch >= 1,
            f"length must be at least 2 tokens, got {self.length}": self.length >= 2,
            f"micro tokens must be at least 1, got {self.micro_tokens}": self.micro_tokens >= 1,
            f"dtype {self.dtype!r} is not known; use one of {', '.join(DTYPES)}": (
                self.dtype in DTYPES
            ),
            f"warm-up must be a share from 0 to 1, got {self.warmup:g}": 0 <= self.warmup <= 1,
            f"eval every must be 0 (at the end) or more steps, got {self.eval_every}": (
                self.eval_every >= 0
            ),
            f"save every must be at least 1 step, got {self.save_every}": self.save_every >= 1,
        }
        for message, holds in rules.items():
            if not holds:
                raise ConfigError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """All rows of a run in their order, and the table of what they hold.

    Attributes:
        rows: Each a list of documents, as (source, document).
        evals: Documents that the loss is only looked at.
        table: By source, counted over the rows.
    """

    sources: tuple[Source, ...]
    rows: tuple[tuple[Draw, ...], ...]
    evals: tuple[Document, ...]
    table: tuple[SourceRow, ...]
    n_steps: int

    def documents(self, row: int) -> list[Document]:
        """What one row holds."""
        return [self.sources[at].documents[number] for at, number in self.rows[row]]

    def names(self, rows: Sequence[int]) -> list[str]:
        """What the rows hold, for messages."""
        drawn = [draw for row in rows for draw in self.rows[row]]
        return [f"{self.sources[at].name} document {number + 1}" for at, number in drawn]

    @property
    def n_tokens(self) -> int:
        """Tokens of all rows, filling left out."""
        return sum(row.drawn_tokens for row in self.table)

    @property
    def left_out(self) -> dict[str, int]:
        """Rows of the files that are longer than a row of the batch, by source name."""
        return {source.name: source.too_long for source in self.sources if source.too_long}

    def fill(self, length: int) -> float:
        """Share of the rows' positions that hold a token."""
        return self.n_tokens / (length * max(1, len(self.rows)))


def scheduled(
    sources: Sequence[Source], settings: FitSettings, evals: Sequence[Document] = ()
) -> Schedule:
    """Draw, pack and count before anything is trained.

    With `steps` as many documents are drawn as fill that many batches, over several epochs; else
    the last batch may be short, so that every document is seen as often as it should be.
    """
    sizes = [source.size for source in sources]
    n_rows = None if settings.steps is None else settings.steps * settings.batch
    all_tokens = sum(size.n_tokens for size in sizes)
    n_tokens = settings.epochs * all_tokens if n_rows is None else (n_rows + 1) * settings.length
    draws = planned(sizes, n_tokens, settings.seed)
    lengths = [sizes[at].lengths[number] for at, number in draws]
    packed = _rows_of(lengths, settings, n_rows)
    rows = tuple(tuple(draws[i] for i in row) for row in packed)
    return Schedule(
        sources=tuple(sources),
        rows=rows,
        evals=tuple(evals),
        table=tuple(table(sizes, [draw for row in rows for draw in row])),
        n_steps=math.ceil(len(rows) / settings.batch),
    )


def _ignore(_: object) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """Who is told how a run goes.

    Attributes:
        progress: Told after every update.
        say: Takes a line for the user.
        trackers: Names of `progress.TRACKERS`.
        project: What the run is filed under there.
    """

    progress: Callable[[Progress], None] = _ignore
    say: Callable[[str], None] = _ignore
    trackers: tuple[str, ...] = ()
    project: str = "pathshift"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """What a call of `fit` did.

    Attributes:
        first_step: Updates that stood before the call.
        tokens: Drawn in all, filling left out.
        last: Metrics of the last update; empty if there was nothing to do.
    """

    first_step: int
    n_steps: int
    tokens: int
    seconds: float
    last: Mapping[str, float]


def fit(
    network: Any,
    schedule: Schedule,
    settings: FitSettings,
    folder: TrainingFolder,
    *,
    watching: Watching | None = None,
) -> Fitted:
    """Bring a network from where the folder stands to the last step; it is changed in place.

    Args:
        network: Any causal language model of transformers in fp32, plain or with an adapter.
        folder: Its checkpoints and metrics are read and added to.

    Raises:
        RunError: its checkpoints are damaged.
        NonFinite: loss or gradient is no number; the last checkpoint is kept.
    """
    watching = watching or Watching()
    n_steps = schedule.n_steps
    moving = settings.for_steps(n_steps)
    optimizers = build_optimizers(network, moving, settings.muon)
    trained = Trained(modules={"model": network}, optimizers=optimizers)
    resumed = resume(folder.checkpoints, trained, config=folder.config)
    for reason in resumed.passed_over if resumed else ():
        watching.say(f"note: a damaged checkpoint is passed over, {reason}")
    first = step = resumed.step if resumed else 0
    n_tokens = int(resumed.data["tokens"]) if resumed else 0
    evals = EvalSet(schedule.evals, settings, network.device)
    metrics: dict[str, float] = {}
    clock = _Clock()
    run = TrackedRun(folder=folder.path, project=watching.project, config=folder.config, step=step)
    with (
        MetricsLog(folder.metrics, step=step) as log,
        closing(Trackers(watching.trackers, run, watching.say)) as trackers,
    ):
        while step < n_steps:
            metrics = {} if step else _named("eval_loss_before", evals.loss(network))
            torch.manual_seed(seed_of("fit", settings.seed, step))  # for dropout, if there is any
            rows = range(len(schedule.rows))[step * settings.batch :][: settings.batch]
            step += 1
            names = schedule.names(rows)
            batch = batch_of([schedule.documents(row) for row in rows], device=network.device)
            metrics["loss"] = backward(network, batch, settings, step=step, names=names)
            metrics["learning_rate"] = learning_rate(moving, step, n_steps)
            metrics["gradient_norm"] = update(
                optimizers, moving, step=step, n_steps=n_steps, problem_ids=names
            )
            metrics["tokens"] = n_tokens = n_tokens + int(batch.length_B.sum())
            if step == n_steps or (settings.eval_every and step % settings.eval_every == 0):
                metrics |= _named("eval_loss", evals.loss(network))
            log.add(step, metrics | {"seconds": clock.lap()})
            trackers.add(step, metrics)
            watching.progress(_progress(step, n_steps, first, clock.seconds, metrics))
            if step == n_steps or step % settings.save_every == 0 or clock.is_time_to_save():
                save_checkpoint(
                    folder.checkpoints, trained, step=step, config=folder.config,
                    data={"tokens": n_tokens},
                )  # fmt: skip
                clock.saved()
    network.eval()
    return Fitted(
        first_step=first, n_steps=n_steps, tokens=n_tokens, seconds=clock.seconds, last=metrics
    )


def backward(
    network: Any, batch: Batch, settings: FitSettings, *, step: int, names: Sequence[str]
) -> float:
    """Add the gradient of the batch's mean loss to the weights; the same for any micro-batches.

    Returns:
        Mean of -ln p over the targets, in nats a token.

    Raises:
        NonFinite: the loss is no number; its gradient was not formed.
    """
    network.train()
    n_targets, total = batch.n_predicted, 0.0
    for piece in micro_batches(batch, settings.micro_tokens):
        with computing_in(settings.dtype, network.device):
            logp_BT = token_logprobs(network, piece).logp_BT
        loss = -logp_BT.sum() / n_targets
        check_finite(loss, step, names)
        loss.backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    return total


class EvalSet:
    """Documents that the loss is only looked at, ready for the network."""

    def __init__(self, documents: Sequence[Document], settings: FitSettings, device: Any) -> None:
        self._dtype, self._batches = settings.dtype, list[Batch]()
        rows = _rows_of([len(one) for one in documents], settings)
        if rows:
            whole = batch_of([[documents[i] for i in row] for row in rows], device=device)
            self._batches = micro_batches(whole, settings.micro_tokens)

    @torch.no_grad()
    def loss(self, network: Any) -> float | None:
        """Mean of -ln p over the targets, in nats a token; None without documents."""
        n_targets = sum(batch.n_predicted for batch in self._batches)
        if not n_targets:
            return None
        network.eval()
        total = 0.0
        for batch in self._batches:
            with computing_in(self._dtype, network.device):
                total -= float(token_logprobs(network, batch).logp_BT.double().sum())
        return total / n_targets


def computing_in(dtype: str, device: Any) -> Any:
    """bfloat16 for what autocast thinks fit for it, or nothing."""
    if dtype == "fp32":
        return nullcontext()
    return torch.autocast(torch.device(device).type, dtype=torch.bfloat16)


def _rows_of(
    lengths: Sequence[int], settings: FitSettings, most_rows: int | None = None
) -> list[list[int]]:
    if settings.packed:
        return pack(lengths, settings.length, most_rows=most_rows)
    return one_a_row(len(lengths))[:most_rows]


def _named(name: str, value: float | None) -> dict[str, float]:
    return {} if value is None else {name: value}


def _progress(
    step: int, n_steps: int, first: int, seconds: float, metrics: Mapping[str, float]
) -> Progress:
    shown = {
        name.replace("_", " "): metrics[name]
        for name in ("loss", "eval_loss", "gradient_norm")
        if name in metrics
    }
    return Progress(step=step, n_steps=n_steps, done_before=first, seconds=seconds, shown=shown)


class _Clock:
    """Seconds since the start and of each step, and when a checkpoint is due."""

    def __init__(self) -> None:
        self._start = self._last = self._saved = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start

    def lap(self) -> float:
        taken, self._last = time.monotonic() - self._last, time.monotonic()
        return round(taken, 4)

    def is_time_to_save(self) -> bool:
        return time.monotonic() - self._saved >= SAVE_SECONDS

    def saved(self) -> None:
        self._saved = time.monotonic()
