"""From a pilot to what would decide: more problems, or more samples on those that are open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from pathshift.analysis.pairing import Pair
from pathshift.analysis.result import plain_values
from pathshift.errors import ConfigError
from pathshift.records import CountTable
from pathshift.stats.power import Pilot, Simulation, TopUp
from pathshift.stats.stopping import StoppingRule

PLAN_SCHEMA = 1
MOST_TIMES = 64
"""How many times the pilot's problems, or samples a problem, are looked at."""
FEW_PROBLEMS = 10
"""A pilot of fewer problems gets a warning: the law fitted to one problem is that problem."""
CLOSE_ENOUGH = 1.1
"""The smallest number is found up to this factor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSettings:
    """What is asked for.

    Attributes:
        n: Samples a problem if more problems are drawn; None for the pilot's.
        successes: Where a problem stops when its samples are drawn on.
        power: Chance to decide that is wanted.
        simulation: Runs, band and seed.
    """

    n: int | None = None
    successes: int = 4
    power: float = 0.8
    simulation: Simulation = field(default_factory=Simulation)

    def __post_init__(self) -> None:
        """Check every field against its rule."""
        if not 0 < self.power < 1:
            raise ConfigError(f"power must lie between 0 and 1, got {self.power}; .8 is usual")
        if self.n is not None and self.n < 1:
            raise ConfigError(f"n must be at least 1, got {self.n}")
        if self.successes < 1:
            raise ConfigError(f"successes must be at least 1, got {self.successes}")
        how = self.simulation
        if not 20 <= how.runs <= 10_000:
            raise ConfigError(f"runs must be 20 to 10000, got {how.runs}")
        if not 0.5 <= how.level < 1:
            raise ConfigError(f"level must be from .5 to below 1, got {how.level}; .95 is usual")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Samples of both models, their tokens, and minutes at the pilot's pace, as far as known."""

    samples: int
    tokens: int | None
    minutes: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """One way that decides with the power wanted.

    Attributes:
        problems: Problems to be asked: new ones, or those of the pilot that are still open.
        n: Samples of each by either model; at most, if problems stop by themselves.
        power: Chance to decide, as simulated.
    """

    problems: int
    n: int
    power: float
    cost: Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionPlan:
    """What would decide.

    Attributes:
        now: Chance that a repetition of the pilot decides.
        more_problems: New problems like these, None if `MOST_TIMES` the pilot's would not do.
        more_samples: Further samples of the pilot's open problems; None if they would not do.
        tried: Every design that was simulated.
        notes: What the reader must know.
    """

    n_problems: int
    now: float
    more_problems: Design | None
    more_samples: Design | None
    tried: list[dict[str, Any]]
    notes: list[str]
    settings: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        plain: dict[str, Any] = plain_values({"schema": PLAN_SCHEMA, **asdict(self)})
        return plain


def plan(pair: Pair, settings: PlanSettings | None = None) -> DecisionPlan:
    """How many problems, or how many samples on the open ones, would decide a comparison.

    Raises:
        CountsError: as `Pair.drawn`.
    """
    return _Planner(pair, settings or PlanSettings()).plan()


