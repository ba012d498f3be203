"""Two verifiers on one run, against counting by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.analysis.runs import Judged, write_run

from pathshift.analysis.disagreement import disagreement
from pathshift.errors import ConfigError, RunError
from pathshift.records import Outcome
from pathshift.stats.exact import clopper_pearson
from pathshift.stats.passk import pass_at_k

C, W, U, F = Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSED, Outcome.FAILED


def rows(**outcomes: list[Outcome]) -> dict[str, list[Judged]]:
    return {name: [(f"answer {i}", o) for i, o in enumerate(row)] for name, row in outcomes.items()}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    golds = {"a": "\x1b[31mgold", "b": "2", "c": "3"}
    lenient = rows(a=[C, C, C, W], b=[W, U, C, F], c=[W, W, W, W])
    strict = rows(a=[C, U, W, W], b=[W, U, C, C], c=[W, W, C, F])
    return write_run(
        tmp_path_factory.mktemp("runs") / "a", golds, {"lenient": lenient, "strict": strict}
    )


def test_the_table_counts_every_sample_once(run: Path) -> None:
    found = disagreement(run, None, "strict")
    assert found.verifiers == ("lenient", "strict")
    assert found.samples == 12
    assert sum(sum(row.values()) for row in found.table.values()) == 12
    assert found.table["correct"] == {"correct": 2, "wrong": 1, "unparsed": 1, "failed": 0}
    assert found.table["failed"]["correct"] == 1
    assert found.disagreeing == 4


def test_what_one_accepts_and_the_other_rejects_is_a_rate_with_its_interval(run: Path) -> None:
    found = disagreement(run, "lenient", "strict")
    # strict rejects 3 wrong + 1 wrong + 1 unparsed + ... all but its 4 correct and 1 failed.
    assert (found.first_only.count, found.first_only.of) == (2, 7)
    assert (found.first_only.low, found.first_only.high) == tuple(clopper_pearson(2, 7))
    # lenient rejects 7; of these strict accepts one, c's; b's failed one is no rejection.
    assert (found.second_only.count, found.second_only.of) == (1, 7)
    assert (found.solved_by_first_only, found.solved_by_second_only) == (0, 1)


def test_swapping_the_two_mirrors_everything(run: Path) -> None:
    one, other = disagreement(run, "lenient", "strict"), disagreement(run, "strict", "lenient")
    assert one.first_only == other.second_only
    assert (one.first, one.second) == (other.second, other.first)
    assert all(one.table[a][b] == other.table[b][a] for a in one.table for b in one.table)


def test_pass_at_k_is_that_of_each_verifiers_counts(run: Path) -> None:
    found = disagreement(run, "lenient", "strict")
    assert found.k == [1, 2, 3]
    for i, k in enumerate(found.k):
        lenient = [pass_at_k(4, 3, k), pass_at_k(3, 1, k), pass_at_k(4, 0, k)]
        strict = [pass_at_k(4, 1, k), pass_at_k(4, 2, k), pass_at_k(3, 1, k)]
        assert found.first[i] == pytest.approx(sum(lenient) / 3)
        assert found.second[i] == pytest.approx(sum(strict) / 3)


def test_examples_show_each_kind_once_a_problem(run: Path) -> None:
    found = disagreement(run, "lenient", "strict")
    kinds = [(e.problem_id, e.first, e.second) for e in found.examples]
    assert len(kinds) == len(set(kinds)) == 4
    assert all((e.first == "correct") != (e.second == "correct") for e in found.examples)
    json.dumps(found.to_dict())


def test_one_verifier_is_no_pair_and_an_absent_one_is_named(run: Path) -> None:
    with pytest.raises(ConfigError, match="another verifier"):
        disagreement(run, None, "lenient")
    with pytest.raises(RunError, match="pathshift verify"):
        disagreement(run, None, "math")


def test_a_verifier_that_accepts_everything_gives_no_rate(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"a": "1"}, {"one": rows(a=[C, W]), "all": rows(a=[C, C])})
    found = disagreement(run, "one", "all")
    assert (found.first_only.count, found.first_only.of, found.first_only.rate) == (0, 0, None)
    assert found.second_only.rate == 1.0
