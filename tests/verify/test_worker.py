"""What the worker process does to itself, seen through its two pipes."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from pathshift.verify.pool import worker_command

GUARD_S = 60.0


def serve(
    grader: str, payloads: list[dict[str, str]], *, limit_s: float = 5.0
) -> list[dict[str, Any]]:
    """Runs the worker with a grader written here; all lines it replies, the greeting first."""
    root = worker_command("math")[-2]
    program = (
        f"import sys; sys.path.insert(0, {root!r})\n"
        "from pathshift.verify import worker\n"
        f"{textwrap.dedent(grader)}\n"
        "worker.LOADERS['test'] = lambda: grade\n"
        "sys.exit(worker.main())\n"
    )
    jobs = [json.dumps({"payload": payload, "limit_s": limit_s}) + "\n" for payload in payloads]
    done = subprocess.run(
        [sys.executable, "-c", program, "test"],
        input="".join(jobs),
        capture_output=True,
        text=True,
        timeout=GUARD_S,
        check=False,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_prints_and_reads_of_a_library_do_not_reach_the_pipes() -> None:
    grader = """
    def grade(payload):
        print("noise", flush=True)
        return "correct" if sys.stdin.read() == "" else "wrong"
    """
    assert serve(grader, [{}, {}])[1:] == [{"outcome": "correct"}] * 2


def test_an_error_fails_its_own_job_only() -> None:
    grader = """
    def grade(payload):
        if payload["do"] == "recurse":
            return grade(payload)
        return {"a": "correct"}[payload["do"]]
    """
    replies = serve(grader, [{"do": "b"}, {"do": "recurse"}, {"do": "a"}])
    assert [reply.get("outcome") for reply in replies[1:]] == ["failed", "failed", "correct"]
    assert replies[1]["detail"] == "KeyError: 'b'"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems may refuse the limit")
def test_memory_is_limited() -> None:
    grader = """
    def grade(payload):
        return "correct" if len(bytearray(int(payload["bytes"]))) else "wrong"
    """
    replies = serve(grader, [{"bytes": str(2**33)}, {"bytes": "1000"}])
    assert [reply.get("outcome") for reply in replies[1:]] == ["failed", "correct"]


def test_no_file_can_be_filled(tmp_path: Path) -> None:
    grader = """
    def grade(payload):
        with open(payload["path"], "wb", buffering=0) as file:
            file.write(b"x")
        return "correct"
    """
    replies = serve(grader, [{"path": str(tmp_path / "written")}])
    assert replies[1]["outcome"] == "failed"


def test_a_job_that_overstays_ends_the_process_without_a_parent_to_kill_it() -> None:
    grader = """
    def grade(payload):
        while True:
            pass
    """
    assert serve(grader, [{}, {}], limit_s=0.1) == [{"ready": True}]


def test_a_package_that_cannot_be_imported_is_said_in_the_greeting() -> None:
    grader = """
    def load():
        raise ImportError("no such package")
    worker.LOADERS["math"] = load
    sys.argv[-1] = "math"
    grade = None
    """
    assert serve(grader, []) == [{"ready": False, "detail": "no such package"}]
