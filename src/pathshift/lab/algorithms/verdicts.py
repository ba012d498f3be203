"""What the numbers say, in sentences, and which entries of `lab/claims.toml` they answer.

    rl-algorithms-alike         by the test of the claim: all pairs of the gap, which is pass@1 with
                                the base's part in common, over seeds and problems. Supported if
                                all pairs are alike, refuted if one is wholly apart.
    efficiency-gap-stays-large  the part of the base's gap that is left: every lower end above .5,
                                or an upper end below .5.
    base-covers-more            every algorithm's band against the base: a gain at k=1 and a loss at
                                some larger k, or gains at every k.
    rl-amplifies-sampling       told as the worth of one tuned sample and the cells; the claim also
                                asks for the base drawn again, which is `pathshift retest`: never
                                more than undecided here.
    distillation-expands        the distilled model's band against the base above 0 at every k, or
                                ending below .02 at the largest; the claim's comparison with RL at
                                equal tokens is not made here, so never more than undecided.
    composition-created-by-rl   the family compose out of domain, where training stopped one level
                                short: bands of all algorithms above 0 at every k to 1,024, or
                                ending below .02 there.

Whether a result becomes a claim's status is for whoever edits the table: the claims ask for more
than one family and scale, and here are tiny models.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pathshift.report.formats import p_value, rate, signed

_Told = Mapping[str, Any]
_HALF, _LITTLE = 0.5, 0.02


def sentences(results: _Told) -> list[str]:
    """The study's findings, family by family."""
    found = []
    for name, family in results["families"].items():
        for use, one in family["sets"].items():
            where = f"{one['name']} ({'in' if use == 'inside' else 'out of'} domain)"
            found += [f"{where}: {text}" for text in _of_set(one, results["margin"])]
        found += [f"{name}: {text}" for text in _of_looks(family, results["margin"])]
    return found


def _of_set(one: _Told, margin: float) -> Iterator[str]:
    for judged in one["alike"]:
        yield alike_sentence(judged, margin)
    for way in one["ways"]:
        if way["kind"] != "base":
            yield against_base(way)


def alike_sentence(judged: _Told, margin: float) -> str:
    """Whether all ways are alike at one k, over the problems measured and over such problems."""
    k = judged["k"]
    if not judged.get("above_floor", True):
        return f"pass@{k}: no word, a blind guess reaches more than half of the lowest value"
    parts = [_alike_part(judged["these"], margin, "on these problems")]
    if judged.get("like_these"):
        parts.append(_alike_part(judged["like_these"], margin, "on problems like these"))
    return f"pass@{k}: {'; '.join(parts)}"


def _alike_part(found: _Told, margin: float, where: str) -> str:
    widest = f"widest difference {rate(found['widest'])}"
    n_pairs = len(found["pairs"])
    if found["are_alike"]:
        told = f"({widest}, {p_value(found['p'])})"
        return f"alike {where}, all {n_pairs} pairs within {margin:g} {told}"
    power = f"equal ones would be called alike at a margin of {rate(found['least_margin'])}"
    apart = [f"{one['first']} and {one['second']}" for one in found["pairs"] if one["is_apart"]]
    if apart:
        return f"not alike {where}: {', '.join(apart)} differ by more than {margin:g} ({widest})"
    return f"not shown alike {where} ({widest}, {p_value(found['p'])}; {power})"


def against_base(way: _Told) -> str:
    """One way's certified ranges of k, and what one of its samples is worth."""
    said = [
        f"{word} certified for {_ranges(way[f'{word}_certified'])}"
        for word in ("gain", "loss")
        if way[f"{word}_certified"]
    ]
    worth = way["worth_of_one"]
    more = "" if worth is None else f"; one sample is worth {worth:.1f} of the base's"
    first, last = way["difference"][0], way["difference"][-1]
    k = way["cells"]["k"]
    change = f"pass@1 {signed(first)}, pass@{k} {signed(last)}"
    return f"{way['label']} against the base: {change}, {' and '.join(said) or 'undecided'}{more}"


def _ranges(found: Sequence[Sequence[int]]) -> str:
    return " and ".join(f"k={a}" if a == b else f"k={a}..{b}" for a, b in found)


def _of_looks(family: _Told, margin: float) -> Iterator[str]:
    for key, what in (("equal_pass1", "pass@1 of {:.3f}"), ("equal_kl", "{:.4f} nats a token")):
        found = family[key]
        if found is not None:
            for judged in found["alike"]:
                yield f"at an equal {what.format(found['at'])}: {alike_sentence(judged, margin)}"


# --- claims --------------------------------------------------------------------------------------


def claims(results: _Told) -> dict[str, dict[str, str]]:
    """Claim id -> family and set -> "supported", "refuted" or "undecided" by this study alone."""
    found: dict[str, dict[str, str]] = {}
    for family in results["families"].values():
        for use, one in family["sets"].items():
            for claim, word in _claims_of(one, use).items():
                found.setdefault(claim, {})[one["name"]] = word
    return found


def _claims_of(one: _Told, use: str) -> dict[str, str]:
    tuned = [way for way in one["ways"] if way["kind"] == "algorithm"]
    beside = {way["label"]: way for way in one["ways"] if way["kind"] == "beside"}
    words = {}
    if one["alike"] and one["alike"][0]["like_these"]:
        words["rl-algorithms-alike"] = _alike_word(one["alike"][0])
    if tuned:
        words["efficiency-gap-stays-large"] = _gap_word([way["gap"] for way in tuned])
        words["base-covers-more"] = _covers_word(tuned, one["k"])
        words["rl-amplifies-sampling"] = "undecided"
    if "distilled" in beside:
        words["distillation-expands"] = _expands_word([beside["distilled"]], most="undecided")
    if tuned and use == "outside" and one["name"].startswith("compose"):
        words["composition-created-by-rl"] = _expands_word(tuned, most="supported")
    return words


def _alike_word(judged: _Told) -> str:
    found = judged["like_these"]
    if not judged["above_floor"]:
        return "undecided"
    return "supported" if found["are_alike"] else "refuted" if found["are_apart"] else "undecided"


def _gap_word(gaps: Sequence[_Told]) -> str:
    if any(gap["left"] is None for gap in gaps):
        return "undecided"
    if any(gap["left_high"] < _HALF for gap in gaps):
        return "refuted"
    return "supported" if all(gap["left_low"] > _HALF for gap in gaps) else "undecided"


def _covers_word(tuned: Sequence[_Told], k: Sequence[int]) -> str:
    gains = [[tuple(one) for one in way["gain_certified"]] for way in tuned]
    losses = [way["loss_certified"] for way in tuned]
    if all(gain and gain[0][0] == 1 and loss for gain, loss in zip(gains, losses, strict=True)):
        return "supported"
    return "refuted" if all(gain == [(1, k[-1])] for gain in gains) else "undecided"


def _expands_word(ways: Sequence[_Told], *, most: str) -> str:
    if all(min(way["difference_low"]) > 0 for way in ways):
        return most
    return "refuted" if all(way["difference_high"][-1] < _LITTLE for way in ways) else "undecided"
