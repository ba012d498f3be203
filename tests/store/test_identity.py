"""Questions are the same under any template; different ones stay different."""

from __future__ import annotations

import itertools

from hypothesis import example, given
from hypothesis import strategies as st

from pathshift.store.identity import core_hashes

TEMPLATES = [
    ("", ""),
    ("system\nYou are a helpful assistant.\nuser\n", "\nassistant\n"),
    ("<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n<think>\n"),
    ("", "\nPlease reason step by step, and put your final answer within \\boxed{}."),
    ("Question: ", "\nAnswer:"),
    ("Q: 2 + 2?\nA: 4\n\nQ: 3 + 3?\nA: 6\n\nQ: ", "\nA:"),
]
QUESTIONS = ["What is 14 + 23?", "What is 90 - 17?", "Five trays with 18 rolls each?", "12 * 7"]

text = st.text(alphabet="ab ?\n", max_size=6)
any_text = st.text(max_size=12)
some = st.lists(text, min_size=2, max_size=6, unique=True)


def plain(letters: str) -> st.SearchStrategy[list[str]]:
    """Questions that do not all begin, nor all end, with one letter: they share no dress yet."""
    words = st.text(alphabet=letters, min_size=1, max_size=6).map(lambda word: word.strip() or "a")
    lists = st.lists(words, max_size=4)
    return lists.map(lambda extra: sorted({letters[:2], letters[1::-1], *extra}))


def dressed(questions: list[str], template: tuple[str, str]) -> list[str]:
    return [f"{template[0]}{question}{template[1]}" for question in questions]


def test_templates_that_tools_use_come_off() -> None:
    hashes = [core_hashes(dressed(QUESTIONS, template)) for template in TEMPLATES]
    assert None not in hashes[0]
    assert all(found == hashes[0] for found in hashes)


def test_two_questions_are_enough_and_one_is_not() -> None:
    assert core_hashes([]) == []
    assert core_hashes(["What is 14 + 23?"]) == [None]
    assert core_hashes(["What is 14 + 23?"] * 3) == [None] * 3
    for pair in itertools.combinations(QUESTIONS, 2):
        assert None not in core_hashes(list(pair))


@given(plain("ab ?"), any_text, any_text)
def test_any_template_comes_off(questions: list[str], prefix: str, suffix: str) -> None:
    bare = core_hashes(questions)
    assert None not in bare
    assert core_hashes(dressed(questions, (prefix, suffix))) == bare


@given(some, text, text)
@example(["a", "abc"], "", "bd")
def test_no_template_turns_a_question_into_another(
    questions: list[str], prefix: str, suffix: str
) -> None:
    bare, worn = core_hashes(questions), core_hashes(dressed(questions, (prefix, suffix)))
    assert None in bare or None in worn or bare == worn


@given(st.lists(any_text, min_size=2, max_size=8, unique=True))
def test_different_questions_stay_different(questions: list[str]) -> None:
    hashes = core_hashes(questions)
    assert len(set(hashes)) == len(questions) or set(hashes) == {None}


@given(st.lists(text, min_size=1, max_size=8))
def test_order_and_repetition_do_not_matter(questions: list[str]) -> None:
    by_text = dict(zip(questions, core_hashes(questions), strict=True))
    shuffled = sorted(set(questions), reverse=True) + questions
    assert core_hashes(shuffled) == [by_text[question] for question in shuffled]


@given(plain("ab ?"), plain("cd ?"), any_text)
def test_other_questions_have_other_hashes(
    questions: list[str], others: list[str], prefix: str
) -> None:
    others = [other for other in others if other not in questions]
    assert not set(core_hashes(questions)) & set(core_hashes(dressed(others, (prefix, ""))))


def test_half_a_code_point_in_a_question_is_no_error() -> None:
    hashes = core_hashes(["a \ud83d", "b \ud83d"])
    assert None not in hashes
