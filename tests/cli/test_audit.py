"""`pathshift audit` and the readings of `pathshift show`, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.commands import pathshift
from tests.rollout.toys import Toy

from pathshift.cli.audit_lines import lines_of, markdown_of, summary_of
from pathshift.cli.output import Speaker
from pathshift.records import Problem
from pathshift.rollout.audit import Audit, AuditOptions, Finding
from pathshift.rollout.audit.battery import audit_subject
from pathshift.rollout.audit.result import Attack, Constant
from pathshift.rollout.audit.subject import NOT_ASKED, Mark


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task of the user's own whose every answer is 7: one constant solves it."""
    path = tmp_path_factory.mktemp("tasks") / "own.jsonl"
    rows = [{"question": f"What is {i} + {7 - i}?", "answer": "7"} for i in range(12)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def test_a_sound_task_passes() -> None:
    done = pathshift("audit", "countdown", "--limit", 20, "--fail-on", "note")
    assert (done.returncode, done.stderr) == (0, "")
    assert "nothing found" in done.stdout
    assert "cross-item 0/" in done.stdout
    assert "next: pathshift sample" in done.stdout


@pytest.mark.parametrize(("severity", "code"), [("error", 0), ("warning", 1), ("note", 1)])
def test_fail_on_counts_what_is_as_grave(leaky: Path, severity: str, code: int) -> None:
    done = pathshift("audit", f"jsonl:{leaky}", "--verifier", "number", "--fail-on", severity)
    assert done.returncode == code, done.stderr
    assert "warning  constant: the one answer '7' solves 12 of 12" in done.stdout


def test_json_holds_what_python_finds(leaky: Path) -> None:
    done = pathshift("audit", f"jsonl:{leaky}", "--verifier", "number", "--json", "-")
    (found,) = json.loads(done.stdout)["audits"]
    assert Audit.from_dict(found).worst == "warning"
    assert found["constant"]["share"] == 1


def test_a_table_is_written(leaky: Path, tmp_path: Path) -> None:
    target = tmp_path / "audit.md"
    done = pathshift(
        "audit", f"jsonl:{leaky}", "--verifier", "number", "--markdown", target, "--quiet"
    )
    assert done.returncode == 0, done.stderr
    text = target.read_text(encoding="utf-8")
    assert "Made by `pathshift audit jsonl:" in text
    assert "| warning | `7` | 1.00 |" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nix"], "is not known"),
        (["arithmetic", "--limit", 1], "limit must be at least 2"),
        (["arithmetic", "--fail-on", "death"], "error, warning, note"),
        (["arithmetic", "--verifier", "nix"], "no verifier is called"),
        (["arithmetic", "-T", "digits"], "must be name=value"),
        (["gsm8k", "--train", "jsonl:nowhere.jsonl"], "nowhere.jsonl"),
        (["reasoning_gym:all", "--train", "gsm8k"], "leave them out"),
        (["arithmetic", "--markdown", "/dev/full/x"], "cannot write"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(arguments: list[object], said: str) -> None:
    done = pathshift("audit", *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert said in done.stderr


def test_a_table_cell_holds_no_markup_of_foreign_text() -> None:
    nasty = "a|b`c\n<script>"
    audit = Audit(
        task="reasoning_gym:x", verifier="its own scorer", n_problems=2, seed=0,
        findings=(Finding(severity="error", name="constant", seen=nasty, advice="-"),),
        attacks=(Attack(kind="cross-item", asked=4, right=1, failed=0, partial=2),),
        constant=Constant(answer=nasty, share=1.0, held_out=0.5, foreign=None),
    )  # fmt: skip
    text = markdown_of([audit], head="# Head\n")
    assert "<script>" not in text
    (row,) = (line for line in text.splitlines() if line.startswith("| x "))
    assert row.replace("\\|", "").count("|") == 9
    assert "1 of 4" in row
    assert list(summary_of([audit])) == ["1 data sets; gravest finding: 1 error",
                                         "error: constant 1"]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "a"
    done = pathshift(
        "sample", "--model", "fake:base", "--tasks", "arithmetic", "--n", 16, "--limit", 12,
        "--out", out,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert pathshift("verify", out, "--verifier", "text").returncode == 0
    return out


def test_show_says_how_reliably_and_what_is_beyond_the_floor(run: Path) -> None:
    done = pathshift("show", run)
    assert "G-pass@16" in done.stdout
    assert "(Cover@)" in done.stdout
    assert "solved beyond what blind guessing explains" in done.stdout
    assert "upper-bound" not in done.stdout


def test_show_with_a_false_positive_rate_corrects_the_curve(run: Path) -> None:
    done = pathshift("show", run, "--false-positive", 0.01, "--json", "-")
    curve = json.loads(done.stdout)["readings"]["curve"]
    for point in curve:
        miss = (1 - point["pass"]) / 0.99 ** point["k"]
        assert point["corrected"] == pytest.approx(1 - miss)
        assert point["no_ability"] >= 1 - 0.99 ** point["k"]
    assert pathshift("show", run, "--false-positive", 2).returncode == 2


def test_show_labels_the_floor_by_answers(run: Path) -> None:
    done = pathshift("show", run, "--answers")
    assert done.stdout.count("upper-bound reading") == 2
    told = json.loads(pathshift("show", run, "--answers", "--json", "-").stdout)
    assert told["answers"]["label"] == "upper-bound reading"


def test_what_a_verifier_was_not_asked_is_no_floor() -> None:
    """After answers that hung no more are asked: then no constant and no floor is known."""

    class Tired(Toy):
        def _mark(self, problem: Problem, text: str) -> Mark:
            is_reference = text == self.reference(problem)
            return super()._mark(problem, text) if is_reference else Mark(None, NOT_ASKED)

    audit = audit_subject(Tired(), AuditOptions(limit=20))
    assert audit.constant is None
    assert audit.floors is not None
    assert audit.floors.answers is None
    assert "not known" in "\n".join(lines_of(audit))


def test_what_is_said_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """As ids of problems and messages of foreign scorers might."""
    speaker = Speaker(None, quiet=False)
    speaker.say("a\x1b[31mb\tc\nd")
    speaker.advise("e\x9bf\u202eg\ud800")
    assert capsys.readouterr().out == "a�[31mb\tc\nd\ne�f�g�\n"


def test_show_sets_two_verifiers_side_by_side(run: Path) -> None:
    done = pathshift("show", run, "--against", "text")
    assert "number-first (rows) against text (columns), 192 samples" in done.stdout
    told = json.loads(pathshift("show", run, "--against", "text", "--json", "-").stdout)
    assert sum(sum(row.values()) for row in told["against"]["table"].values()) == 192
    assert "pathshift verify" in pathshift("show", run, "--against", "math-nix").stderr
