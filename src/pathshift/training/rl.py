"""Reinforcement learning on verified answers: one loop for all algorithms.

A step: draw groups and judge them (`gathering`), give credit and update (`updating`), log, now and
then keep a checkpoint and look at the boundary. What a step does follows from the configuration,
the seed and its number, and what it changes is in the checkpoint: a run that was ended goes on
bit for bit. The network runs without dropout throughout, so that the policy that is updated is the
one that drew.

Does not cover: several machines; `bridges/` hands the same recipe to TRL and verl.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pathshift.decoding.uniforms import seed_of
from pathshift.errors import ModelError, TrainingError
from pathshift.models.hf.model import HfModel
from pathshift.rollout.plan import Plan, environment
from pathshift.training.boundary import Boundary, Look
from pathshift.training.checkpoints import Trained, resume, save_checkpoint
from pathshift.training.folder import TrainingFolder
from pathshift.training.gathering import Gathered, gather
from pathshift.training.optimizer import build_optimizer, learning_rate
from pathshift.training.progress import MetricsLog, Progress
from pathshift.training.rl_settings import Hearing, RlResult, RlSetup
from pathshift.training.rollouts import Judging, Rollouts, RolloutSettings
from pathshift.training.saved_model import save_adapter, save_model
from pathshift.training.trackers import TrackedRun, Trackers
from pathshift.training.updating import (
    Learner,
    Updated,
    UpdateSettings,
    ValueHead,
    frozen_copy,
    learn,
)
from pathshift.verify.judge import Judge

BROKEN_STEPS = 3
"""Steps in a row without a single verdict after which a run ends."""


def train(setup: RlSetup, out: Path, hearing: Hearing | None = None) -> RlResult:
    """Train, or go on with a training, and write the final model into its folder.

    Raises:
        ConfigMismatch: the folder holds another training.
        NonFinite: a loss or gradient is no number; the last checkpoint is kept.
        TrainingError: no verdict at all in several steps.
        ModelError: nothing would end a sample.
    """
    hearing = hearing or Hearing()
    check_ends(setup.model, setup.plan)
    config = setup.config
    with (
        TrainingFolder(out, config, environment(setup.model)) as folder,
        _judging(setup) as judging,
    ):
        run = _Run(setup, folder, judging, hearing)
        return run.to_the_end()


def check_ends(model: HfModel, plan: Plan) -> None:
    """Refuse a model that could never end a sample.

    Raises:
        ModelError: no end token, and no stop text.
    """
    if not model.end_ids and not plan.policy.stop:
        raise ModelError(
            f"{model.info.spec}: neither the tokenizer nor the model names an end token, so no "
            'sample would ever end; set "eos_token" in its tokenizer_config.json, or give --stop'
        )


@contextmanager
def _judging(setup: RlSetup) -> Iterator[Judging]:
    if setup.judging is not None:
        yield setup.judging
        return
    with Judge(str(setup.plan.manifest.config["verifier"])) as judge:
        judge.check(setup.plan.problems)
        yield judge.verdicts


@contextmanager
def delayed_interrupts() -> Iterator[None]:
    """Let an update end before Ctrl-C or SIGTERM is heard, so that a whole step can be kept.

    A second one is heard at once. Outside of the main thread, which alone gets them, nothing is
    done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[int] = []
    before = {int(n): signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, _frame: object) -> None:
        heard.append(number)
        for one, handler in before.items():
            signal.signal(one, handler)

    for number in before:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for number in heard:
        signal.raise_signal(number)


def learner_of(setup: RlSetup) -> Learner:
    """The network with its optimizer, and what the algorithm needs beside it."""
    settings, network = setup.settings, setup.model.network
    if setup.wrapped is None:
        network.requires_grad_(True)
    has_copy = setup.wrapped is None and (settings.algorithm.needs_reference or settings.measure_kl)
    reference = frozen_copy(network) if has_copy else None
    optimizer = build_optimizer([network], settings.optimizer)
    plain = Learner(
        network=network, optimizer=optimizer, settings=settings.optimizer,
        wrapped=setup.wrapped, reference=reference,
    )  # fmt: skip
    if not settings.algorithm.needs_value:
        return plain
    head = ValueHead(network.config.hidden_size, seed=seed_of("train", "head", settings.seed))
    head.to(network.device)
    value_settings = replace(settings.optimizer, learning_rate=settings.value_learning_rate)
    return replace(
        plain, value_head=head, value_optimizer=build_optimizer([head], value_settings),
        value_settings=value_settings,
    )  # fmt: skip