class _Planner:
    """One plan's pilot and what was tried."""

    def __init__(self, pair: Pair, settings: PlanSettings) -> None:
        self.pair, self.settings = pair, settings
        self.pilot = Pilot(pair.drawn("base"), pair.drawn("tuned"))
        self.n_problems = len(pair.base.counts)
        self.n_pilot = int(min(self.pilot.base.reach.min(), self.pilot.tuned.reach.min()))
        self.tried: list[dict[str, Any]] = []

    def plan(self) -> DecisionPlan:
        settings = self.settings
        n = settings.n or self.n_pilot
        now = self.pilot.power_of_problems(self.n_problems, self.n_pilot, settings.simulation)
        rule, why_not = self._rule()
        return DecisionPlan(
            n_problems=self.n_problems,
            now=now,
            more_problems=self._more_problems(n),
            more_samples=None if rule is None else self._more_samples(rule),
            tried=self.tried,
            notes=why_not + self._notes(),
            settings={
                "n": n, "successes": settings.successes, "power": settings.power,
                **asdict(settings.simulation),
            },
        )  # fmt: skip

    def _more_problems(self, n: int) -> Design | None:
        def power(problems: int) -> float:
            return self._try({"problems": problems, "n": n}, lambda: self.pilot.power_of_problems(
                problems, n, self.settings.simulation
            ))  # fmt: skip

        found = smallest(power, self.n_problems, MOST_TIMES, self.settings.power)
        if found is None:
            return None
        per_side = found * n
        cost = cost_of(self.pair, per_side, per_side)
        return Design(problems=found, n=n, power=power(found), cost=cost)

    def _more_samples(self, rule: StoppingRule) -> Design | None:
        brought: dict[int, TopUp] = {}

        def power(cap: int) -> float:
            further = StoppingRule(pilot=rule.pilot, successes=rule.successes, cap=cap)
            brought[cap] = self.pilot.power_of_samples(further, self.settings.simulation)
            return self._try({"cap": cap, **asdict(further)}, lambda: brought[cap].power)

        caps = [rule.cap * 2**i for i in range(1, MOST_TIMES.bit_length())]
        cap = next((cap for cap in caps if power(cap) >= self.settings.power), None)
        if cap is None:
            return None
        is_open = [
            b.c < rule.successes or t.c < rule.successes
            for b, t in zip(self.pair.base.counts, self.pair.tuned.counts, strict=True)
        ]
        half = brought[cap].samples / 2
        cost = cost_of(self.pair, half, half)
        return Design(problems=sum(is_open), n=cap, power=brought[cap].power, cost=cost)

    def _try(self, design: dict[str, Any], power: Callable[[], float]) -> float:
        value = power()
        self.tried.append({**design, "power": value})
        return value

    def _rule(self) -> tuple[StoppingRule | None, list[str]]:
        """The rule under which the pilot's problems can be drawn on, or why there is none."""
        rules = [self.pilot.base.rule, self.pilot.tuned.rule]
        if rules[0] is not None and rules[0] == rules[1]:
            return rules[0], []
        sizes = {n for side in (self.pilot.base, self.pilot.tuned) for n in side.n.tolist()}
        if any(rules) or len(sizes) > 1:
            return None, ["the pilot's problems differ in n or rule: not planned with more samples"]
        n = self.n_pilot
        successes = min(self.settings.successes, n)
        return StoppingRule(pilot=n, successes=successes, cap=n), []

    def _notes(self) -> list[str]:
        notes = ["simulated from the pilot: a pilot that misleads, misleads the plan"]
        if self.n_problems < FEW_PROBLEMS:
            notes.append(
                f"{self.n_problems} problems hardly tell what others are like: plan again from "
                f"{FEW_PROBLEMS} or more"
            )
        if self.n_pilot == 1:
            notes.append("one sample does not tell a hard problem from bad luck: draw 2 or more")
        if cost_of(self.pair, 1, 1).minutes is None:
            notes.append("no minutes: the pilot does not say how fast its samples were drawn")
        return notes


def smallest(
    power: Callable[[int], float], start: int, most_times: int, wanted: float
) -> int | None:
    """Smallest number from `start` up with the power wanted, up to `CLOSE_ENOUGH`; None beyond.

    Doubles until the power is reached, then halves the gap in its logarithm.
    """
    low, high = start, start
    while power(high) < wanted:
        low, high = high, 2 * high
        if high > most_times * start:
            return None
    while high > low * CLOSE_ENOUGH and high > start:
        middle = round((low * high) ** 0.5)
        if middle in (low, high):
            break
        low, high = (low, middle) if power(middle) >= wanted else (middle, high)
    return high


def cost_of(pair: Pair, base: float, tuned: float) -> Cost:
    """What so many samples of either model cost, at the lengths and the pace of their own runs.

    Args:
        base, tuned: Samples to be drawn.
    """
    sides = ((base, pair.base), (tuned, pair.tuned))
    tokens = [_times(samples, tokens_per_sample(table)) for samples, table in sides]
    seconds = [
        None if count is None or (pace := tokens_per_second(table)) is None else count / pace
        for count, (_, table) in zip(tokens, sides, strict=True)
    ]
    minutes = None if None in seconds else sum(s or 0 for s in seconds) / 60
    return Cost(
        samples=round(base + tuned),
        tokens=None if None in tokens else round(sum(t or 0 for t in tokens)),
        minutes=minutes,
    )


def _times(samples: float, tokens: float | None) -> float | None:
    return None if tokens is None else samples * tokens


def tokens_per_sample(table: CountTable) -> float | None:
    """Mean tokens of a sample; None where the counts do not say."""
    known = [p.n_tokens for p in table.counts if p.n_tokens is not None]
    if len(known) < len(table.counts):
        return None
    return sum(known) / max(1, sum(p.n + (p.failed or 0) for p in table.counts))


def tokens_per_second(table: CountTable) -> float | None:
    """The pace a run was drawn at; None where it does not say."""
    drawing = table.settings.get("drawing") or {}
    tokens, seconds = drawing.get("tokens"), drawing.get("seconds")
    return tokens / seconds if tokens and seconds else None
