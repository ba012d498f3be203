"""Code keys: rewritings that keep the tree, changes that do not, and texts that are no code."""

from __future__ import annotations

import pytest

from pathshift.traces.code_tree import code_key

CODE = '''
import numpy as np
from math import sqrt

def solve(values: list[int], limit=10) -> float:
    """Adds up."""
    total = 0
    for v in values:
        if v < limit:
            total += np.abs(v)
    return sqrt(total)

print(solve([1, 2], limit=3))
'''

SAME = """
import math
import numpy

def f(xs, bound = 0xA):
    # sums
    s: int = 0
    for x in xs:
        if (x < bound):
            s += numpy.abs(x)
    return math.sqrt(s)

print(f([1, 2,], bound=3))
"""


def fenced(code: str, language: str = "python") -> str:
    return f"Here it is:\n```{language}\n{code}\n```\nDone."


def test_names_imports_comments_and_annotations_do_not_count() -> None:
    assert code_key(CODE) == code_key(SAME)
    assert code_key(CODE) is not None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("v < limit", "v <= limit"),
        ("total = 0", "total = 1"),
        ("np.abs", "np.sign"),
        ("total += np.abs(v)", "total = total + np.abs(v)"),
        ("return sqrt(total)", "return total"),
        ("if v < limit", "if limit < v"),
    ],
)
def test_another_program_is_another_key(old: str, new: str) -> None:
    assert old in CODE
    assert code_key(CODE.replace(old, new)) != code_key(CODE)


def test_swapped_roles_are_told_apart_although_names_do_not_count() -> None:
    one, other = "def f(a, b):\n    return a - b", "def f(a, b):\n    return b - a"
    assert code_key(one) != code_key(other)
    assert code_key(one) == code_key("def g(b, a):\n    return b - a")


def test_a_keyword_of_a_library_is_no_name_of_the_code() -> None:
    one = "def f(a, key):\n    return sorted(a, key=key)"
    assert code_key(one) == code_key("def f(a, k):\n    return sorted(a, key=k)")


@pytest.mark.parametrize("language", ["python", "Python", "py", ""])
def test_fenced_and_bare_code_are_one(language: str) -> None:
    assert code_key(fenced(CODE, language)) == code_key(CODE)


def test_the_last_block_that_does_something_counts() -> None:
    text = fenced("def f(): return 1") + fenced("def f(): return 2") + fenced("f()")
    assert code_key(text) == code_key("def f(): return 2")


def test_an_unclosed_block_and_one_opened_by_the_prompt_are_read() -> None:
    assert code_key(f"```python\n{CODE}") == code_key(CODE)
    assert code_key(f"{CODE}\n```\nThis works because ...") == code_key(CODE)


def test_the_body_of_a_function_begun_in_the_prompt_is_read() -> None:
    assert code_key("    s = a + b\n    return s") == code_key("    t = a + b\n    return t")
    assert code_key("    s = a + b\n    return s") is not None


@pytest.mark.parametrize(
    "text",
    ["", "The answer is 7.", "42", "x", " 42", "3 + 4 = 7", fenced("3 + 4 = 7"), fenced("x = 5"),
     fenced("def f(:"), fenced("SELECT 1", "sql"), fenced("int main() { return 0; }", "c"),
     "# only a comment", '"only a string"', "def f(): return '\0'"],
)  # fmt: skip
def test_what_is_no_program_is_none(text: str) -> None:
    assert code_key(text) is None


@pytest.mark.parametrize(
    "hostile",
    [
        "y=" + "(" * 5000 + ")" * 5000,
        "y=(\n" + "-\n" * 20000 + "1)\nz=1",
        "y=(\n" + "-\nnot " * 6000 + "1)\nz=1",
        "y=(\n" + "1 if 2 else\n" * 3500 + "1)\nz=1",
        "y=(\n" + "lambda a=\n" * 4000 + "1)\nz=1",
        "y=(\n" + "1**\n" * 9000 + "1)\nz=1",
        "y=(a\n" + ".b\n" * 12000 + ")\nz=1",
        "if 1: pass\n" + "elif 1: pass\n" * 3800 + "\nz=1",
        "y=" + "9" * 5000 + "\nz=1",
        "y='\\d'\nz=1 if 1else 2",
    ],
    ids=range(10),
)
def test_code_made_to_break_the_parser_ends_in_a_key_or_none(hostile: str) -> None:
    assert code_key(hostile) is None or code_key(hostile)
