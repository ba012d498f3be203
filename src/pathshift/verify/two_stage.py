"""Parsing LaTeX in two stages: ANTLR's quick prediction first, its full one if that fails.

What SLL prediction accepts, LL prediction parses in the same way (Parr, Harwell and Fisher 2014,
section 3.2), at a fraction of the time: latex2sympy's grammar falls back on full contexts at nearly
every token. The prediction tables grow with what was parsed, so typical answers are parsed once
before a worker begins.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import wraps
from typing import Any

TYPICAL = (
    r"\frac{3}{\sqrt{27}}+2x", "(1,-2,3)", "f(x)=2x^2-3", r"196 = 2^3 \cdot 5 - 1", "(2+3k)(x-1)",
    r"x \le 5", r"[2,3)\cup(4,5]", r"\{1,2\}", "6-3i", r"\pi r^2", r"\sin(x)+\log_2 3", "10!",
    r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"x \in (1,2)", "p - q", "a(b)(c)", "2^{x+1}", "|x-1|",
    r"\frac{\frac{1}{2}}{3}", "3, 5, 7", r"\sqrt[3]{2}", "(x, y)", "99+100=100+199", "-x^2+1",
    "(3-i)(5+2i)(i)", r"6 \cdot 9 \cdot 10^5 = 4", "12!/(9!)", "[(5, 1, 8)]", r"3\cdot 7 + 2f(2)",
    r"5(\frac{2}{9})", "x^{4}-x^{2}+2=0", "(3x - 4)^5", r"(\frac{1}{5},\frac{2}{7})",
    "(14)(9)/(3^4)", "47_{8} - 23_{8}", r"7x^3-\frac{2}{5x^6}", r"(4\sqrt{5})^{3}", "1/(9x^2)",
    r"\frac{4\mathrm{y}}{7}", r"(5_7 \cdot 3_7)^3", r"(3^7)^{-1}= 3^{9}", r"8/\sqrt{12}",
    r"\frac{x+1}{x-1}", "2k+9m",
)  # fmt: skip
"""Forms of answers."""


def parse_in_two_stages() -> None:
    """Have latex2sympy, as math-verify uses it in this process, parse so. Twice is once.

    A version of it without these parts is left as it is.
    """
    modes: Any = importlib.import_module("antlr4").PredictionMode
    library = importlib.import_module("latex2sympy2_extended.latex2sympy2")
    reader: Any = getattr(library, "_Latex2Sympy", None)
    create, parse = (getattr(reader, name, None) for name in ("create_parser", "parse"))
    if create is None or parse is None or hasattr(create, "__wrapped__"):
        return
    reader.create_parser = _with_mode(create)
    reader.parse = _staged(parse, (modes.SLL, modes.LL))


def _with_mode(create: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(create)
    def create_parser(self: Any, latex: str) -> Any:
        parser = create(self, latex)
        parser._interp.predictionMode = self._mode
        return parser

    return create_parser


def _staged(parse: Callable[..., Any], modes: tuple[Any, Any]) -> Callable[..., Any]:
    @wraps(parse)
    def parse_staged(self: Any, latex: str) -> Any:
        quick, full = modes
        self._mode = quick
        try:
            return parse(self, latex)
        except Exception:  # noqa: BLE001  latex2sympy raises this class for what it cannot parse
            self._mode = full
            return parse(self, latex)

    return parse_staged
