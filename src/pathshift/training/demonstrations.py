"""Right solutions of another's beside the rollouts: some tokens to imitate in every update.

The simplest of the ways to mix off-policy solutions into reinforcement learning: the loss of a step
is the algorithm's plus `weight` times the mean of -ln p over the tokens of a few solutions, drawn
anew at each step. (LUFFY, arXiv:2504.14945, puts them into the groups instead, with a ratio of its
own.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pathshift.decoding.uniforms import seed_of
from pathshift.errors import ConfigError
from pathshift.records import digest
from pathshift.training.optimizer import check_finite
from pathshift.training.sequences import Transcript, micro_batches, pad_batch, token_logprobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstrations:
    """Solutions, and how many of them a step imitates.

    Attributes:
        rows: Prompts with right solutions, the end token included.
        a_step: Solutions a step.
        weight: Of their loss beside the algorithm's.
        seed: Of the draw.
    """

    rows: Sequence[Transcript]
    a_step: int
    weight: float
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every field against its rule."""
        if not 1 <= self.a_step <= len(self.rows):
            raise ConfigError(
                f"a step can imitate 1 to {len(self.rows)} of the solutions given, got "
                f"{self.a_step}"
            )
        if not self.weight > 0:
            raise ConfigError(f"the weight of solutions must be above 0, got {self.weight}")

    def of_step(self, step: int) -> list[Transcript]:
        """A step's solutions, each at most once."""
        rng = np.random.default_rng(seed_of("train", "demonstrations", self.seed, step))
        return [self.rows[place] for place in rng.permutation(len(self.rows))[: self.a_step]]

    def config(self) -> dict[str, Any]:
        """What a resumed run must share."""
        rows = [[list(row.prompt_ids), list(row.completion_ids)] for row in self.rows]
        return {
            "demonstrations": digest(rows), "demonstrations_a_step": self.a_step,
            "demonstrations_weight": self.weight, "demonstrations_seed": self.seed,
        }  # fmt: skip


def imitate(
    network: Any, rows: Sequence[Transcript], *, weight: float, micro_tokens: int, step: int
) -> float:
    """Add the gradient of `weight` times the mean of -ln p over the solutions' tokens.

    Returns:
        That mean, in nats a token.

    Raises:
        NonFinite: it is not finite.
    """
    batch = pad_batch(rows, device=network.device)
    total = 0.0
    for piece in micro_batches(batch, micro_tokens):
        loss = -token_logprobs(network, piece).logp_BT.sum() / batch.n_predicted
        check_finite(loss, step, ["demonstrations"])
        (weight * loss).backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    return total
