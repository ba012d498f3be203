"""While TRL trains: pass@k of a fixed set of problems every N steps, and the completions it drew.

Both become run folders, written as `pathshift sample` writes them, so that `watch` and `compare`
read them: `OUT/runs/step-000100` the held-out samples of the model after 100 steps, and
`OUT/rollouts/step-000001` what the trainer drew for its first step.

Our engine takes its random numbers from the samples' own seeds and not from torch, and the network
is left as it was found: the training goes on as if nobody had looked.

Does not cover weights that are spread over processes (ZeRO stage 3, FSDP): no process holds a whole
model there. Save checkpoints and sample those.
"""

from __future__ import annotations

import copy
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from pathshift.decoding.uniforms import seed_of
from pathshift.errors import ConfigError
from pathshift.models.hf.model import HfModel
from pathshift.records import Problem, RunManifest, Sample, Verdict
from pathshift.rollout.plan import Plan, SampleConfig, make_plan
from pathshift.rollout.sampling import draw_samples
from pathshift.store.manifest import is_run, read_manifest
from pathshift.store.parts import task_hash
from pathshift.store.run import RunWriter
from pathshift.store.shards import disk_errors
from pathshift.training.boundary import at_step
from pathshift.training.bridges.judging import Judged
from pathshift.training.lora import merged_for_sampling
from pathshift.training.progress import MetricsLog, Progress

BOUNDARY_ROWS = 64
"""Samples in one pass of the engine."""
SHOWN = {
    "reward": "reward",
    "loss": "loss",
    "entropy": "entropy",
    "tokens": "completions/mean_length",
}
"""What a line of progress shows, and what TRL calls it."""


class CompletionLog:
    """Keeps what the trainer drew, and writes it step by step: hand `take` to `ProblemReward`.

    Args:
        plan: The training problems, as they are asked.
        end_ids: Tokens that end a completion; one without them was cut by the token limit.
        run: What tells this training from others of the same seed.
    """

    def __init__(self, plan: Plan, end_ids: Sequence[int], run: str) -> None:
        self._plan, self._end_ids, self._run = plan, frozenset(end_ids), run
        self._judged: list[Judged] = []

    def take(self, judged: Sequence[Judged]) -> None:
        """Remember a batch until its step is over."""
        self._judged.extend(judged)

    def write(self, folder: Path, step: int) -> None:
        """Write what came since the last call, whole or not at all; nothing if nothing came.

        Args:
            folder: Gets the run folder `step-XXXXXX`.
            step: Number of the update these completions are for, from 1.
        """
        judged, self._judged = self._judged, []
        if not judged:
            return
        out = folder / _name(step)
        if is_run(out):
            _set_aside(out)
        numbers: dict[str, int] = defaultdict(int)
        rows = [self._row(one, step, _next(numbers, one.problem.id)) for one in judged]
        aside = folder.with_name(folder.name + ".writing") / out.name
        self._write(aside, step, rows, n=max(numbers.values()))
        with disk_errors(out):
            folder.mkdir(parents=True, exist_ok=True)
            aside.replace(out)
            aside.parent.rmdir()

    def _write(
        self, aside: Path, step: int, rows: Sequence[tuple[Sample, Verdict]], *, n: int
    ) -> None:
        drawn = {sample.problem_id for sample, _ in rows}
        pairs = zip(self._plan.problems, self._plan.prompts, strict=True)
        asked = [(problem, prompt) for problem, prompt in pairs if problem.id in drawn]
        problems = [problem for problem, _ in asked]
        manifest = self._manifest(problems, step, n)
        with RunWriter.open(aside, manifest, problems, [p for _, p in asked]) as writer:
            writer.add([sample for sample, _ in rows], [verdict for _, verdict in rows])
            writer.compact()

    def _manifest(self, problems: Sequence[Problem], step: int, n: int) -> RunManifest:
        before = self._plan.manifest
        config = {
            **before.config,
            "model": f"{before.config['model']} after {step - 1} steps",
            "weights_hash": None,
            "task_hash": task_hash(problems),
            "stream": self._run,
            "drawn_by": "trl",
        }
        return replace(before, config=config, n=n)

    def _row(self, judged: Judged, step: int, number: int) -> tuple[Sample, Verdict]:
        problem, ids = judged.problem, judged.token_ids
        is_cut = bool(ids) and ids[-1] not in self._end_ids
        sample = Sample(
            problem_id=problem.id,
            sample_no=number,
            seed=seed_of("trl", self._run, step, problem.content_hash, number),
            text=judged.text,
            n_tokens=len(ids) or None,
            finish_reason="unknown" if not ids else "length" if is_cut else "stop",
        )
        return sample, replace(judged.verdict, sample_no=number)


