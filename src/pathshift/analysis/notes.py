"""What a reader must know before trusting the numbers, one line each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pathshift.analysis.pairing import Pair
from pathshift.errors import RunError
from pathshift.records import CountTable
from pathshift.stats.passk import FloatArray, IntArray

_FACTS = ("model", "tool", "format", "task", "mode", "template_hash", "temperature", "top_p",
          "top_k", "min_p", "max_tokens", "stop", "system", "verifier", "judge", "seed", "dtype",
          "note")  # fmt: skip
_SIZE = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?) ?([bBmM])(?![A-Za-z0-9])")
"""A model's size as names have it: 1.5B, 135M."""
_ALERT_SHARE = 0.05
_MUST_MATCH = ("task", "template_hash", "max_tokens", "stop", "system", "verifier", "judge")


def outcomes_of(pair: Pair) -> dict[str, dict[str, int | None]]:
    """Samples by outcome for both sides; None where the source does not tell them apart."""
    return {"base": _outcomes(pair.base), "tuned": _outcomes(pair.tuned)}


def _outcomes(table: CountTable) -> dict[str, int | None]:
    n, c = sum(p.n for p in table.counts), sum(p.c for p in table.counts)
    unparsed = _total(table, "unparsed")
    return {
        "correct": c,
        "wrong": n - c - (unparsed or 0),
        "unparsed": unparsed,
        "failed": _total(table, "failed"),
        "truncated": _total(table, "truncated"),
    }


def _total(table: CountTable, field: str) -> int | None:
    values = [getattr(p, field) for p in table.counts]
    return None if any(v is None for v in values) else sum(values)


def run_facts(pair: Pair) -> dict[str, dict[str, Any]]:
    """How each side was sampled, as far as it is known."""
    return {
        side: {key: table.settings[key] for key in _FACTS if table.settings.get(key) is not None}
        for side, table in (("base", pair.base), ("tuned", pair.tuned))
    }


def scale_of(pair: Pair) -> str:
    """Badge of the scale at which the samples were drawn: toy, 135M, 7B, or counts.

    Every figure carries it, so that a finding on a tiny model is not read as more.
    """
    badges = {_badge(table) for table in (pair.base, pair.tuned)}
    return " / ".join(sorted(badges))


def _badge(table: CountTable) -> str:
    model = str(table.settings.get("model", ""))
    if not model:
        return "counts"
    if model.startswith("fake:"):
        return "toy"
    parameters = (table.settings.get("details") or {}).get("parameters")
    if not parameters:
        named = _SIZE.search(model)
        return f"{named[1]}{named[2].upper()}" if named else model
    return f"{parameters / 1e9:.3g}B" if parameters >= 1e9 else f"{parameters / 1e6:.0f}M"


def notes_on(
    pair: Pair, k: IntArray, floor: FloatArray | None, allowed: npt.NDArray[np.bool_]
) -> list[str]:
    """Every caveat that applies, most important first."""
    lines = [
        *_matching_notes(pair), *_floor_notes(k, floor, allowed), *_setting_notes(pair),
        *_outcome_notes(pair),
    ]  # fmt: skip
    if pair.left_out:
        lines.append(
            f"{len(pair.left_out)} problems have no judged sample on one side and are left out: "
            f"{', '.join(pair.left_out[:3])}"
        )
    lines += [*_stopping_notes(pair), *_look_notes(pair)]
    plain = [table for table in (pair.base, pair.tuned) if not table.is_stopped]
    sizes = {p.n for table in plain for p in table.counts}
    if len(sizes) > 1:
        lines.append(
            f"problems have {min(sizes)} to {max(sizes)} judged samples; k goes to the smallest, "
            "and cells use a random cut to it"
        )
    for side in ("base", "tuned"):
        note = getattr(pair, side).settings.get("note")
        if note and note not in lines:
            lines.append(str(note))
    return lines


def has_bounds(pair: Pair) -> bool:
    """Whether failed samples can be counted as right and as wrong: some failed, no rule looked on.

    Under a stopping rule another outcome would have let sampling go on or end elsewhere.
    """
    tables = (pair.base, pair.tuned)
    return _has_failed(pair) and not any(table.is_stopped for table in tables)


def _has_failed(pair: Pair) -> bool:
    return any(p.failed for table in (pair.base, pair.tuned) for p in table.counts)


