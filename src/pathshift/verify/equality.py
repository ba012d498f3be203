r"""Symbolic equality by math-verify 0.9, with a second opinion. Runs in the worker only.

math-verify alone says yes too easily in four ways that matter when one lucky sample in a thousand
decides: it drops "units" such as `\mathrm{e}`, rounds to 15 digits of absolute precision (1/2^99
equals 1/2^98), rounds decimals to 6 places however small they are, and matches equations by solving
for whichever symbol comes first. So units are never dropped here, and every yes is tried again:
values at fixed points must agree to 40 digits (to 6 significant ones where a decimal is involved),
and polynomial equations must have the same factors. Only a yes can be overturned, never a no.

The heavy imports stand inside functions: nothing but a worker process may pay for them.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from pathshift.records import Outcome
from pathshift.verify.two_stage import TYPICAL, parse_in_two_stages

_DIGITS = 50
_EXACT_TOLERANCE = "1e-40"
_DECIMAL_TOLERANCE = "1e-6"

# Values put in for symbols, in the order of their names; positive, so that roots stay real.
_POINTS = (("17/13", "23/7", "31/19", "41/11"), ("5/17", "7/29", "11/37", "13/43"))
# Where a sum may run up to a symbol.
_WHOLE_POINTS = (("3", "5", "7", "9"), ("4", "6", "8", "10"))


def _algebra() -> Any:
    return importlib.import_module("sympy")


def load() -> Callable[[Mapping[str, Any]], Outcome]:
    """Imports math-verify and returns the grader of jobs with `gold` and `answer`."""
    importlib.import_module("math_verify")
    # It warns about every call without its own timeout; the pool's wall limit is ours.
    logging.getLogger("math_verify").setLevel(logging.CRITICAL)

    def grade(payload: Mapping[str, Any]) -> Outcome:
        return Outcome.CORRECT if equal(payload["gold"], payload["answer"]) else Outcome.WRONG

    parse_in_two_stages()
    equal(r"\frac{x}{2}", r"\sqrt{2}x")  # the first comparison fills tables, once for all children
    for form in TYPICAL:
        equal("3x+2", form)
    return grade


def equal(gold: str, answer: str) -> bool:
    """Whether two LaTeX expressions mean the same, as far as that can be told soundly.

    A reference or answer that cannot be parsed equals nothing: equal spellings were settled before.
    """
    import math_verify

    gold_tree, tree = _reference(gold), _parsed(answer)
    if gold_tree is None or tree is None or _restates(gold_tree, tree):
        return False
    tree = _as_interval(gold_tree, tree)
    if _plainly_differ(gold_tree, tree):  # before math-verify, which simplifies at length
        return False
    said = math_verify.verify(
        gold_tree, tree, numeric_precision=_DIGITS, timeout_seconds=None, raise_on_error=True
    )
    return bool(said) and not refuted(gold_tree, tree)


@lru_cache(maxsize=256)
def _reference(latex: str) -> Any:
    """Parsed once for the many answers that are compared with it."""
    return _parsed(latex)


def _parsed(latex: str) -> Any:
    import math_verify

    usual = math_verify.LatexExtractionConfig().normalization_config
    config = math_verify.LatexExtractionConfig(
        boxed_match_priority=-1,
        normalization_config=replace(usual, units=False, boxed="none"),
    )
    trees = math_verify.parse(
        f"${latex.replace('$', '')}$",
        extraction_config=[config],
        fallback_mode="no_fallback",
        parsing_timeout=None,
        raise_on_error=True,
    )
    return trees[0] if trees else None


def _restates(gold: Any, tree: Any) -> bool:
    """Whether an answer leaves the work undone: a sum, integral or limit the reference lacks."""
    sympy = _algebra()

    undone = (sympy.Sum, sympy.Product, sympy.Integral, sympy.Limit, sympy.Derivative)
    return any(tree.has(form) and not gold.has(form) for form in undone)


def _as_interval(gold: Any, tree: Any) -> Any:
    """`0 < x < 2` as the interval (0, 2) where the reference is a set.

    Only of an inequality that is solved, with the letter alone on one side: else an answer that
    repeats the inequality in question would be right.
    """
    sympy = _algebra()

    is_compound = isinstance(tree, sympy.And | sympy.Or)
    parts = list(tree.args) if is_compound else [tree]
    order = sympy.StrictLessThan | sympy.LessThan | sympy.StrictGreaterThan | sympy.GreaterThan
    if not isinstance(gold, sympy.Set) or not all(isinstance(part, order) for part in parts):
        return tree
    letters = {side for part in parts for side in part.args if side.is_Symbol}
    limits = [side for part in parts for side in part.args if not side.free_symbols]
    is_solved = len(letters) == 1 and len(limits) == len(parts)
    return tree.as_set() if is_solved else tree


def _plainly_differ(gold: Any, tree: Any) -> bool:
    """Whether two expressions have different values where both can be had; no error is one."""
    sympy = _algebra()

    gold, tree = _without_assignment(gold, tree)
    if not (isinstance(gold, sympy.Expr) and isinstance(tree, sympy.Expr)):
        return False
    try:
        return _values_differ(gold, tree)
    except (ArithmeticError, AttributeError, NotImplementedError, TypeError, ValueError):
        return False


def refuted(gold: Any, tree: Any) -> bool:
    """Whether two expressions that math-verify calls equal are shown to differ."""
    sympy = _algebra()

    gold, tree = _without_assignment(gold, tree)
    if isinstance(gold, sympy.Eq) and isinstance(tree, sympy.Eq):
        return _equations_differ(gold, tree)
    gold_parts, parts = _parts(gold), _parts(tree)
    if gold_parts is not None and parts is not None:
        return _collections_differ(gold_parts, parts)
    if isinstance(gold, sympy.Expr) and isinstance(tree, sympy.Expr):
        return _values_differ(gold, tree)
    return False


def _without_assignment(gold: Any, tree: Any) -> tuple[Any, Any]:
    """`x = 5` against `5` compares 5 with 5, whichever side names the symbol."""
    sympy = _algebra()

    if isinstance(gold, sympy.Eq) != isinstance(tree, sympy.Eq):
        gold, tree = (side.rhs if isinstance(side, sympy.Eq) else side for side in (gold, tree))
    return gold, tree


def _parts(tree: Any) -> list[Any] | None:
    """Members of a tuple, set, interval or matrix; None of a single expression."""
    sympy = _algebra()

    if isinstance(tree, sympy.MatrixBase):
        return list(tree)
    if isinstance(tree, sympy.Interval):
        return [tree.start, tree.end]
    if isinstance(tree, sympy.Tuple | sympy.FiniteSet | sympy.Union):
        return list(tree.args)
    return None


def _collections_differ(gold_parts: list[Any], parts: list[Any]) -> bool:
    """Whether a member of either side is refuted by every member of the other."""

    def lonely(member: Any, others: Iterable[Any]) -> bool:
        return all(refuted(member, other) for other in others)

    return any(lonely(one, parts) for one in gold_parts) or any(
        lonely(one, gold_parts) for one in parts
    )


def _values_differ(gold: Any, tree: Any) -> bool:
    """Whether the two differ at one of two fixed points; a value that is no number says nothing."""
    sympy = _algebra()

    names = sorted({symbol.name for side in (gold, tree) for symbol in side.free_symbols})
    decimal = gold.has(sympy.Float) or tree.has(sympy.Float)
    tolerance = sympy.Float(_DECIMAL_TOLERANCE if decimal else _EXACT_TOLERANCE, _DIGITS)
    is_sum = any(side.has(sympy.Sum, sympy.Product) for side in (gold, tree))
    points = _WHOLE_POINTS if is_sum else _POINTS
    for point in points[: 2 if names else 1]:
        values = dict(zip(names, map(sympy.Rational, point), strict=False))
        if len(values) < len(names):
            return False
        if _differ_at(gold, tree, values, tolerance):
            return True
    return False


def _differ_at(gold: Any, tree: Any, values: Mapping[str, Any], tolerance: Any) -> bool:
    sides = [_number_at(side, values) for side in (gold, tree)]
    if not all(side.is_number and side.is_finite for side in sides):
        return False
    # A value of 1 bit precision is what evalf makes of an exact zero.
    sides = [0 if getattr(side, "_prec", 2) == 1 else side for side in sides]
    scale = max(map(abs, sides))
    return bool(abs(sides[0] - sides[1]) > tolerance * scale)


def _number_at(side: Any, values: Mapping[str, Any]) -> Any:
    """The value at a point, to 50 digits. A lone symbol `e` is read as the number."""
    placed = side.subs({s: values[s.name] for s in side.free_symbols}).doit()
    return placed.evalf(_DIGITS)


def _equations_differ(gold: Any, tree: Any) -> bool:
    """Whether two polynomial equations have different factors, so different solutions."""
    sympy = _algebra()

    differences = [sympy.together(side.lhs - side.rhs) for side in (gold, tree)]
    symbols = sorted({s for d in differences for s in d.free_symbols}, key=lambda s: s.name)
    try:
        polynomials = [sympy.Poly(sympy.numer(d), *symbols) for d in differences]
    except (sympy.PolynomialError, sympy.GeneratorsNeeded):
        return False
    first, second = (polynomial.sqf_part().monic() for polynomial in polynomials)
    return bool(first != second)