class _Run:
    """One call of `train`."""

    def __init__(
        self, setup: RlSetup, folder: TrainingFolder, judging: Judging, hearing: Hearing
    ) -> None:
        self.setup, self.folder, self.hearing = setup, folder, hearing
        self.settings = setup.settings
        self.learner = learner_of(setup)
        self.rollouts = Rollouts(
            setup.plan, setup.model, judging,
            RolloutSettings(
                n_prompts=self.settings.n_prompts, n_samples=self.settings.n_samples,
                seed=self.settings.seed, with_greedy=self.settings.algorithm.needs_greedy,
            ),
        )  # fmt: skip
        self.boundary = (
            None
            if setup.boundary is None
            else Boundary(
                setup.boundary, setup.model, folder.path,
                n_steps=self.settings.n_steps, on_progress=hearing.on_look,
            )
        )  # fmt: skip
        self.looks: list[Look] = []
        self.step = self.barren = self.broken = 0
        self.last: Mapping[str, Any] = {}
        self._is_whole = True

    def to_the_end(self) -> RlResult:
        """The loop, from where the folder stands."""
        first = self._resumed()
        tracked = TrackedRun(
            folder=self.folder.path, project="pathshift", config=self.folder.config, step=first
        )
        trackers = Trackers(self.setup.trackers, tracked, self.hearing.on_note)
        try:
            with MetricsLog(self.folder.metrics, step=first) as log:
                stopped = self._steps(log, trackers)
        except KeyboardInterrupt:
            if self._is_whole and self.step > first:
                self._save()
            raise
        finally:
            trackers.close()
        return RlResult(
            first_step=first, step=self.step, path=self._saved_model(), stopped=stopped,
            looks=tuple(self.looks), last=self.last,
        )  # fmt: skip

    def _resumed(self) -> int:
        """Load the last checkpoint, if there is one; steps that are done."""
        found = resume(self.folder.checkpoints, self._trained(), config=self.folder.config)
        if found is not None:
            self.step = found.step
            self.barren, self.broken = (int(found.data[n]) for n in ("barren", "broken"))
            for line in found.passed_over:
                self.hearing.on_note(f"a damaged checkpoint is passed over: {line}")
        return self.step

    def _saved_model(self) -> Path:
        model, wrapped = self.setup.model, self.setup.wrapped
        if wrapped is None:
            return save_model(model.network, model.tokenizer, self.folder.path / "model")
        return save_adapter(wrapped, self.folder.path / "adapter", base=model.info.spec)

    def _steps(self, log: MetricsLog, trackers: Trackers) -> str:
        """Every step that is left; why they ended early, if they did."""
        started, first, n_steps = time.monotonic(), self.step, self.settings.n_steps
        if self._lost():
            return self.looks[-1].watched.sentence
        for step in range(first + 1, n_steps + 1):
            gathered = self._gathered(step)
            with delayed_interrupts():
                began = time.monotonic()
                self._is_whole = False
                updated = self._learned(gathered, step)
                self.step, self._is_whole = step, True
                self.last = self._metrics(gathered, updated, time.monotonic() - began)
                log.add(step, self.last)
            trackers.add(step, self.last)
            self._tell(gathered, first, time.monotonic() - started)
            is_looked_at = self._is_looked_at()
            if is_looked_at or step % self.settings.checkpoint_every == 0 or step == n_steps:
                self._save()
            if is_looked_at and self._lost():
                return self.looks[-1].watched.sentence
        return ""

    def _gathered(self, step: int) -> Gathered:
        settings = self.settings
        return gather(
            self.rollouts, step, reward=settings.reward, seed=settings.seed,
            filters_groups=settings.algorithm.filters_groups, most_redraws=settings.redraws,
        )  # fmt: skip

    def _learned(self, gathered: Gathered, step: int) -> Updated | None:
        settings, policy = self.settings, self.setup.plan.policy
        return learn(
            self.learner, settings.algorithm, gathered,
            UpdateSettings(
                n_updates=settings.n_updates, micro_tokens=settings.micro_tokens,
                temperature=policy.temperature, most_tokens=policy.max_tokens,
                seed=settings.seed, measure_kl=settings.measure_kl,
                demonstrations=self.setup.demonstrations,
            ),
            step=step, n_steps=settings.n_steps,
        )  # fmt: skip

    def _metrics(
        self, gathered: Gathered, updated: Updated | None, seconds: float
    ) -> dict[str, Any]:
        rate = learning_rate(self.settings.optimizer, self.step, self.settings.n_steps)
        return {**metrics_of(gathered, updated, seconds), "learning_rate": rate}

    def _is_looked_at(self) -> bool:
        return self.boundary is not None and self.boundary.settings.is_due(
            self.step, self.settings.n_steps
        )

    def _lost(self) -> bool:
        """Look at the boundary if it is time; whether that ends the training."""
        if self.boundary is None or not self._is_looked_at():
            return False
        look = self.boundary.look(self.step)
        self.looks.append(look)
        self.hearing.on_note(look.line)
        return self.boundary.settings.stops_on_loss and look.is_lost

    def _trained(self) -> Trained:
        learner = self.learner
        if learner.value_head is None or learner.value_optimizer is None:
            return Trained(modules={"network": learner.network}, optimizers=[learner.optimizer])
        return Trained(
            modules={"network": learner.network, "value_head": learner.value_head},
            optimizers=[learner.optimizer, learner.value_optimizer],
        )

    def _save(self) -> None:
        save_checkpoint(
            self.folder.checkpoints, self._trained(), step=self.step, config=self.folder.config,
            data={"barren": self.barren, "broken": self.broken},
        )  # fmt: skip

    def _tell(self, gathered: Gathered, first: int, seconds: float) -> None:
        """Progress, and what is wrong with the run."""
        shown = {
            name: math.nan if self.last[key] is None else float(self.last[key])
            for name, key in (("reward", "reward"), ("entropy", "entropy"),
                              ("tokens", "mean_length"), ("tokens/s", "tokens_per_second"))
        }  # fmt: skip
        self.hearing.on_step(
            Progress(
                step=self.step,
                n_steps=self.settings.n_steps,
                done_before=first,
                seconds=seconds,
                shown=shown,
            )
        )
        drawn = gathered.drawn
        self.broken = self.broken + 1 if drawn.correct is None else 0
        self.barren = self.barren + 1 if drawn.correct == 0 else 0
        if self.broken == BROKEN_STEPS:
            raise TrainingError(
                f"step {self.step}: no sample of the last {BROKEN_STEPS} steps was judged "
                f"({drawn.failure}); mend the verifier, then run the same command again"
            )
        # Said again when it has lasted twice as long.
        said, rest = divmod(self.barren, self.settings.patience)
        if said and not rest and said & (said - 1) == 0:
            self.hearing.on_note(self._barren_line(gathered))

    def _barren_line(self, gathered: Gathered) -> str:
        drawn, config = gathered.drawn, self.setup.plan.manifest.config
        return (
            f"note: no right answer in {self.barren} steps, so there is nothing to learn from. Of "
            f"the last {drawn.n_samples} samples {drawn.unparsed:.0%} held no answer that "
            f"{config['verifier']} finds and {drawn.truncated:.0%} were cut at the token limit: "
            f"look at some (pathshift sample --model {config['model']} --tasks {config['task']} "
            "--n 8 --limit 20 --out runs/look, then pathshift show runs/look), and check template, "
            "--stop, --max-tokens and verifier, or begin with an easier task or pathshift train sft"
        )