def _stopping_notes(pair: Pair) -> list[str]:
    lines = []
    for side, table in (("base", pair.base), ("tuned", pair.tuned)):
        if not table.is_stopped:
            continue
        rule = table.settings["stopping"]
        share = sum(p.n + (p.failed or 0) for p in table.counts) / rule["cap"] / len(table.counts)
        lines.append(
            f"{side}: each problem stopped at {rule['successes']} successes after a pilot of "
            f"{rule['pilot']}, or at {rule['cap']} draws ({share:.0%} of all); pass@k by path "
            "counting, without bias; shares of samples lean towards hard problems"
        )
    if lines and _has_failed(pair):
        lines.append(
            "no bounds for failed samples: judged otherwise, sampling would have stopped elsewhere"
        )
    return lines


def looks_of(pair: Pair) -> int:
    """Looks among which the error is shared: those a retest planned on either run, else one.

    Raises:
        RunError: a manifest says so otherwise than with a whole number from 1 up.
    """
    most = 1
    for table in (pair.base, pair.tuned):
        looks = table.settings.get("looks", 1)
        if not isinstance(looks, int) or looks < 1:
            raise RunError(f"a manifest says looks {str(looks)[:40]!r}; it must be 1 or more")
        most = max(most, looks)
    return most


def shared_level(pair: Pair, level: float) -> float:
    """Level of one look's band: what all planned looks claim falsely stays within 1 - level.

    Equal shares (Bonferroni) hold for whichever of the looks this one is.
    """
    return 1 - (1 - level) / looks_of(pair)


def _look_notes(pair: Pair) -> list[str]:
    looks = looks_of(pair)
    if looks == 1:
        return []
    return [
        f"a retest looks at these runs up to {looks} times: the band of the difference takes a "
        f"share of 1/{looks} of the error, so that what all looks claim falsely stays within it"
    ]


def _matching_notes(pair: Pair) -> list[str]:
    lines = []
    if pair.matched_by == "core_hash":
        lines.append(
            "prompts differ: problems were matched by their question, without the template that "
            "all prompts of a side share; the comparison mixes the template with training"
        )
    if any(pair.unmatched):
        base, tuned = pair.unmatched
        lines.append(f"{base} problems only the base has and {tuned} only the tuned were left out")
    return lines


def _floor_notes(
    k: IntArray, floor: FloatArray | None, allowed: npt.NDArray[np.bool_]
) -> list[str]:
    if floor is None:
        return [
            "floor unknown: the counts do not say what blind guessing reaches (--floor sets it)"
        ]
    if allowed.all():
        return []
    barred = k[~allowed]
    return [
        f"no word at {len(barred)} of {len(k)} k (first k={barred[0]}): blind guessing reaches "
        "more than half of the base's pass@k there"
    ]


def _setting_notes(pair: Pair) -> list[str]:
    base, tuned = pair.base.settings, pair.tuned.settings
    both = [key for key in _MUST_MATCH if key in base and key in tuned]
    differing = [key for key in both if base[key] != tuned[key]]
    return [
        f"{key} differs: {_shown(base[key])} against {_shown(tuned[key])}; the comparison mixes "
        "this with training"
        for key in differing
    ]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:39] + "…"


def _outcome_notes(pair: Pair) -> list[str]:
    lines = []
    for name in ("failed", "unparsed", "truncated"):
        shares = _shares(pair, name)
        if shares is None or max(shares.values()) == 0:
            continue
        is_alarming = max(shares.values()) >= _ALERT_SHARE or name == "failed"
        if is_alarming:
            lines.append(
                f"{name}: {shares['base']:.1%} of the base's samples, {shares['tuned']:.1%} of "
                f"the tuned model's{_MEANING[name]}"
            )
    return lines


_MEANING = {
    "failed": " (no judgement: not counted as wrong; the bounds count them both ways)",
    "unparsed": " hold no answer the verifier could read (counted as not correct)",
    "truncated": " were cut by the token limit",
}


def _shares(pair: Pair, field: str) -> Mapping[str, float] | None:
    shares = {}
    for side, table in (("base", pair.base), ("tuned", pair.tuned)):
        total = _total(table, field)
        if total is None:
            return None
        shares[side] = total / max(1, sum(p.n + (p.failed or 0) for p in table.counts))
    return shares
