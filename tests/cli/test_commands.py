"""The commands as a user types them: output, JSON, exit codes, one-line errors."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.commands import pathshift

import pathshift as package
from pathshift.cli.main import COMMANDS, one_line
from pathshift.store.run import RunFolder


def write_counts(path: Path, c: list[int], n: int = 8) -> Path:
    path.write_text("\n".join(json.dumps({"id": f"p{i}", "n": n, "c": x}) for i, x in enumerate(c)))
    return path


@pytest.fixture
def counts(tmp_path: Path) -> tuple[Path, Path]:
    return (
        write_counts(tmp_path / "base.jsonl", [i % 4 for i in range(40)]),
        write_counts(tmp_path / "tuned.jsonl", [min(8, i % 4 + 4) for i in range(40)]),
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "a"
    done = pathshift(
        "sample",
        "--model",
        "fake:base",
        "--tasks",
        "arithmetic",
        "--n",
        8,
        "--limit",
        12,
        "--out",
        out,
    )
    assert done.returncode == 0, done.stderr
    return out


def test_demo_gives_the_published_verdict_table_and_report(tmp_path: Path) -> None:
    done = pathshift("demo", "--json", "result.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Gain certified for k=1..10, loss certified for k=6" in done.stdout
    assert "one tuned sample is worth 1.94 base samples [1.86, 2.02]" in done.stdout
    assert (
        "both 911, base only 33, tuned only 12, neither 104 (McNemar exact p=0.0025)" in done.stdout
    )
    assert "timeouts were scored as wrong" in done.stdout
    page = (tmp_path / "pathshift-demo" / "deepscaler.html").read_text()
    assert "timeouts were scored as wrong" in page.replace("&#39;", "'")
    assert "re-analysis" in page
    result = json.loads((tmp_path / "result.json").read_text())["deepscaler"]
    assert result["verdict"]["word"] == "gain_then_loss"


def test_compare_prints_what_python_returns(counts: tuple[Path, Path]) -> None:
    done = pathshift("compare", *counts, "--json", "-")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == package.compare(*counts).to_dict()


def test_compare_writes_a_report_and_says_where(counts: tuple[Path, Path], tmp_path: Path) -> None:
    done = pathshift("compare", *counts, "--report", tmp_path / "r.html")
    assert f"report: {tmp_path / 'r.html'}" in done.stdout
    assert "Content-Security-Policy" in (tmp_path / "r.html").read_text()


def test_compare_says_how_reliably_and_what_slips_explain(counts: tuple[Path, Path]) -> None:
    """Base 0 to 3 of 8 right, tuned 4 to 7 of 8: none and all are right in half of the samples."""
    done = pathshift("compare", *counts, "--floor", 0.004, "--false-positive", 0.01)
    assert "half of the samples (Cover@0.5): base 0.000, tuned 1.000" in done.stdout
    # One of 8 right is what 1 - .99^8 .996^8 = .106 of guessers have: not beyond the floor.
    assert "the verifier's slips explain: base 20, tuned 40 of 40" in done.stdout
    assert "takes 1.000% of wrong answers for right: pass@8 base 0.729, tuned 1.000" in done.stdout
    plain = pathshift("compare", *counts, "--floor", 0.001).stdout
    assert "beyond what" not in plain
    assert "takes" not in plain
    refused = pathshift("compare", *counts, "--false-positive", 1)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    ("word", "code"), [("gain", 1), ("loss", 0), ("undecided", 0), ("magic", 2)]
)
def test_fail_on_names_the_verdict(counts: tuple[Path, Path], word: str, code: int) -> None:
    assert pathshift("compare", *counts, "--fail-on", word).returncode == code


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("c.jsonl", '{"id": "a", "n": 4, "c": 5}', "row 1: c=5 with n=4"),
        ("c.jsonl", '{"n": 4, "c": 1}', "row 1: no id"),
        ("c.jsonl", '{"id": "a", "n": 4, "c": 1}\n' * 2, "row 2: id 'a' stands at"),
        ("c.jsonl", "", "is empty"),
        ("c.parquet", "PAR1", "not Parquet"),
        ("c.jsonl", '{"id": "\\u001b[31m\\n", "n": 4, "c": 9}', "row 1: c=9"),
    ],
)
def test_bad_counts_are_one_line_and_exit_code_2(
    tmp_path: Path, name: str, content: str, said: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    done = pathshift("compare", path, path)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert str(path) in done.stderr
    assert "\x1b" not in done.stderr


def test_models_measured_on_different_problems(tmp_path: Path) -> None:
    left = write_counts(tmp_path / "a.jsonl", [1, 2])
    right = write_counts(tmp_path / "b.jsonl", [1, 2, 3])
    done = pathshift("compare", left, right)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "different problems: 1 only in" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["sample", "--model", "fake:no", "--tasks", "arithmetic", "--out", "x"],
            "fake:no is not known",
        ),
        (
            ["sample", "--model", "hf:./nowhere", "--tasks", "arithmetic", "--out", "x"],
            "there is no folder",
        ),
        (
            ["sample", "--model", "fake:base", "--tasks", "algebra", "--out", "x"],
            "use one of arithmetic",
        ),
        (
            [
                "sample",
                "--model",
                "fake:base",
                "--tasks",
                "arithmetic",
                "--out",
                "x",
                "-T",
                "digits",
            ],
            "name=value",
        ),
        (
            [
                "sample",
                "--model",
                "fake:base",
                "--tasks",
                "arithmetic",
                "--out",
                "x",
                "-M",
                "speed=3",
            ],
            "speed is not known; use one of rows, delay",
        ),
        (
            [
                "sample",
                "--model",
                "fake:base",
                "--tasks",
                "arithmetic",
                "--out",
                "x",
                "--verifier",
                "me",
            ],
            "no verifier",
        ),
        (["sample", "--model", "fake:base", "--tasks", "jsonl:no.jsonl", "--out", "x"], "no.jsonl"),
        (["show", "nowhere"], "is not a run folder"),
        (["verify", "nowhere"], "is not a run folder"),
        (["merge", "nowhere", "--out", "x"], "at least two"),
        (["models", "get", "gpt-9"], "smollm2"),
        (["lab", "show", "no-claim"], "no-claim"),
    ],
)
def test_what_is_not_there_is_one_line_and_exit_code_2(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    done = pathshift(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stdout
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_a_run_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = pathshift(
        "sample",
        "--model",
        "fake:base",
        "--tasks",
        "arithmetic",
        "--limit",
        1,
        "--out",
        tmp_path / "file" / "run",
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "cannot write" in done.stderr


def test_sample_then_show_verify_merge_compare(run: Path, tmp_path: Path) -> None:
    shown = pathshift("show", run)
    assert "12 problems, 96 samples" in shown.stdout
    assert re.search(r"pass@8 +0\.\d{3} +floor 0\.\d{3}", shown.stdout)
    problem = RunFolder(run).problems()[0].id
    one = pathshift("show", run, "--problem", problem, "--samples", 2)
    assert one.stdout.count("--- sample") == 2
    judged = pathshift("verify", run, "--verifier", "number-lenient", "--json", "-")
    assert json.loads(judged.stdout)["judged"] == 96
    other = tmp_path / "b"
    pathshift(
        "sample", "--model", "fake:base", "--tasks", "arithmetic", "--n", 8, "--limit", 12,
        "--seed", 1, "--out", other,
    )  # fmt: skip
    merged = pathshift("merge", run, other, "--out", tmp_path / "c")
    assert "192 samples of 12 problems (16 each) from 2 runs" in merged.stdout
    compared = pathshift("compare", run, tmp_path / "c", "--report", tmp_path / "r.html")
    assert compared.returncode == 0, compared.stderr
    assert "12 problems x 8 to 16 samples" in compared.stdout


def test_merging_the_same_draws_is_refused(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    pathshift(
        "sample",
        "--model",
        "fake:base",
        "--tasks",
        "arithmetic",
        "--n",
        8,
        "--limit",
        12,
        "--out",
        copy,
    )
    done = pathshift("merge", run, copy, "--out", tmp_path / "d")
    assert done.returncode == 2
    assert "count twice" in done.stderr


def test_another_configuration_names_field_and_both_values(run: Path) -> None:
    done = pathshift(
        "sample", "--model", "fake:base", "--tasks", "arithmetic", "--n", 8, "--limit", 12,
        "--temperature", 0.5, "--out", run,
    )  # fmt: skip
    assert done.returncode == 2
    assert "temperature=1.0, now asked with temperature=0.5" in done.stderr


def test_a_missing_chat_template_is_reported(tmp_path: Path) -> None:
    done = pathshift(
        "sample", "--model", "fake:base", "--tasks", "gsm8k", "--n", 1, "--limit", 1,
        "--out", tmp_path / "r",
    )  # fmt: skip
    assert "asked as a completion (the model has no chat template)" in done.stdout


def test_several_tasks_get_a_folder_each(tmp_path: Path) -> None:
    done = pathshift(
        "sample", "--model", "fake:base", "--tasks", "arithmetic,gsm8k", "--n", 2, "--limit", 2,
        "--out", tmp_path / "r", "--json", "-",
    )  # fmt: skip
    assert [Path(r["out"]).name for r in json.loads(done.stdout)["runs"]] == ["arithmetic", "gsm8k"]


@pytest.mark.parametrize("flag", ["--epochs", "--n-samples", "--repeats"])
def test_names_that_hands_know_work_for_n(tmp_path: Path, flag: str) -> None:
    done = pathshift(
        "sample",
        "--model",
        "fake:base",
        "--tasks",
        "arithmetic",
        flag,
        3,
        "--limit",
        1,
        "--out",
        tmp_path / "r",
    )
    assert "1 problems x 3" in done.stdout


def test_an_environment_variable_sets_a_flag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATHSHIFT_SAMPLE_LIMIT", "2")
    done = pathshift(
        "sample", "--model", "fake:base", "--tasks", "arithmetic", "--n", 1, "--out", tmp_path / "r"
    )
    assert "2 problems x 1" in done.stdout


def test_quiet_prints_the_result_alone(run: Path) -> None:
    loud, quiet = pathshift("show", run), pathshift("show", run, "--quiet")
    assert "next:" in loud.stdout
    assert "next:" not in quiet.stdout


def test_lists_of_tasks_models_and_claims() -> None:
    tasks = json.loads(pathshift("tasks", "--json", "-").stdout)["tasks"]
    assert {"countdown", "compose", "gsm8k"} <= {task["name"] for task in tasks}
    assert all(task["floor"] for task in tasks)
    assert "smollm2" in json.loads(pathshift("models", "list", "--json", "-").stdout)["models"]
    claims = json.loads(pathshift("lab", "show", "--json", "-").stdout)["claims"]
    assert len(claims) >= 20
    assert {claim["status"] for claim in claims} == {"untested"}
    assert "source:" in pathshift("lab", "show", claims[0]["id"]).stdout


@pytest.mark.parametrize("command", [*COMMANDS, "models get", "models list", "lab show"])
def test_every_help_has_an_example(command: str) -> None:
    done = pathshift(*command.split(), "--help")
    assert done.returncode == 0
    assert "Example: pathshift " in done.stdout


def test_a_result_that_cannot_be_written_is_one_line(run: Path) -> None:
    done = pathshift("show", run, "--json", "/dev/full")
    assert done.returncode == 2
    assert "cannot write /dev/full" in done.stderr


def test_foreign_text_cannot_steer_the_terminal() -> None:
    assert one_line("a\x1b[31m\nb\u202e") == "a�[31m b�"
