"""The result of a comparison: what `pathshift compare --json` writes, field by field.

Plain data, computed by `pathshift.analysis.comparison`, read by the report and the terminal.
Fields are added over time, never renamed; an undefined number is None, never NaN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from pathshift.analysis.beyond import Prediction
    from pathshift.analysis.planning import Cost
    from pathshift.analysis.readings import Readings

RESULT_SCHEMA = 1

WORDS = ("gain", "loss", "gain_then_loss", "loss_then_gain", "undecided")
"""Every verdict word; they come from intervals only."""


class Range(NamedTuple):
    """Inclusive range of k."""

    low: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The word and the sentence a reader takes home."""

    word: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Amplification:
    """tuned@k = base@base_k: one tuned sample's worth in base samples.

    The headline is at k=1; `curve` holds the same for every k. None where the base's curve does
    not reach the tuned one within its samples (the worth is then above the base's largest k).
    """

    k: int
    base_k: float | None
    low: float | None
    high: float | None
    curve: Mapping[str, list[Any]]
    """Lists `k`, `base_k`, `low`, `high` of equal length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Problems solved at least once in k draws by both, one or neither, and the exact test."""

    k: int
    both: int
    base_only: int
    tuned_only: int
    neither: int
    mcnemar_p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitHalfNull:
    """Problems a model is expected to lose to itself: half its samples against the other half.

    `base_only` is the base against itself, `tuned_only` the tuned model against itself; the
    observed ones are the expected cells of base against tuned at the same k. None where a model
    has problems with fewer than two samples.
    """

    k: int
    base_only: float
    tuned_only: float
    observed_base_only: float
    observed_tuned_only: float


class Share(NamedTuple):
    """A ratio with its interval; None where nothing was solved that it could be a share of."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """Of what either model solved within k draws: kept, new, net (Wu et al. 2025).

    Attributes:
        srr: both / (both + base only).
        ndr: tuned only / (both + tuned only).
        nscr: (tuned only - base only) / (both + tuned only + base only).
    """

    k: int
    srr: Share
    ndr: Share
    nscr: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Certainty:
    """What is certain of single problems, false discoveries kept at most at 5% of all.

    Attributes:
        both: Solved by both models at least once.
        gained: Never solved by the base, by the tuned model more often than chance would have it.
        lost: The other way.
        undecided: All else, also what nobody solved.
        below: A problem without a success in the fewest draws has a success rate below this, with
            95%.
    """

    both: int
    gained: int
    lost: int
    undecided: int
    below: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EfficiencyGap:
    """Sampling-efficiency gap: base pass@k minus tuned pass@1 (Yue et al. 2025)."""

    k: int
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WouldDecide:
    """What it would take to decide an undecided comparison, by a normal approximation."""

    problems: int
    samples: int
    tokens: int | None
    minutes: float | None = None
    """At the pace the samples were drawn; None where a run does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideAt:
    """What would decide an undecided comparison at one k, by a normal approximation.

    Attributes:
        problems: Problems like these, with as many samples of each as now; None where the two
            models do not differ at this k.
        problems_cost: Of all their samples.
        n: Samples of each of these same problems by either model; None where no number would do,
            and where none is known: at k above 1, with unequal n, clusters or a stopping rule.
        n_known: Whether `n` was looked for, so that None says that no number would do.
        n_cost: Of the further samples.
        power: Chance to decide, if the difference is really as estimated.
    """

    k: int
    problems: int | None
    problems_cost: Cost | None
    n: int | None
    n_known: bool
    n_cost: Cost | None
    power: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolNumber:
    """A number that the tool behind a log reports, and the same without the tool's bias.

    Attributes:
        side: "base" or "tuned".
        says: What the tool reports.
        unbiased: What the samples say.
        why: What is wrong with the tool's.
    """

    side: str
    tool: str
    name: str
    says: float
    unbiased: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemRow:
    """Both models' counts on one problem.

    Attributes:
        tuned_id: Where the tuned side calls it otherwise.
        certainty: A field of `Certainty`: both, gained, lost or undecided.
    """

    id: str
    source: str
    n_base: int
    c_base: int
    n_tuned: int
    c_tuned: int
    tuned_id: str | None = None
    certainty: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleView:
    """One sample to be looked at, with what a reader needs beside it."""

    problem_id: str
    question: str
    gold: str
    side: Literal["base", "tuned"]
    sample_no: int
    outcome: str
    answer: str | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Everything `pathshift compare` found. Lists over k have the length of `k`."""

    names: Mapping[str, str]
    """What to call the two models: keys `base` and `tuned`."""
    verdict: Verdict
    n_problems: int
    n: Mapping[str, Mapping[str, int]]
    k: list[int]
    base: list[float]
    base_low: list[float]
    base_high: list[float]
    tuned: list[float]
    tuned_low: list[float]
    tuned_high: list[float]
    difference: list[float]
    low: list[float]
    high: list[float]
    floor: list[float] | None
    sampling_se: Mapping[str, list[float | None]]
    """Standard error of each curve (`base`, `tuned`) from sampling noise alone, these problems held
    fixed; None where 2k exceeds a problem's samples, since no unbiased estimate exists there."""
    gain_certified: list[Range]
    loss_certified: list[Range]
    first_loss: Range | None
    amplification: Amplification
    cells: Cells
    null: SplitHalfNull | None
    outcomes: Mapping[str, Mapping[str, int | None]]
    bounds: Mapping[str, Mapping[str, list[float]]] | None
    """Per model `low` and `high`: failed samples as wrong, as right; None if none failed."""
    delta_se: EfficiencyGap
    would_decide: WouldDecide | None
    histogram: Mapping[str, list[Any]]
    """`bins` (12 labels), `base` and `tuned` (problems per bin)."""
    problems: list[ProblemRow]
    notes: list[str]
    """One line each: what the reader must know before trusting the numbers."""
    certainty: Certainty | None = None
    """None for runs that a rule stopped: their counts follow no plain law."""
    support: Support | None = None
    beyond: Prediction | None = None
    """Predictions beyond the samples, where they were asked for; no word rests on them."""
    readings: Mapping[str, Readings] | None = None
    """Reliability, guessing and verifier error of `base` and `tuned`, beside pass@k."""
    decide_at: list[DecideAt] = field(default_factory=list)
    """What would decide at the smallest and the largest k; empty unless undecided."""
    tool_numbers: list[ToolNumber] = field(default_factory=list)
    """What the tools behind the logs report where that is known to be off."""
    runs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What is known of how `base` and `tuned` were sampled (model, template, policy, ...)."""
    settings: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: what `--json` writes. NaN becomes None, tuples become lists."""
        found = {"schema": RESULT_SCHEMA, **asdict(self)}
        if self.readings is not None:
            # Their own names: as `pathshift show --json` has them.
            found["readings"] = {side: read.to_dict() for side, read in self.readings.items()}
        plain: dict[str, Any] = plain_values(found)
        return plain


def plain_values(value: Any) -> Any:
    """JSON values: NaN becomes None, tuples become lists, keys text."""
    if isinstance(value, Mapping):
        return {str(key): plain_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
