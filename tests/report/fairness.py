"""What stands beside a verdict, made by direct construction: numbers a test can name.

Independent of how `pathshift.analysis` measures them. Labels and names hold markup, as a hostile
run folder would.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pathshift.analysis.entropy_match import EntropyMatch, Match
from pathshift.analysis.envelope import Best, Envelope
from pathshift.analysis.equal_tokens import EqualTokens
from pathshift.analysis.fairness import Fairness
from pathshift.analysis.hygiene import EndsOfSide, Hygiene, Rate, Recount
from pathshift.analysis.paired_rows import Curves
from pathshift.analysis.result import Range, Verdict

COLD, HOT = "T=0.7", "T=1.3 </script><img src=x onerror=alert(1)>"
UNKNOWN = Rate(None, None, None)


def curves(difference: list[float], k: list[int] | None = None, base: float = 0.3) -> Curves:
    """A rising base, a tuned model that far above it, a band of .05 to either side."""
    below = [base + 0.02 * i for i in range(len(difference))]
    return Curves(
        base=below,
        tuned=[b + d for b, d in zip(below, difference, strict=True)],
        difference=difference,
        low=[d - 0.05 for d in difference],
        high=[d + 0.05 for d in difference],
        pointwise=0.01,
        k=k,
    )


def ends(problems: int, truncated: float | None, unparsed: float, tokens: float) -> EndsOfSide:
    """Endings with intervals of .01 to either side; none of them failed."""

    def about(value: float | None) -> Rate:
        return UNKNOWN if value is None else Rate(value, value - 0.01, value + 0.01)

    if problems == 0:
        return EndsOfSide(
            problems=0, truncated=UNKNOWN, unparsed=UNKNOWN, ended=UNKNOWN, failed=UNKNOWN,
            tokens=UNKNOWN,
        )  # fmt: skip
    return EndsOfSide(
        problems=problems, truncated=about(truncated), unparsed=about(unparsed),
        ended=about(None if truncated is None else 1 - truncated), failed=Rate(0.0, 0.0, 0.0),
        tokens=about(tokens),
    )  # fmt: skip


def recount(reason: str, base: float, tuned: float, **changes: Any) -> Recount:
    """A loss at k = 1 and 4 of which nothing remains without the samples that were spoilt."""
    fields: dict[str, Any] = {
        "reason": reason, "share": {"base": base, "tuned": tuned}, "k": [1, 4],
        "before": [-0.125, -0.25], "after": [0.0, 0.0625], "turns": [1, 4],
        "shrinks": [Range(1, 4)], "is_exact": True,
    }  # fmt: skip
    return Recount(**(fields | changes))


def hygiene(**changes: Any) -> Hygiene:
    """Truncation of the tuned model that explains a loss."""
    cut = recount("truncated", 0.02, 0.4)
    fields: dict[str, Any] = {
        "ends": {
            "all": {"base": ends(60, 0.02, 0.128, 812.0), "tuned": ends(60, 0.4, 0.076, 1234.4)},
            "base_only": {"base": ends(0, 0, 0, 0), "tuned": ends(0, 0, 0, 0)},
            "tuned_only": {"base": ends(8, 0.05, 0.203, 7.25), "tuned": ends(8, None, 0.14, 9.0)},
        },
        "recounts": [cut, recount("unparsed", 0.128, 0.076), recount("either", 0.148, 0.476)],
        "warnings": [f"{cut.warning} <b>&amp;"],
    }
    return Hygiene(**(fields | changes))


def entropy(**changes: Any) -> EntropyMatch:
    """The base's entropy between those of two tuned runs."""
    fields: dict[str, Any] = {
        "kind": "policy", "base_run": "runs/<base>", "base_entropy": 1.329,
        "tuned_entropies": {"runs/t0.7": 0.982, "runs/<b>t1.3</b>": 1.428, "runs/other": None},
        "match": Match(low="runs/t0.7", high="runs/<b>t1.3</b>", share=0.78, entropy=1.329,
                       mismatch=0.0),
        "temperature": 1.17, "curves": curves([0.084, 0.09, 0.1, 0.133], [1, 2, 3, 4]), "note": "",
    }  # fmt: skip
    return EntropyMatch(**(fields | changes))


