"""Which document comes when, against counts made by hand."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathshift.errors import ConfigError
from pathshift.training.mixture import (
    SourceSize,
    planned,
    quotas,
    table,
    table_lines,
    weights_checked,
)

WEB = SourceSize(name="web", weight=3, lengths=[10] * 8)
MATHS = SourceSize(name="maths", weight=1, lengths=[5, 15])


def test_the_table_is_what_a_hand_counts() -> None:
    """80 tokens: 60 of web (six of its eight documents), 20 of maths (both, once)."""
    rows = table([WEB, MATHS], planned([WEB, MATHS], 80, seed=1))
    web, maths = rows
    assert (web.documents, web.tokens, web.drawn_documents, web.drawn_tokens) == (8, 80, 6, 60)
    assert (maths.documents, maths.tokens, maths.drawn_documents, maths.drawn_tokens) == (
        2, 20, 2, 20,
    )  # fmt: skip
    assert (web.share, web.epochs, maths.share, maths.epochs) == (0.75, 0.75, 0.25, 1.0)
    assert table_lines(rows) == [
        "source  documents  tokens  weight   share  to be drawn  epochs",
        "web             8      80       3   75.0%           60    0.75",
        "maths           2      20       1   25.0%           20    1.00",
        "all            10     100          100.0%           80    0.80",
    ]


@given(
    st.lists(st.lists(st.integers(1, 40), min_size=1, max_size=30), min_size=1, max_size=4),
    st.integers(1, 5),
    st.integers(0, 99),
)
def test_without_weights_every_document_comes_once_an_epoch(
    lengths: list[list[int]], epochs: int, seed: int
) -> None:
    sources = [SourceSize(name=str(i), weight=None, lengths=each) for i, each in enumerate(lengths)]
    plan = planned(sources, epochs * sum(map(sum, lengths)), seed)
    counts = Counter(plan)
    assert set(counts.values()) == {epochs}
    assert len(counts) == sum(map(len, lengths))
    assert plan == planned(sources, epochs * sum(map(sum, lengths)), seed)


@given(
    st.lists(
        st.tuples(st.floats(0.05, 20), st.lists(st.integers(1, 40), min_size=1, max_size=20)),
        min_size=2, max_size=4,
    ),
    st.integers(100, 3_000),
)  # fmt: skip
def test_shares_are_off_by_less_than_a_document_a_source(
    given_: list[tuple[float, list[int]]], n_tokens: int
) -> None:
    sources = [SourceSize(name="s", weight=w, lengths=lengths) for w, lengths in given_]
    rows = table(sources, planned(sources, n_tokens, seed=3))
    for row, quota, source in zip(rows, quotas(sources, n_tokens), sources, strict=True):
        assert -0.5 <= row.drawn_tokens - quota < max(source.lengths)


def test_shares_hold_at_every_point_of_the_training() -> None:
    plan = planned([WEB, MATHS], 8_000, seed=0)
    lengths = [WEB.lengths, MATHS.lengths]
    web = total = 0
    for at, number in plan:
        total += lengths[at][number]
        web += lengths[at][number] if at == 0 else 0
        assert abs(web - 0.75 * total) <= 15


def test_an_epoch_is_a_new_order_made_from_the_seed() -> None:
    source = SourceSize(name="s", weight=None, lengths=[1] * 50)
    plan = [number for _, number in planned([source], 100, seed=4)]
    first, second = plan[:50], plan[50:]
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second != sorted(second)
    assert plan != [number for _, number in planned([source], 100, seed=5)]


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ([("a", 1.0), ("b", None)], "--data b has no weight and others have"),
        ([("a", 0.0)], "--data a: the weight must be above 0, got 0"),
        ([("a", float("nan"))], "the weight must be above 0, got nan"),
        ([("a", float("inf"))], "the weight must be above 0, got inf"),
    ],
)
def test_weights_that_say_nothing_clear_are_refused(
    sources: list[tuple[str, float | None]], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        weights_checked(sources)


def test_an_empty_source_and_a_plan_beyond_memory_are_refused() -> None:
    with pytest.raises(ConfigError, match="nothing holds no document"):
        planned([SourceSize(name="nothing", weight=None, lengths=[])], 10, seed=0)
    with pytest.raises(ConfigError, match="more than 50,000,000 documents of web"):
        planned([WEB], 1e12, seed=0)
