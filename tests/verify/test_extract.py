from __future__ import annotations

import pytest

from pathshift.verify import extract

MARKED = [
    (r"\boxed{41}. Wait, no: \boxed{42}", "42", "the last box wins, however close"),
    (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}", "braces balance"),
    (r"\boxed{\{1,2\}}", r"\{1,2\}", "escaped braces are no braces"),
    (r"\boxed {7}", "7", "a space before the brace"),
    (r"\fbox{7}", "7", "fbox is a box"),
    (r"\boxed{\boxed{7}}", "7", "a box in a box is opened"),
    (r"\boxed{12 and then \boxed{5}", "5", "an unclosed box is no box"),
    (r"\boxed{12}. So \boxed{13", "12", "the last complete box counts where the text is cut"),
    (r"\boxed{}", None, "an empty box is no answer"),
    ("}}} \\boxed{3}", "3", "stray braces do no harm"),
    ("Sum.\n#### 18", "18", "grade-school style"),
    ("#### 18\n#### 19\n", "19", "the last line of hashes wins"),
    ("#### Step 3: add\nThe answer is 5.", "5", "a headline is no answer"),
    ("The answer is 4. No, the answer is 5.", "5", "the last phrase wins"),
    ("the final answer is: 5", "5", "phrase with colon"),
    ("**Answer:** 42", "42", "Markdown around the marker"),
    ("**Final Answer:**\n42\nDone.", "42", "the answer on the next line"),
    ("The answer to the question is 7.", "7", "words between"),
    ("The answer is $x=5$. I hope it is correct.", "$x=5$", "formula in dollars is taken whole"),
    (r"The answer is $\$36$. Done", r"$\$36$", "a dollar sign within the formula"),
    ("The answer is 2.50. Done", "2.50", "a decimal point ends no sentence"),
    ("<answer>1</answer> <answer> 2 </answer>", "2", "the last tag wins"),
    (r"<think>\boxed{1}</think><answer>2</answer>", "2", "what closes last wins"),
    (r"<answer>\boxed{2}</answer>", "2", "a box within a tag is opened"),
    ("<answer>2", None, "an unclosed tag is no answer"),
    ("I do not know", None, "no mark"),
    ("", None, "no text"),
]


@pytest.mark.parametrize(("text", "answer", "why"), MARKED)
def test_marked_answer(text: str, answer: str | None, why: str) -> None:
    assert extract.marked(text) == answer, why


HOSTILE = [
    r"\boxed{" * 20_000,
    "{" * 100_000,
    "answer to " * 12_000,
    "answer is " * 12_000,
    "####" * 30_000,
    "<answer>" * 15_000,
    "1," * 60_000,
    "9" * 100_000,
    "\\frac{" * 20_000,
    "(" * 100_000,
    " " * 100_000 + "x",
    "The answer is " + "1 " * 50_000,
    "$" * 100_000,
    "\ud800\udfff\x00 \\boxed{\ud800}",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_read_without_error_or_endless_search(text: str) -> None:
    for reader in (
        extract.marked,
        extract.number,
        extract.number_or_last,
        extract.expression,
        extract.string,
        extract.tagged_or_whole,
    ):
        assert reader(text) is None or isinstance(reader(text), str)


def test_only_the_end_of_a_very_long_text_is_read() -> None:
    assert extract.marked(r"\boxed{1}" + "x" * extract.MAX_TEXT) is None
    assert extract.marked("x" * extract.MAX_TEXT + r"\boxed{1}") == "1"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (' The answer is "abC". ', "abC"),
        (r"\boxed{\text{abC}}", "abC"),
        ("abC\n", "abC"),
        ("abC\nthen more", None),
        ("''", None),
    ],
)
def test_string_answers_lose_dress_and_keep_case(text: str, answer: str | None) -> None:
    assert extract.string(text) == answer