def tokens() -> EqualTokens:
    """Budgets from 40 to 4,000 tokens: certified ahead at first, certified behind at last."""
    return EqualTokens(
        budgets=[40, 160, 1000, 4000],
        curves=curves([0.2, 0.1, 0.01, -0.09]),
        tokens_per_sample={side: {COLD: 40.0, HOT: 44.0} for side in ("base", "tuned")},
        chosen={side: {COLD: [1.0] * 4, HOT: [0.0] * 4} for side in ("base", "tuned")},
        gain_certified=[Range(40, 160)],
        loss_certified=[Range(4000, 4000)],
    )


def envelope(**changes: Any) -> Envelope:
    """Four k of eight: certified ahead at k=1 and behind at k=4; the settings disagree at k=8."""
    k, full = [1, 2, 3, 4], [1, 2, 3, 4, 8]
    share = {COLD: [1.0, 0.7, 0.4, 0.125], HOT: [0.0, 0.3, 0.6, 0.875]}
    fields: dict[str, Any] = {
        "names": {"base": "runs/base", "tuned": "runs/tuned"},
        "verdict": Verdict(word="gain_then_loss", sentence="Gain for k=1, loss for k=4 <i>."),
        "n_problems": 60,
        "settings": [{"label": s, "base": "b", "tuned": "t"} for s in (COLD, HOT)],
        "missing": {"base": (), "tuned": ("T=9",)},
        "k": k,
        "fair": curves([0.2, 0.1, -0.02, -0.09]),
        "floor": [0.004, 0.008, 0.012, 0.016],
        "gain_certified": [Range(1, 2)],
        "loss_certified": [Range(4, 4)],
        "chosen": {"base": share, "tuned": {COLD: share[HOT], HOT: share[COLD]}},
        "naive": Best(
            k=full, base=[0.3] * 5, tuned=[0.3] * 5, difference=[0.211, 0.15, 0.05, 0.033, 0.022],
            setting_base=[COLD] * 5, setting_tuned=[HOT] * 5,
        ),
        "other_problems": curves([0.19, 0.09, 0.01, -0.03, -0.06], full),
        "mixed": curves([0.17, 0.1, 0.02, -0.04]),
        "by_setting": {
            COLD: curves([0.25, 0.1, 0.0, -0.1, -0.14], full),
            HOT: curves([0.1, 0.1, 0.1, 0.1, 0.16], full),
        },
        "ends": {
            COLD: {"base": ends(60, 0.01, 0.12, 812.0), "tuned": ends(60, 0.3, 0.07, 1234.4)},
            HOT: {"base": ends(60, 0.02, 0.14, 9.5), "tuned": ends(60, 0.4, 0.1, 11.0)},
        },
        "tokens": tokens(),
        "entropy": entropy(),
        "notes": ["tuned lacks T=9: left out, so that both choose from the same settings"],
        "computed": {"level": 0.95, "seed": 0},
    }  # fmt: skip
    return Envelope(**(fields | changes))


def everything() -> Fairness:
    """All of it, warnings included."""
    return Fairness(hygiene=hygiene(), envelope=envelope())


def one_sample() -> Fairness:
    """An envelope of one k and one budget: nothing to draw."""
    one = [1]
    few = curves([0.2])
    short = replace(tokens(), budgets=[40], curves=few, gain_certified=[], loss_certified=[])
    return Fairness(
        envelope=envelope(
            k=one, fair=few, mixed=few, floor=None, gain_certified=[], loss_certified=[],
            naive=Best(k=one, base=[0.3], tuned=[0.5], difference=[0.2], setting_base=[COLD],
                       setting_tuned=[COLD]),
            other_problems=None, by_setting={COLD: curves([0.2], one), HOT: curves([0.1], one)},
            chosen={side: {COLD: [1.0], HOT: [0.0]} for side in ("base", "tuned")},
            tokens=short, entropy=None,
        )
    )  # fmt: skip
