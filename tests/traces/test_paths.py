"""Which kind a completion is read by, and texts made to take forever."""

from __future__ import annotations

import time

import pytest

from pathshift.traces.paths import MAX_TEXT, Kind, path_of, paths_in

CODE = "```python\ndef f(a):\n    return a + 1\n```"


@pytest.mark.parametrize(
    ("text", "answer", "expects", "kind"),
    [
        ("Let me try: 8-2=6. Answer: (8-2)*4", "(8-2)*4", None, Kind.EXPRESSION),
        ("It is 4*6.", "4*6", Kind.EXPRESSION, Kind.EXPRESSION),
        ("Thinking ...\n4*6", None, Kind.EXPRESSION, Kind.EXPRESSION),
        ("4 * (8 - 2)", None, None, Kind.EXPRESSION),
        ("A quarter of three is 3/4", "3/4", None, Kind.STEPS),
        (CODE, None, None, Kind.CODE),
        (f"{CODE} since 1 + 1 = 2", "def f ...", None, Kind.CODE),
        ("3 + 4 = 7, so 7 * 2 = 14", "14", None, Kind.EQUATIONS),
        ("```python\ndef f(:\n```", None, None, Kind.STEPS),
        ("I think it is seven.", "7", None, Kind.STEPS),
        ("", None, None, Kind.STEPS),
    ],
)
def test_the_most_certain_kind_is_taken(
    text: str, answer: str | None, expects: Kind | None, kind: Kind
) -> None:
    assert path_of(text, answer, expects=expects).kind is kind


@pytest.mark.parametrize(
    "answer", ["4*(8-2)", "(8-2)*4 = 24", "$4 \\times (8 - 2)$", "24 = (8-2)·4"]
)
def test_dress_and_result_of_an_expression_do_not_count(answer: str) -> None:
    wanted = path_of("", "(8-2)*4", expects=Kind.EXPRESSION)
    assert path_of("", answer, expects=Kind.EXPRESSION) == wanted


def test_every_kind_that_a_text_has_is_given() -> None:
    text = f"3 + 4 = 7\n{CODE}"
    assert set(paths_in(text)) == {Kind.CODE, Kind.EQUATIONS, Kind.STEPS}


def test_only_the_start_of_an_endless_text_is_read() -> None:
    start = "word " * (MAX_TEXT // 5)
    assert path_of(start + "3+4=7") == path_of(start + "5+6=11")


MILLION = 1_000_000
HOSTILE = {
    "equals": "1=",
    "sums": "1+1=",
    "spaces": " ",
    "stars": "*",
    "powers": "1**",
    "open": "(",
    "braces": "{",
    "fractions": r"\frac{",
    "texts": r"\text{",
    "notes": "<<" + "a" * 150,
    "fences": "```",
    "blocks": "```python\nx=1\ny=2\n```\n",
    "thousands": "1,000",
    "units": "5" + " aaaaaaaaaaaaaaaaaaaa" * 3,
    "markers": "1. \n",
    "minus": "-",
    "digits": "1",
    "times": "3 x 4 = 12 ",
    "dots": "1.",
    "ligatures": "\ufdfa",
    "blank lines": " \n",
    "nul": "\0",
    "surrogates": "\ud800",
    "prose": "So then we have 5 apples + 3 apples = 8 apples. ",
}


@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_megabyte_made_to_backtrack_takes_seconds_at_most(unit: str) -> None:
    text = unit * (MILLION // len(unit))
    begun = time.process_time()
    found = paths_in(text, text, expects=Kind.EXPRESSION)
    # The slowest, ligatures that unfold eighteenfold, takes about 3 s; a quadratic pattern hours.
    assert time.process_time() - begun < 30
    assert Kind.STEPS in found
