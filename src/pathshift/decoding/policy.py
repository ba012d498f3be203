"""What a sampling policy is. Knows no model and no tokenizer."""

from __future__ import annotations

from dataclasses import dataclass

from pathshift.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How tokens are drawn; applied in the order temperature, top-k, top-p, min-p.

    Attributes:
        temperature: Logits are divided by it; 0 takes the likeliest token.
        top_k: Keep the k likeliest tokens; 0 keeps all.
        top_p: Keep the smallest set of likeliest tokens that holds this share; 1 keeps all.
        min_p: Drop tokens below this share of the likeliest one's probability; 0 keeps all.
        max_tokens: Most tokens to sample, the end token included.
        stop: Texts that end a sample; they are cut off with what follows.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    max_tokens: int = 256
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check every field against its rule."""
        rules = {
            f"temperature must be 0 to 100, got {self.temperature}": 0 <= self.temperature <= 100,
            f"top-k must be 0 (off) or more, got {self.top_k}": self.top_k >= 0,
            f"top-p must be above 0 and at most 1, got {self.top_p}": 0 < self.top_p <= 1,
            f"min-p must be 0 (off) to below 1, got {self.min_p}": 0 <= self.min_p < 1,
            f"max-tokens must be at least 1, got {self.max_tokens}": self.max_tokens >= 1,
            "a stop text must not be empty": all(self.stop),
        }
        for message, holds in rules.items():
            if not holds:
                raise ConfigError(message)
