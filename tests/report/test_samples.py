from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathshift.analysis.result import ProblemRow, SampleView
from pathshift.report import samples
from pathshift.report.samples import drill_down, ends, line, visible


def view(problem: int = 0, sample_no: int = 0, side: str = "base", text: str = "x") -> SampleView:
    return SampleView(
        problem_id=f"p{problem}",
        question="1 + 1?",
        gold="2",
        side=side,  # type: ignore[arg-type]
        sample_no=sample_no,
        outcome="wrong",
        answer=None,
        text=text,
    )


def test_nothing_given_shows_nothing() -> None:
    assert drill_down([], []) == samples.DrillDown(problems=(), more="")


def test_problems_keep_their_order_and_are_bounded() -> None:
    shown = drill_down([view(i) for i in range(50, 0, -1)], [])
    assert [p.id for p in shown.problems] == [f"p{i}" for i in range(50, 20, -1)]
    assert shown.more.startswith("20 more problems")


def test_samples_of_each_side_are_bounded_and_counted() -> None:
    given_ = [view(0, i, side) for i in range(12) for side in ("base", "tuned")]
    (problem,) = drill_down(given_, []).problems
    assert len(problem.base) == len(problem.tuned) == samples.MOST_SAMPLES
    assert problem.more.startswith("8 more samples")


def test_counts_come_from_the_problem_rows() -> None:
    row = ProblemRow(id="p0", source="", n_base=32, c_base=3, n_tuned=16, c_tuned=9)
    (problem,) = drill_down([view()], [row]).problems
    assert problem.counts == "base 3 of 32, tuned 9 of 16 correct"


def test_no_answer_differs_from_an_empty_one() -> None:
    (problem,) = drill_down([view()], []).problems
    assert problem.base[0].answer == "no answer found"


@given(st.text(max_size=6000))
def test_ends_lose_only_what_they_count(text: str) -> None:
    head, cut, tail = ends(text)
    assert len(head) + len(tail) <= samples.HEAD + samples.TAIL
    if not cut:
        assert head == visible(text)


def test_long_text_keeps_its_end() -> None:
    head, cut, tail = ends("start" + "." * 10_000 + "the answer is 4")
    assert head.startswith("start")
    assert cut == "… 7,620 characters left out …"
    assert tail.endswith("the answer is 4")


@given(st.text(st.characters()))
def test_visible_text_has_bytes_and_no_control_characters(text: str) -> None:
    shown = visible(text)
    shown.encode()
    assert not any(ord(c) < 32 and c not in "\t\n" for c in shown)


@pytest.mark.parametrize(("text", "expected"), [("a\n b", "a b"), ("\ud800", "\ufffd")])
def test_line_is_one_line(text: str, expected: str) -> None:
    assert line(text) == expected
