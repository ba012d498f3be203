"""Training samples a second of our loop beside TRL's GRPOTrainer, in one run.

    python -m benchmarks.training [ROUNDS] [--threads N] [--only tiny|smollm2]

Both train the same weights in fp32 on the same prompts by GRPO without a penalty, one update a
step, and pay by the same coin, the parity of a checksum of the text: every group has both rewards,
so that no row is left out. Nobody ends a sample: the end token is off and all have the same length.
TRL has gradient checkpointing off, draws by `generate` (continuous batching took 2.8 times as long
here, a static cache as long) and learns in the quicker of the sizes of a pass tried in the same
run. Rounds are whole steps in turn,
inside TRL's own loop; medians are printed of seconds on the wall and of seconds of this process on
the processor, which are what counts on a machine that others are busy on (with one thread).

Two parts: `tiny`, a random Llama of 0.6M parameters with the zoo's tokenizer, 32 prompts x 16
samples of 30 tokens; `smollm2`, SmolLM2-135M with LoRA of rank 8, sums of three digits behind three
shots, 4 x 16 of 20 tokens.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from transformers import LlamaConfig, LlamaForCausalLM, TrainerCallback, set_seed
from transformers.trainer_callback import PrinterCallback

from pathshift.lab.zoo.tokens import save_tokenizer
from pathshift.models import smollm2
from pathshift.models.load import LoadOptions
from pathshift.records import Outcome, Problem, Sample, Verdict
from pathshift.rollout.plan import SampleConfig
from pathshift.training.algorithms import GRPO
from pathshift.training.bridges.trl import make_trainer
from pathshift.training.bridges.trl_settings import Recipe
from pathshift.training.gathering import gather
from pathshift.training.recipes import RlRecipe, prepared
from pathshift.training.rl import learner_of, metrics_of
from pathshift.training.rl_settings import RlSettings
from pathshift.training.rollouts import Rollouts, RolloutSettings
from pathshift.training.updating import UpdateSettings, learn

RATE = 1e-5
N_SAMPLES = 16
THREE_SHOTS = (
    "What is 343 + 706?\nAnswer: 343 + 706 = 1049\n\nWhat is 657 + 233?\nAnswer: 657 + 233 = 890"
    "\n\nWhat is 478 + 718?\nAnswer: 478 + 718 = 1196\n\n{question}\nAnswer:"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What both sides train.

    Attributes:
        rows: Samples that our engine draws in a pass.
        passes: Rows of a pass of the update that TRL is tried with.
    """

    name: str
    model: str
    task: str
    task_options: Mapping[str, str]
    template: str
    n_prompts: int
    max_tokens: int
    lora: int | None
    rows: int
    passes: tuple[int, ...]

    @property
    def n_samples(self) -> int:
        """Samples a step."""
        return self.n_prompts * N_SAMPLES


def is_paid(text: str) -> bool:
    """A coin that hangs on the text alone."""
    return zlib.crc32(text.encode()) % 2 == 0


def verdicts(pairs: Iterable[tuple[Problem, Sample]]) -> list[Verdict]:
    """The coin as a verdict, for our loop."""
    return [
        Verdict(
            problem_id=problem.id, sample_no=sample.sample_no,
            outcome=Outcome.CORRECT if is_paid(sample.text) else Outcome.WRONG,
        )
        for problem, sample in pairs
    ]  # fmt: skip


def coin_reward(completions: list[str], **_: Any) -> list[float]:
    """The coin as a reward, for TRL."""
    return [float(is_paid(text)) for text in completions]


class Seconds(NamedTuple):
    """What a step took."""

    wall: float
    cpu: float


class Stopwatch:
    """Seconds since it was last read."""

    def __init__(self) -> None:
        self.read()

    def read(self) -> Seconds:
        """Both clocks, set back to 0."""
        now = Seconds(time.perf_counter(), time.process_time())
        before = getattr(self, "_last", now)
        self._last = now
        return Seconds(now.wall - before.wall, now.cpu - before.cpu)


class Ours:
    """Steps of `pathshift train rl`: draw, judge, update, metrics."""

    def __init__(self, part: Part) -> None:
        settings = RlSettings(
            algorithm=GRPO, n_prompts=part.n_prompts, n_samples=N_SAMPLES, n_steps=10**6
        )
        asked = SampleConfig(
            task=part.task, task_options=part.task_options, n=N_SAMPLES, mode="completion",
            template=part.template, stop=(), max_tokens=part.max_tokens,
        )  # fmt: skip
        self.setup = prepared(
            RlRecipe(
                model=part.model, asked=asked, settings=settings, learning_rate=RATE,
                lora=part.lora, load=LoadOptions(rows=part.rows),
            )
        )  # fmt: skip
        self.setup.model._end_ids = frozenset()
        self.part, self.step = part, 0
        self.learner = learner_of(self.setup)
        self.rollouts = Rollouts(
            self.setup.plan, self.setup.model, verdicts,
            RolloutSettings(n_prompts=part.n_prompts, n_samples=N_SAMPLES),
        )  # fmt: skip
        self.update = UpdateSettings(
            micro_tokens=settings.micro_tokens, most_tokens=part.max_tokens
        )

    def __call__(self) -> Mapping[str, Any]:
        """One step; its metrics."""
        self.step += 1
        gathered = gather(self.rollouts, self.step, reward="verifier", seed=0)
        started = time.monotonic()
        updated = learn(
            self.learner, GRPO, gathered, self.update, step=self.step, n_steps=10**6
        )  # fmt: skip
        found = metrics_of(gathered, updated, time.monotonic() - started)
        assert found["zero_variance"] == 0
        assert found["mean_length"] == self.part.max_tokens
        return found