class BoundaryCallback(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
    """Draws a fixed set of problems every N steps from the model in training.

    Before the first step and after the last it draws as well. A folder of that step that is there
    already is finished if it holds the same weights, and moved to `superseded/` if not.

    Args:
        out: The training's folder.
        base: The model before training, around the network that is trained or another of its like:
            its name, hash and tokenizer are what counts.
        held_out: What is drawn; with `stop_at` a problem ends when its verdict is settled.
        every: Steps between two looks.
        log: Completions to write as well, after every step.
    """

    def __init__(
        self,
        out: Path,
        base: HfModel,
        *,
        held_out: SampleConfig | None = None,
        every: int | None = None,
        log: CompletionLog | None = None,
    ) -> None:
        if (held_out is None) != (every is None) or (every is not None and every < 1):
            raise ConfigError(
                "a boundary needs held-out problems and a number of steps between looks, at least "
                f"1; got every={every} {'with' if held_out else 'without'} problems"
            )
        self.out, self.held_out, self.every = out, held_out, every
        self._base, self._log = base.info, log
        self._tokenizer = copy.deepcopy(base.tokenizer)  # trainers give theirs a pad token
        self._last: int | None = None

    def on_train_begin(
        self, args: Any, state: Any, control: Any, model: Any = None, **others: Any
    ) -> None:
        """The base's boundary, or that of the checkpoint that is gone on from."""
        check_whole(args, model)
        if self._log is not None and args.world_size > 1:
            raise ConfigError(
                f"completions of {args.world_size} processes are not gathered here; set TRL's "
                "log_completions and read OUT/completions with `pathshift watch`"
            )
        self._look(model, state)

    def on_step_end(
        self, args: Any, state: Any, control: Any, model: Any = None, **others: Any
    ) -> None:
        """The step's completions, and the boundary where it is due."""
        if self._log is not None:
            self._log.write(self.out / "rollouts", state.global_step)
        if self.every is not None and state.global_step % self.every == 0:
            self._look(model, state)

    def on_train_end(
        self, args: Any, state: Any, control: Any, model: Any = None, **others: Any
    ) -> None:
        """The boundary of the model that is kept."""
        self._look(model, state)

    def _look(self, model: Any, state: Any) -> None:
        step = state.global_step
        if self.held_out is None or not state.is_world_process_zero or step == self._last:
            return
        self._last = step
        with as_for_sampling(model) as network:
            base = HfModel(
                self._base.spec, network, self._tokenizer,
                weights_hash=self._base.weights_hash, n_rows=BOUNDARY_ROWS,
            )  # fmt: skip
            named = at_step(base, step) if step else base
            draw_look(named, self.held_out, self.out / "runs" / _name(step))


class MetricsCallback(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
    """Writes what TRL logs of each step into metrics.jsonl, under TRL's names, and tells of it."""

    def __init__(self, path: Path, on_step: Callable[[Progress], None] | None = None) -> None:
        self._path, self._on_step = path, on_step
        self._log: MetricsLog | None = None
        self._began, self._first = 0.0, 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """What this process begins with."""
        self._began, self._first = time.monotonic(), state.global_step

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **others: Any) -> None:
        """One line a step; the summary at the end is none."""
        if not state.is_world_process_zero or "loss" not in (logs or {}):
            return
        if self._log is None:
            self._log = MetricsLog(self._path, step=state.global_step - 1)
        self._log.add(state.global_step, {n: v for n, v in logs.items() if n != "step"})
        if self._on_step is not None:
            self._on_step(self._progress(state, logs))

    def _progress(self, state: Any, logs: Mapping[str, Any]) -> Progress:
        return Progress(
            step=state.global_step, n_steps=state.max_steps, done_before=self._first,
            seconds=time.monotonic() - self._began,
            shown={ours: float(logs[theirs]) for ours, theirs in SHOWN.items() if theirs in logs},
        )  # fmt: skip

    def on_train_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Close the file."""
        if self._log is not None:
            self._log.__exit__(None, None, None)


def draw_look(model: HfModel, config: SampleConfig, out: Path) -> None:
    """Sample into a run folder; one of other weights is moved aside first.

    Raises:
        PathshiftError: As `make_plan` and `draw_samples`.
    """
    if is_run(out) and read_manifest(out).config.get("weights_hash") != model.info.weights_hash:
        _set_aside(out)
    draw_samples(make_plan(config, model), model, out)


@contextmanager
def as_for_sampling(network: Any) -> Iterator[Any]:
    """The network without training's ways, and back again as it was, module by module."""
    inner = network.get_base_model() if hasattr(network, "get_base_model") else network
    training = [module for module in network.modules() if module.training]
    attention = inner.config._attn_implementation
    network.eval()
    try:
        with merged_for_sampling(inner):
            yield inner
    finally:
        if inner.config._attn_implementation != attention:
            inner.set_attn_implementation(attention)
        for module in training:
            module.training = True


def check_whole(args: Any, network: Any) -> None:
    """Refuse weights that are spread over processes.

    Raises:
        ConfigError: DeepSpeed's stage 3, or FSDP.
    """
    is_spread = any(hasattr(weight, "ds_id") for weight in network.parameters())
    if is_spread or bool(getattr(args, "fsdp", None)):
        raise ConfigError(
            "the model is spread over processes and cannot be drawn from while it trains; set "
            "save_every and run `pathshift sample --model hf:OUT/checkpoint-N` on what is saved"
        )


def _name(step: int) -> str:
    return f"step-{step:06d}"


def _next(numbers: dict[str, int], problem_id: str) -> int:
    numbers[problem_id] += 1
    return numbers[problem_id] - 1


def _set_aside(out: Path) -> None:
    """Move a folder that another course of the training wrote; nothing is deleted."""
    kept = out.parent.parent / "superseded" / out.parent.name
    with disk_errors(out):
        kept.mkdir(parents=True, exist_ok=True)
        number = sum(1 for path in kept.iterdir() if path.name.startswith(out.name))
        out.rename(kept / f"{out.name}-{number}")
