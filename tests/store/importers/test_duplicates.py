"""Draws that stand in a log twice are found; short answers that honestly repeat are not blamed."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.store.importers.refusals import Refuses
from tests.store.importers.worlds import DATA, json_rows, read, write_rows

from pathshift.errors import DuplicateSamples
from pathshift.records import Outcome
from pathshift.store.importers.assemble import Duplicates
from pathshift.store.importers.duplicates import Draw, doubled_draws

Texts = list[list[str]]
"""Completions by problem, then by sample."""


def draws(texts: Sequence[Sequence[str]], shards: Sequence[int] | None = None) -> list[list[Draw]]:
    """Draws of those texts; `shards` says for each sample number which file it is from."""
    return [
        [
            Draw(
                number=number,
                shard=shards[number] if shards else 0,
                text_digest=hashlib.blake2b(text.encode(), digest_size=8).digest(),
                n_chars=len(text),
                outcome=Outcome.WRONG,
                finish_reason="stop",
                n_tokens=None,
            )
            for number, text in enumerate(row)
        ]
        for row in texts
    ]


def distinct(n_problems: int, n: int) -> Texts:
    """Texts of which no two of a problem are equal."""
    return [[f"problem {i}, attempt {j}" for j in range(n)] for i in range(n_problems)]


def answers(
    seed: int, n_problems: int, n: int, said: Sequence[str], odds: Sequence[float] | None = None
) -> Texts:
    """Independent draws of short answers."""
    rng = np.random.default_rng(seed)
    picked = rng.choice(len(said), size=(n_problems, n), p=odds)
    return [[said[int(i)] for i in row] for row in picked]


sizes = st.tuples(st.integers(20, 40), st.integers(4, 8), st.randoms(use_true_random=False))


@given(sizes)
def test_half_of_the_draws_appended_again_is_found(size: tuple[int, int, random.Random]) -> None:
    n_problems, n, rng = size
    texts = distinct(n_problems, n)
    again = rng.sample(range(n), n // 2)
    found = doubled_draws(draws([row + [row[j] for j in again] for row in texts]))
    assert found is not None
    copies = {(i, n + place) for i in range(n_problems) for place in range(len(again))}
    assert found.copies == copies


@given(sizes)
def test_a_log_of_distinct_texts_is_clean(size: tuple[int, int, random.Random]) -> None:
    assert doubled_draws(draws(distinct(*size[:2]))) is None


@given(sizes, st.integers(2, 4))
def test_of_any_number_of_copies_one_is_kept(
    size: tuple[int, int, random.Random], times: int
) -> None:
    n_problems, n, _ = size
    found = doubled_draws(draws([row * times for row in distinct(n_problems, n)]))
    assert found is not None
    assert len(found.copies) == n_problems * n * (times - 1)
    assert {number for _, number in found.copies}.isdisjoint(range(n))


@given(sizes)
def test_a_file_with_the_same_draws_in_another_order_is_found(
    size: tuple[int, int, random.Random],
) -> None:
    n_problems, n, rng = size
    texts = [row + rng.sample(row, n) for row in distinct(n_problems, n)]
    found = doubled_draws(draws(texts, shards=[0] * n + [1] * n))
    assert found is not None
    assert found.sentence.startswith("file 2 repeats file 1 word for word")
    assert found.copies == {(i, n + j) for i in range(n_problems) for j in range(n)}


@given(sizes)
def test_neither_order_of_problems_nor_of_samples_matters(
    size: tuple[int, int, random.Random],
) -> None:
    n_problems, n, rng = size
    rows = draws([[*row, row[0]] for row in distinct(n_problems, n)])
    shuffled = [rng.sample(row, len(row)) for row in rng.sample(rows, len(rows))]
    first, second = doubled_draws(rows), doubled_draws(shuffled)
    assert first is not None
    assert second is not None
    assert len(first.copies) == len(second.copies) == n_problems


def flagged(make: Callable[[int], Texts], seeds: int) -> int:
    return sum(doubled_draws(draws(make(seed))) is not None for seed in range(seeds))


@pytest.mark.parametrize("n_problems", [16, 20, 24])
@pytest.mark.parametrize("odds", [0.5, 0.8, 0.95])
def test_short_answers_that_repeat_honestly_are_not_blamed(n_problems: int, odds: float) -> None:
    def make(seed: int) -> Texts:
        return answers(seed, n_problems, 32, ("37", "38"), (odds, 1 - odds))

    assert flagged(make, 200) <= 1


@pytest.mark.parametrize("said", ["AB", "ABCD", "0123456789"])
def test_one_letter_answers_are_not_blamed(said: str) -> None:
    assert flagged(lambda seed: answers(seed, 16, 32, said), 200) <= 1


def test_many_samples_of_short_answers_are_not_blamed_either() -> None:
    # Among 1,024 samples there are half a million pairs: one in a million is no rare event.
    assert flagged(lambda seed: answers(seed, 20, 1024, ("37", "38")), 8) == 0


@pytest.mark.parametrize("slip", [0.0, 0.001, 0.01])
@pytest.mark.parametrize("n", [2, 4, 64])
def test_a_nearly_deterministic_model_of_one_letter_answers_is_not_blamed(
    slip: float, n: int
) -> None:
    def make(seed: int) -> Texts:
        return answers(seed, 30, n, ("A", "B"), (1 - slip, slip))

    assert flagged(make, 25) == 0


@pytest.mark.parametrize("n", [2, 3, 16])
def test_long_texts_that_are_all_equal_are_found(n: int) -> None:
    long = "Let me think about it step by step. " * 20
    found = doubled_draws(draws([[f"{i}: {long}"] * n for i in range(12)]))
    assert found is not None
    assert len(found.copies) == 12 * (n - 1)


def test_short_texts_that_are_all_equal_are_not_found_as_copies() -> None:
    assert doubled_draws(draws([["37"] * 2 for _ in range(500)])) is None


def test_draws_without_text_are_no_copies() -> None:
    assert doubled_draws(draws([[""] * 8 for _ in range(100)])) is None


def test_one_problem_that_differs_clears_two_samples() -> None:
    texts = [[*row, row[0]] for row in distinct(40, 8)]
    texts[17][8] = "something else"
    assert doubled_draws(draws(texts)) is None


# In logs

LONG = "We add the tens first and the ones after them. " * 10


def log(path: Path, texts: Texts, order: Sequence[tuple[int, int]]) -> Path:
    """A log with a row for every (problem, sample), in that order."""
    return write_rows(
        path,
        [
            {"question": f"What is {i} + 1?", "answer": str(i + 1), "reward": 0,
             "response": texts[i][j]}
            for i, j in order
        ],
    )  # fmt: skip


def long_texts(n_problems: int = 24, n: int = 4) -> Texts:
    return [[f"{LONG} {text}" for text in row] for row in distinct(n_problems, n)]


def by_problem(n_problems: int = 24, n: int = 4) -> list[tuple[int, int]]:
    return [(i, j) for i in range(n_problems) for j in range(n)]


def by_round(n_problems: int = 24, n: int = 4) -> list[tuple[int, int]]:
    return [(i, j) for j in range(n) for i in range(n_problems)]


APPENDED: dict[str, list[tuple[int, int]]] = {
    "all rows": by_problem() * 2,
    "first half of the rounds": by_round() + by_round()[: 24 * 2],
    "second half of the rounds": by_round() + by_round()[24 * 2 :],
    "first half of the problems": by_problem() + by_problem()[: 12 * 4],
    "second half of the problems": by_problem() + by_problem()[12 * 4 :],
    "first half, within a problem": by_problem() + by_problem()[: 12 * 4 + 2],
}
"""What a resumed run, or a hand with `cat`, leaves behind."""


@pytest.mark.parametrize("name", APPENDED)
def test_rows_appended_again_are_found_and_dropped(
    tmp_path: Path, refuses: Refuses, name: str
) -> None:
    path = log(tmp_path / "x.jsonl", long_texts(), APPENDED[name])
    message = refuses(path, says="word for word.*--duplicates drop.*--duplicates keep")
    assert "makes pass@k wrong" in message
    assembly = read(path, duplicates="drop")
    kept = Counter((p.id, s.text) for p, s, _ in assembly.rows())
    assert set(kept.values()) == {1}
    assert assembly.n_samples == 24 * 4
    assert len(assembly.dropped) == len(APPENDED[name]) - 24 * 4
    assert read(path, duplicates="keep").n_samples == len(APPENDED[name])


@pytest.mark.parametrize("name", APPENDED)
def test_kept_copies_count(tmp_path: Path, name: str) -> None:
    path = log(tmp_path / "x.jsonl", long_texts(), APPENDED[name])
    assembly = read(path, duplicates="keep")
    assert not assembly.dropped
    assert len(list(assembly.rows())) == assembly.n_samples == len(APPENDED[name])


def test_a_second_file_in_another_order_is_found(tmp_path: Path) -> None:
    order = by_problem()
    first = log(tmp_path / "a.jsonl", long_texts(), order)
    second = log(tmp_path / "b.jsonl", long_texts(), random.Random(1).sample(order, len(order)))
    with pytest.raises(DuplicateSamples, match="file 2 repeats file 1 word for word in all 24"):
        read(first, second)
    kept = read(first, second, duplicates="drop")
    assert kept.n_samples == len(order)
    assert len({(p.id, s.text) for p, s, _ in kept.rows()}) == len(order)
    assert read(first, second, duplicates="keep").n_samples == 2 * len(order)


def test_two_files_of_different_draws_are_one_log(tmp_path: Path) -> None:
    order = by_problem(24, 8)
    halves = [[pair for pair in order if (pair[1] < 4) is is_first] for is_first in (True, False)]
    paths = [log(tmp_path / f"{i}.jsonl", long_texts(24, 8), half) for i, half in enumerate(halves)]
    assembly = read(*paths)
    assert [len(row) for row in assembly.draws] == [8] * 24


@pytest.mark.parametrize("duplicates", ["error", "drop", "keep"])
def test_logs_without_copies_are_the_same_under_every_rule(duplicates: Duplicates) -> None:
    for path in ("generic/base.jsonl", "verl/val/300.jsonl", "inspect-ai/base.eval"):
        assembly = read(path, duplicates=duplicates)
        assert (assembly.n_samples, len(assembly.dropped)) == (32, 0)


def test_a_log_of_the_world_given_twice_in_one_file_is_found(
    tmp_path: Path, refuses: Refuses
) -> None:
    rows = json_rows(DATA / "generic" / "base.jsonl")
    path = write_rows(tmp_path / "x.jsonl", rows + rows)
    refuses(path, says="sample 4 repeats sample 0 word for word in all 8 problems")
