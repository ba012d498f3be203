"""A training run of a second: dropout, a value head, two optimizers, real checkpoints.

    python -m tests.training.tiny_run FOLDER N_STEPS [PAUSE_AT]

trains from FOLDER's last checkpoint and says each step; at PAUSE_AT it waits to be killed.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel

from pathshift.training.checkpoints import Resumed, Trained, resume, save_checkpoint
from pathshift.training.optimizer import OptimizerSettings, build_optimizer, update
from pathshift.training.progress import MetricsLog
from pathshift.training.sequences import Transcript, last_hidden, pad_batch, token_logprobs

CONFIG = {"seed": 3, "optimizer": {"rate": 0.01}, "sizes": (8, 2)}
HORIZON = 6


@dataclass
class TinyRun:
    """What is trained, and how far it is."""

    network: Any
    head: nn.Module
    trained: Trained
    settings: OptimizerSettings
    step: int = 0
    position: int = 0

    def train_step(self) -> float:
        """One update of both; returns the loss."""
        self.step += 1
        batch = pad_batch([self._sequence(i) for i in range(3)])
        self.position += 3
        logp_BT = token_logprobs(self.network, batch).logp_BT
        value_BT = self.head(last_hidden(self.network, batch).detach()).squeeze(-1)
        loss = -logp_BT.sum() / batch.n_predicted + (value_BT - 1).square().mean()
        loss.backward()
        for optimizer in self.trained.optimizers:
            update(optimizer, self.settings, step=self.step, n_steps=HORIZON, problem_ids=[])
        return float(loss.detach())

    def _sequence(self, number: int) -> Transcript:
        generator = torch.Generator().manual_seed(self.position + number)
        ids = torch.randint(0, 20, (4 + number,), generator=generator).tolist()
        return Transcript(prompt_ids=tuple(ids[:2]), completion_ids=tuple(ids[2:]))

    def save(self, folder: Path) -> Path:
        """A checkpoint of this step."""
        return save_checkpoint(
            folder / "checkpoints", self.trained, step=self.step, config=CONFIG,
            data={"position": self.position},
        )  # fmt: skip

    def resume(self, folder: Path) -> Resumed | None:
        """Go on from the folder's checkpoint."""
        found = resume(folder / "checkpoints", self.trained, config=CONFIG)
        if found is not None:
            self.step, self.position = found.step, found.data["position"]
        return found

    def state(self) -> dict[str, Tensor]:
        """Weights and moments, copied."""
        weights = {
            f"{name}/{key}": value.detach().clone()
            for name, module in self.trained.modules.items()
            for key, value in module.named_parameters()
        }
        moments = {
            f"{i}/{j}/{kind}": value.clone()
            for i, optimizer in enumerate(self.trained.optimizers)
            for j, kinds in enumerate(optimizer.state.values())
            for kind, value in kinds.items()
        }
        return weights | moments


def begin(seed: int = 3) -> TinyRun:
    """A run at step 0."""
    torch.manual_seed(seed)
    network = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=20, n_embd=8, n_layer=2, n_head=2, n_positions=16,
            bos_token_id=0, eos_token_id=0,
        )
    )  # fmt: skip
    network.train()  # dropout draws from torch's generator
    head = nn.Linear(8, 1)
    settings = OptimizerSettings(
        learning_rate=0.01, schedule="cosine", warmup_steps=2, weight_decay=0.1
    )
    optimizers = [build_optimizer([module], settings) for module in (network, head)]
    trained = Trained(modules={"policy": network, "value": head}, optimizers=optimizers)
    return TinyRun(network, head, trained, settings)


def main(folder: Path, n_steps: int, pause_at: int) -> None:
    """Train, writing metrics and a checkpoint a step."""
    run = begin()
    run.resume(folder)
    with MetricsLog(folder / "metrics.jsonl", step=run.step) as metrics:
        while run.step < n_steps:
            metrics.add(run.step + 1, {"loss": run.train_step()})
            sys.stdout.write(f"{run.step}\n")
            sys.stdout.flush()
            if run.step == pause_at:
                time.sleep(600)
            run.save(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0)
