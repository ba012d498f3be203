"""Corpora: the shares asked for, nothing held out, and a table that adds up."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pytest

from pathshift.errors import ConfigError, UnknownName
from pathshift.lab.zoo.corpus import (
    MAX_NUMBER,
    TARGETS,
    CorpusPlan,
    documents,
    problems,
    share_table,
    write_corpus,
)
from pathshift.lab.zoo.tokens import tokenizer_for
from pathshift.verify.countdown import grade

EXPOSED = ((1, 0.5), (2, 0.49), (3, 0.01))


def plan(
    *,
    family: str = "compose",
    n: int = 1000,
    shares: tuple[tuple[int, float], ...] = EXPOSED,
    noise: float = 0.2,
    seed: int = 0,
) -> CorpusPlan:
    return CorpusPlan(family=family, n_documents=n, shares=shares, noise=noise, seed=seed)


@pytest.mark.parametrize(
    ("n", "shares", "counts"),
    [
        (1000, EXPOSED, {1: 500, 2: 490, 3: 10}),
        (1000, ((1, 0.6), (2, 0.4), (3, 0.0)), {1: 600, 2: 400, 3: 0}),
        (10, ((1, 1 / 3), (2, 1 / 3), (3, 1 / 3)), {1: 4, 2: 3, 3: 3}),
        (7, ((1, 0.5), (2, 0.5)), {1: 4, 2: 3}),
    ],
)
def test_documents_are_counted_out_by_largest_rest(
    n: int, shares: tuple[tuple[int, float], ...], counts: dict[int, int]
) -> None:
    asked = plan(n=n, shares=shares)
    assert asked.counts == counts
    made = list(documents(asked))
    assert {level: sum(d.level == level for d in made) for level in counts} == counts


def test_levels_are_mixed_from_start_to_end() -> None:
    levels = [document.level for document in documents(plan())]
    assert all(150 < levels[start : start + 400].count(1) < 250 for start in (0, 300, 600))


@pytest.mark.parametrize("by", ["id", "content_hash"])
def test_held_out_problems_are_never_in_it(by: str) -> None:
    """The first problems of a level are held out, so the corpus would begin with them."""
    asked = plan(n=300)
    held = [p for level in (1, 2, 3) for p in islice(problems(asked, level), 40)]
    names = {problem.id for problem in held}
    assert names & {document.problem for document in documents(asked)}
    if by == "content_hash":
        import dataclasses

        held = [dataclasses.replace(problem, id=f"other-{problem.id}") for problem in held]
    assert not names & {document.problem for document in documents(asked, held)}


def test_a_countdown_problem_is_held_out_whatever_its_gold() -> None:
    import dataclasses

    asked = plan(family="countdown", n=20, shares=((5, 1.0),))
    first = next(problems(asked, 5))
    twin = dataclasses.replace(first, gold=f"({first.gold})")
    assert twin.content_hash != first.content_hash
    assert first.id not in {document.problem for document in documents(asked, [twin])}


def test_countdown_problems_keep_to_their_ranges_and_their_gold_solves_them() -> None:
    asked = plan(family="countdown", shares=((5, 0.5), (6, 0.5)))
    for problem in (p for level in (5, 6) for p in islice(problems(asked, level), 100)):
        assert TARGETS[0] <= problem.data["target"] <= TARGETS[1]
        assert all(1 <= value <= MAX_NUMBER for value in problem.data["numbers"])
        assert grade(problem.gold, problem) == "correct"


def test_the_table_adds_up_and_counts_an_end_token_a_document() -> None:
    made = list(documents(plan()))
    encode = tokenizer_for("compose").encode
    rows = share_table(made, lambda text: len(encode(text).ids))
    assert [row.level for row in rows] == [1, 2, 3]
    assert [row.documents for row in rows] == [500, 490, 10]
    total = sum(len(encode(d.prompt + d.completion).ids) + 1 for d in made)
    assert sum(row.tokens for row in rows) == total
    assert sum(row.token_share for row in rows) == pytest.approx(1)
    assert [row.problems for row in rows] == [500, 490, 10]
    assert rows[0].right == pytest.approx(0.8, abs=0.08)
    assert rows[1].right == pytest.approx(0.64, abs=0.09)


def test_the_file_is_the_corpus_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    made = write_corpus(plan(n=50), tmp_path / "a.jsonl")
    write_corpus(plan(n=50), tmp_path / "b.jsonl")
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert [(row["prompt"], row["completion"]) for row in rows] == [
        (document.prompt, document.completion) for document in made
    ]


def test_another_seed_gives_other_problems() -> None:
    first, second = (
        {document.problem for document in documents(plan(n=200, seed=seed))} for seed in (0, 1)
    )
    assert not first & second


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        (((1, 0.5), (2, 0.4)), "sum to 1"),
        (((1, 1.5), (2, -0.5)), "at least 0"),
        (((1, 0.5), (1, 0.5)), "different"),
        (((6, 1.0),), "from 1 to 5"),
    ],
)
def test_shares_out_of_range_are_refused(shares: tuple[tuple[int, float], ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        plan(shares=shares)


def test_other_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="n_documents must be at least 1, got 0"):
        plan(n=0)
    with pytest.raises(ConfigError, match=r"noise must be from 0 to below 1, got 1\.0"):
        plan(noise=1.0)
    with pytest.raises(UnknownName, match="no corpus for 'gsm8k'"):
        plan(family="gsm8k")