def metrics_of(gathered: Gathered, updated: Updated | None, seconds: float) -> dict[str, Any]:
    """One step's line of metrics.jsonl, without its learning rate.

    `reward` is the share of right answers among the judged, `paid` the mean of what paid; nan where
    nothing was updated or judged. Times are in seconds, entropy and divergences in nats a token.
    """
    drawn = gathered.drawn
    judged = gathered.rewards_GN[gathered.is_judged_GN]
    values: dict[str, Any] = {
        "reward": drawn.correct,
        "paid": float(judged.mean()) if judged.numel() else None,
        "zero_variance": drawn.zero_variance,
        "unparsed": drawn.unparsed,
        "failed": drawn.failed,
        "truncated": drawn.truncated,
        "mean_length": drawn.mean_length,
        "n_samples": drawn.n_samples,
        "n_tokens": drawn.n_tokens,
        "redraws": drawn.redraws,
        "n_groups": len(gathered.groups),
        "n_updates": 0 if updated is None else updated.n_updates,
        "seconds_drawing": drawn.seconds,
        "seconds_learning": seconds,
        "tokens_per_second": drawn.n_tokens / max(1e-9, drawn.seconds + seconds),
    }
    told = None if updated is None else updated.diagnostics
    for name in ("entropy", "approx_kl", "reference_kl", "clip_fraction_low",
                 "clip_fraction_high", "ratio_min", "ratio_max"):  # fmt: skip
        values[name] = None if told is None else getattr(told, name)
    values["loss"] = None if updated is None else updated.loss
    values["grad_norm"] = None if updated is None else updated.norm
    values["value_loss"] = None if updated is None else updated.value_loss
    return values