class Between(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
    """Times the steps of TRL's loop, and has others take theirs in between."""

    def __init__(self, others: Callable[[], object] | None = None) -> None:
        self.others, self.theirs, self.ours = others, list[Seconds](), list[Seconds]()
        self.watch = Stopwatch()

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """The loop begins."""
        self.watch.read()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """A step of theirs, then one of ours."""
        self.theirs.append(self.watch.read())
        if self.others is not None:
            self.others()
            self.ours.append(self.watch.read())


def train_theirs(
    part: Part, micro: int, steps: int, others: Callable[[], object] | None = None
) -> Between:
    """Steps of TRL with so many rows in a pass of the update; the first of them warms up."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(
            Recipe(
                model=part.model, task=part.task, task_options=part.task_options,
                mode="completion", template=part.template, stop=(), out=Path(folder),
                algorithm="grpo", steps=steps, prompts_per_step=part.n_prompts,
                group_size=N_SAMPLES, micro_batch=micro, max_tokens=part.max_tokens,
                learning_rate=RATE, lora_rank=part.lora,
            ),
            reward=coin_reward,
        )  # fmt: skip
        _never_end(trainer)
        between = Between(others)
        trainer.add_callback(between)
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        (length,) = {line["completions/mean_length"] for line in trainer.state.log_history[:-1]}
        assert length == part.max_tokens
    return between


def _never_end(trainer: Any) -> None:
    trainer.eos_token_ids = [-1]
    trainer.generation_kwargs["eos_token_id"] = None
    trainer.generation_config.eos_token_id = None
    trainer.model.generation_config.eos_token_id = None


def best_pass(part: Part) -> int:
    """TRL's quickest rows of a pass, by one step each after the first."""
    found = []
    for micro in part.passes:
        seconds = train_theirs(part, micro, 2).theirs[-1]
        found.append((seconds.cpu, micro))
        print(f"  trial: TRL, {micro} rows a pass: {_told(seconds)} a step", flush=True)
    return min(found)[1]


def _told(seconds: Seconds) -> str:
    return f"{seconds.wall:.2f} s on the wall, {seconds.cpu:.2f} s of the processor"


def race(part: Part, rounds: int) -> None:
    """Print medians and ratios; the first round of both warms up."""
    print(
        f"{part.name}: {part.n_prompts} prompts x {N_SAMPLES} of {part.max_tokens} tokens",
        flush=True,
    )
    micro = best_pass(part)
    ours = Ours(part)
    between = train_theirs(part, micro, rounds + 1, ours)
    sides = (between.ours[1:], between.theirs[1:])
    for name, times in zip(("pathshift", f"TRL, {micro} rows a pass"), sides, strict=True):
        middle = Seconds(*(statistics.median(column) for column in zip(*times, strict=True)))
        rate = part.n_samples / middle.cpu
        print(f"  {name}: {_told(middle)} a step, {rate:.0f} samples a second of the processor")
    for clock in Seconds._fields:
        ratio = statistics.median(
            getattr(theirs, clock) / getattr(mine, clock)
            for mine, theirs in zip(*sides, strict=True)
        )
        print(f"  ratio by {clock}: {ratio:.2f}, {rounds} rounds", flush=True)


def tiny(folder: str) -> Part:
    """A random model of the zoo's shape, written into the folder."""
    save_tokenizer("compose", Path(folder))
    set_seed(0)
    config = LlamaConfig(
        vocab_size=96, hidden_size=112, intermediate_size=336, num_hidden_layers=4,
        num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=1024,
        bos_token_id=None, eos_token_id=1, pad_token_id=0,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder, safe_serialization=True)
    return Part(
        name="tiny, 0.6M parameters", model=f"hf:{folder}", task="compose",
        task_options={"depth": "2", "definitions": "none", "n": "4000"}, template="{question}\n",
        n_prompts=32, max_tokens=30, lora=None, rows=512,
        passes=(512, 64),
    )  # fmt: skip


def smollm2_with_lora() -> Part:
    """A real model."""
    return Part(
        name="SmolLM2-135M, LoRA of rank 8", model=f"hf:{smollm2.location()}", task="arithmetic",
        task_options={"ops": "+", "digits": "3", "n": "400"}, template=THREE_SHOTS,
        n_prompts=4, max_tokens=20, lora=8, rows=64, passes=(16, 8),
    )  # fmt: skip


def main() -> None:
    """Run the parts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("rounds", nargs="?", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=("tiny", "smollm2"))
    asked = parser.parse_args()
    import torch  # after the package has set its environment

    torch.set_num_threads(asked.threads)
    if asked.only in (None, "tiny"):
        with tempfile.TemporaryDirectory() as folder:
            race(tiny(folder), asked.rounds)
        print("  goal: 3, better 5")
    if asked.only in (None, "smollm2"):
        race(smollm2_with_lora(), max(1, asked.rounds // 2))
        print("  goal: 1")


if __name__ == "__main__":
    main()
