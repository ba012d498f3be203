"""What stands beside a comparison's verdict: hygiene, and both models at their best setting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pathshift.analysis.entropy_match import EntropyMatch
from pathshift.analysis.envelope import Envelope
from pathshift.analysis.hygiene import Hygiene


@dataclass(frozen=True, slots=True, kw_only=True)
class Fairness:
    """Each None where the data do not give it.

    Attributes:
        hygiene: How samples ended, and whether that could explain the difference.
        envelope: With further runs of both sides under common settings.
        entropy: The tuned model at the base's entropy, where there is no envelope to hold it.
    """

    hygiene: Hygiene | None = None
    envelope: Envelope | None = None
    entropy: EntropyMatch | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values by the names above, without those that are None."""
        parts = {"hygiene": self.hygiene, "envelope": self.envelope, "entropy": self.entropy}
        return {name: part.to_dict() for name, part in parts.items() if part is not None}
