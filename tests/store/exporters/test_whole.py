"""An export is there whole or not at all, and never in place of something else."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.store.exporters.exports import DATA, LOGS, MADE_AT, OUT, export, run_command

from pathshift.cli.export import _rates
from pathshift.errors import InputError, LogError, PathshiftError, RunError, StorageError
from pathshift.records import CountTable, Outcome, Problem, ProblemCount, Sample, Verdict
from pathshift.store.exporters.formats import EXPORTS
from pathshift.store.exporters.judged import Judged, JudgedSample
from pathshift.store.exporters.whole import room, settle

FORMATS = tuple(EXPORTS)
PARTS = Problem(id="a", task="t", question="q", gold="1")


def files_below(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


@pytest.mark.parametrize("to", FORMATS)
def test_what_is_there_is_not_overwritten(to: str, tmp_path: Path) -> None:
    written = export(LOGS["inspect-errors"], to, tmp_path)
    before = {path: path.read_bytes() for path in written}
    with pytest.raises(InputError, match="is there already"):
        export(LOGS["inspect-errors"], to, tmp_path)
    assert {path: path.read_bytes() for path in written} == before
    assert [p for p in files_below(tmp_path) if p.is_file()] == sorted(written)


@pytest.mark.parametrize("to", ["csv", "parquet", "passk"])
def test_counts_are_not_written_over_a_file(to: str, tmp_path: Path) -> None:
    place = tmp_path / OUT[to]
    place.write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        export(DATA / "passk-inference" / "base.jsonl", to, tmp_path)
    assert place.read_text() == "mine"


def test_a_dead_link_counts_as_a_file(tmp_path: Path) -> None:
    (tmp_path / OUT["csv"]).symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="is there already"):
        export(LOGS["verl"], "csv", tmp_path)


def judged_until(error: BaseException) -> Judged:
    """Two samples, of which the second cannot be read any more."""

    def rows() -> Iterator[JudgedSample]:
        sample = Sample(
            problem_id="a", sample_no=0, seed=0, text="1", n_tokens=1, finish_reason="stop"
        )
        yield PARTS, sample, Verdict(problem_id="a", sample_no=0, outcome=Outcome.CORRECT)
        raise error

    table = CountTable(
        name="log", counts=(ProblemCount(id="a", n=2, c=1, failed=0),), settings={"verifier": "v"}
    )
    return Judged(table=table, rows=rows, model="toy/m", made_at=MADE_AT, rates={1: [0.5]})


@pytest.mark.parametrize("to", ["csv", "parquet", "every-eval-ever", "inspect"])
@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (LogError("row 2 is broken"), LogError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (OSError(errno.ENOSPC, "full"), StorageError),
    ],
)
def test_nothing_is_left_when_it_breaks_off(
    to: str, error: BaseException, raised: type[BaseException], tmp_path: Path
) -> None:
    with pytest.raises(raised):
        EXPORTS[to].write(judged_until(error), tmp_path / "deep" / "er" / OUT[to])
    assert files_below(tmp_path) == []


@pytest.mark.parametrize("to", ["csv", "parquet", "every-eval-ever", "inspect"])
def test_samples_that_are_not_those_counted_before_are_not_written(to: str, tmp_path: Path) -> None:
    judged = judged_until(LogError("never"))
    first = replace(judged, rows=lambda: islice(judged.rows(), 1))
    with pytest.raises(RunError, match="changed while it was read: 2 samples, then 1; export it"):
        EXPORTS[to].write(first, tmp_path / "out" / OUT[to])
    assert files_below(tmp_path) == []


@pytest.mark.parametrize("name", ["verl", "verl-unjudged"])
def test_a_log_that_grows_while_it_is_read_is_not_written(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log" / "300.jsonl"
    log.parent.mkdir()
    files = [LOGS[name]] if LOGS[name].is_file() else sorted(LOGS[name].glob("*.parquet"))
    log = log.with_suffix(files[0].suffix)
    shutil.copyfile(files[0], log)

    def grow_and_rate(table: CountTable) -> Mapping[int, list[float]]:
        if log.suffix == ".jsonl":
            lines = log.read_bytes().splitlines(keepends=True)
            log.write_bytes(b"".join([*lines, lines[0].replace(b"attempt 1", b"attempt 9")]))
        else:
            rows = pq.read_table(log)
            pq.write_table(rows.slice(1), log)
        return _rates(table)

    monkeypatch.setattr("pathshift.cli.export._rates", grow_and_rate)
    with pytest.raises(PathshiftError):
        export(log, "csv", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_one_line_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"No space left on device; nothing was left there"):
        EXPORTS["csv"].write(judged_until(OSError(errno.ENOSPC, "")), tmp_path / "samples.csv")


def test_folders_that_were_there_stay(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(LogError):
        EXPORTS["csv"].write(judged_until(LogError("broken")), tmp_path / "mine" / "s.csv")
    assert files_below(tmp_path) == [tmp_path / "mine"]


def write_both(folder: Path, names: tuple[str, ...]) -> None:
    """Only what is named has been written when both are put in their places."""
    with room(folder) as aside:
        for name in names:
            (aside / name).write_text(name)
        settle({aside / name: folder / name for name in ("one", "two")})


def test_of_two_files_neither_is_left_if_one_cannot_be_placed(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        write_both(tmp_path / "out", names=("one",))
    assert files_below(tmp_path) == []


def test_the_second_file_is_not_written_over_either(tmp_path: Path) -> None:
    (tmp_path / "two").write_text("mine")
    with pytest.raises(InputError, match="two is there already"):
        write_both(tmp_path, names=("one", "two"))
    assert files_below(tmp_path) == [tmp_path / "two"]
    assert (tmp_path / "two").read_text() == "mine"


def test_a_place_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run_command("export", LOGS["verl"], "--to", "csv", "--out", tmp_path / "file" / "s.csv")
    assert isinstance(done.exception, StorageError)
    assert "cannot write into" in str(done.exception)
