"""`pathshift export` as a user types it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from tests.commands import pathshift
from tests.store.exporters.exports import DATA, LOGS, counts, export, run_command, write_log

from pathshift.cli.export import _NEXT
from pathshift.errors import (
    ConfigError,
    CountsError,
    DamagedShard,
    InputError,
    LogError,
    PathshiftError,
    RunError,
    UnknownName,
)
from pathshift.store.exporters.formats import EXPORTS


def test_it_says_what_it_wrote_and_what_to_run_next(native: Path, tmp_path: Path) -> None:
    done = pathshift("export", native, "--to", "csv", "--out", tmp_path / "s.csv")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        str(tmp_path / "s.csv"),
        "48 samples of 6 problems as csv",
        f"next: pathshift compare {tmp_path / 's.csv'} OTHER",
    ]


def test_json_says_the_same(tmp_path: Path) -> None:
    done = run_command(
        "export", LOGS["inspect-errors"], "--to", "passk", "--out", tmp_path / "c.jsonl",
        "--json", "-",
    )  # fmt: skip
    assert json.loads(done.stdout) == {
        "format": "passk",
        "files": [str(tmp_path / "c.jsonl")],
        "problems": 8,
        "samples": 32,
        "failed": 3,
        "left_out": 0,
        "notes": ["failed samples are not in n"],
    }


def test_an_error_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    done = pathshift("export", LOGS["verl"], "--to", "excel", "--out", tmp_path / "x")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "'excel' is not written; --to takes passk, every-eval-ever, csv" in done.stderr


@pytest.mark.parametrize(
    ("flags", "error", "said"),
    [
        (["--to", "csv", "--out", "s.txt"], InputError, "a csv file must end in .csv"),
        (["--to", "passk", "--out", "c.json"], InputError, "must end in .jsonl"),
        (["--to", "csv", "--out", "s.csv", "--duplicates", "no"], ConfigError, "error, drop or"),
        (["--to", "csv", "--out", "s.csv", "--format", "none"], PathshiftError, "none"),
        (["--to", "csv", "--out", "s.csv", "--score", "no"], LogError, "no"),
        (["--to", "csv", "--out", "s.csv", "--verifier", "no"], UnknownName, "no"),
        (["--to", "no", "--out", "s.csv"], UnknownName, "is not written"),
    ],
)
def test_what_cannot_be_is_refused(
    flags: list[str], error: type[Exception], said: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    done = run_command("export", LOGS["verl"], *flags)
    assert isinstance(done.exception, error)
    assert re.search(said, str(done.exception))
    assert "\n" not in str(done.exception)
    assert list(tmp_path.iterdir()) == []


def test_counts_and_runs_know_their_verifiers(native: Path, tmp_path: Path) -> None:
    with pytest.raises(CountsError, match="--verifier needs a run folder"):
        export(DATA / "passk-inference" / "base.jsonl", "csv", tmp_path, "--verifier", "number")
    with pytest.raises(RunError, match="pathshift verify"):
        export(native, "csv", tmp_path, "--verifier", "text")


def test_a_run_gives_the_verdicts_of_the_verifier_that_is_named(
    native: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(native, run)
    assert run_command("verify", run, "--verifier", "number-lenient").exit_code == 0
    for verifier in ("number-first", "number-lenient"):
        (log,) = export(run, "inspect", tmp_path / verifier, "--verifier", verifier)
        samples = json.loads(log.read_bytes())["samples"]
        assert {name for sample in samples for name in sample["scores"]} == {verifier}


def test_a_damaged_run_is_one_line_and_leaves_nothing(native: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(native, run)
    (shard,) = (run / "samples").glob("*.parquet")
    content = shard.read_bytes()
    shard.write_bytes(
        content[: len(content) // 4] + b"?" * 400 + content[len(content) // 4 + 400 :]
    )
    with pytest.raises(DamagedShard):
        export(run, "csv", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("to", ["inspect", "every-eval-ever"])
def test_it_is_said_where_pass_at_k_ends_for_want_of_samples(to: str, tmp_path: Path) -> None:
    def told(source: Path, folder: str) -> str:
        return run_command(
            "export", source, "--to", to, "--out", tmp_path / folder, "--model", "toy/m"
        ).stdout

    note = "pass@k is stated up to k=3, the fewest judged samples of a problem"
    assert note in told(LOGS["inspect-errors"], "uneven")
    assert "pass@k is stated" not in told(LOGS["verl"], "even")


def test_a_source_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    done = run_command("export", tmp_path / "no", "--to", "csv", "--out", tmp_path / "s.csv")
    assert isinstance(done.exception, InputError)
    assert "no" in str(done.exception)


@pytest.mark.parametrize("seconds", ["-1", "253402300800", "soon"])
def test_a_time_beyond_the_calendar_is_refused(seconds: str, tmp_path: Path) -> None:
    done = run_command(
        "export", LOGS["verl"], "--to", "inspect", "--out", tmp_path, f"--retrieved={seconds}"
    )
    assert done.exit_code == 2
    assert "--retrieved" in done.output


def test_a_named_verifier_judges_a_log_that_has_verdicts(tmp_path: Path) -> None:
    rows = [{"id": "a", "question": "q", "gold": "7", "completion": "#### 7", "correct": False}]
    log = write_log(tmp_path / "log.jsonl", rows)
    assert counts(log)["a"].c == 0
    (path,) = export(log, "parquet", tmp_path, "--verifier", "number")
    assert counts(path)["a"].c == 1


def test_a_log_is_judged_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pathshift.verify.judge import Judge

    seen: list[int] = []
    judge = Judge.verdicts

    def counted(self: Judge, pairs: object) -> object:
        found = judge(self, pairs)  # type: ignore[arg-type]
        seen.append(len(found))
        return found

    monkeypatch.setattr(Judge, "verdicts", counted)
    export(LOGS["verl-unjudged"], "inspect", tmp_path)
    assert seen == [32]


def test_every_format_is_in_the_table_and_in_the_help() -> None:
    told = run_command("export", "--help").stdout
    for name, form in EXPORTS.items():
        assert name in told
        assert form.summary
        assert name in _NEXT
    assert _NEXT.keys() == EXPORTS.keys()
