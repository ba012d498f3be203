"""The pool against workers that misbehave: small programs that speak its protocol, or do not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pathshift.errors import ConfigError, PathshiftError
from pathshift.records import Outcome
from pathshift.verify import WorkerPool, pool
from pathshift.verify.jobs import Job, Reply
from pathshift.verify.pool import worker_command

# Does to itself what the job's `do` says; any other job is answered "correct".
MISBEHAVING = """
import json, os, subprocess, sys, time
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    do = json.loads(line)["payload"]["do"]
    if do == "hang":
        time.sleep(1000)
    elif do == "spawn and hang":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
        open(sys.argv[1], "w").write(f"{os.getpid()} {child.pid}")
        time.sleep(1000)
    elif do == "abort":
        os.abort()
    elif do == "exit":
        sys.exit(3)
    elif do == "babble":
        print("not json", flush=True)
    elif do == "wrong shape":
        print("[1]", flush=True)
    elif do == "wrong outcome":
        print(json.dumps({"outcome": "splendid"}), flush=True)
    elif do == "flood":
        while True:
            print("x" * 10_000, end="", flush=True)
    else:
        print(json.dumps({"outcome": "correct", "detail": str(os.getpid())}), flush=True)
"""

GUARD_S = 60.0
"""Nothing here may take longer; only there so that a hang is a failure."""


def job(do: str) -> Job:
    return Job(kind="test", payload={"do": do})


def misbehaving(*arguments: str, timeout_s: float = 1.0, workers: int = 1) -> WorkerPool:
    command = [sys.executable, "-c", MISBEHAVING, *arguments]
    return WorkerPool(command, timeout_s=timeout_s, workers=workers)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def wait_until_gone(pid: int) -> None:
    end = time.monotonic() + GUARD_S
    while is_alive(pid):
        assert time.monotonic() < end, f"process {pid} is still there"
        time.sleep(0.02)


MISDEEDS = ["hang", "abort", "exit", "babble", "wrong shape", "wrong outcome", "flood"]


@pytest.mark.parametrize("misdeed", MISDEEDS)
def test_a_misdeed_fails_its_own_answer_and_no_other(misdeed: str) -> None:
    with misbehaving() as workers:
        replies = workers.ask_all([job("ok"), job(misdeed), job(misdeed), job("ok")])
    assert [reply.outcome for reply in replies] == ["correct", "failed", "failed", "correct"]
    assert replies[1].detail.startswith("verifier ")


def test_a_crash_names_its_signal() -> None:
    with misbehaving() as workers:
        assert f"exit status {-signal.SIGABRT}" in workers.ask(job("abort")).detail


def test_a_timeout_names_its_limit() -> None:
    with misbehaving(timeout_s=0.5) as workers:
        assert workers.ask(job("hang")).detail == "verifier timed out after 0.5 s"


def test_after_more_hanging_jobs_than_workers_all_others_are_right() -> None:
    with misbehaving(workers=2, timeout_s=0.5) as workers:
        replies = workers.ask_all([job("hang")] * 6 + [job("ok")] * 10)
    assert [reply.outcome for reply in replies] == ["failed"] * 6 + ["correct"] * 10


def test_a_killed_worker_takes_its_children_along(tmp_path: Path) -> None:
    note = tmp_path / "pids"
    with misbehaving(str(note), timeout_s=2.0) as workers:
        assert workers.ask(job("spawn and hang")).outcome is Outcome.FAILED
    for pid in map(int, note.read_text(encoding="utf-8").split()):
        wait_until_gone(pid)


def test_no_process_is_left_when_the_pool_is_closed() -> None:
    with misbehaving(workers=3) as workers:
        replies = workers.ask_all([job("ok")] * 30 + [job("hang")])
    for pid in {int(reply.detail) for reply in replies if reply.outcome is Outcome.CORRECT}:
        wait_until_gone(pid)
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def test_a_closed_pool_starts_again() -> None:
    with misbehaving() as workers:
        first = workers.ask(job("ok"))
        workers.close()
        assert workers.ask(job("ok")).detail != first.detail


def test_workers_are_renewed_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "JOBS_PER_PROCESS", 3)
    with misbehaving() as workers:
        pids = [workers.ask(job("ok")).detail for _ in range(7)]
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 1]


def test_threads_share_a_pool() -> None:
    replies: list[Reply] = []
    with misbehaving(workers=2) as workers:

        def ask() -> None:
            replies.extend(workers.ask(job("ok")) for _ in range(10))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(GUARD_S)
    assert [reply.outcome for reply in replies] == ["correct"] * 40


def test_a_large_job_passes_through_the_pipe() -> None:
    with misbehaving() as workers:
        assert workers.ask(job("x" * 1_000_000)).outcome is Outcome.CORRECT


def test_a_large_job_to_a_stopped_worker_times_out() -> None:
    with misbehaving() as workers:
        os.kill(int(workers.ask(job("ok")).detail), signal.SIGSTOP)
        assert workers.ask(job("x" * 1_000_000)).outcome is Outcome.FAILED
        assert workers.ask(job("ok")).outcome is Outcome.CORRECT


@pytest.mark.parametrize(
    "program",
    ["raise SystemExit(1)", "print('hello')", 'print(\'{"ready": false, "detail": "why"}\')'],
)
def test_a_worker_that_does_not_start_is_an_error_and_not_a_verdict(program: str) -> None:
    workers = WorkerPool([sys.executable, "-c", program])
    with workers, pytest.raises(PathshiftError, match="did not start"):
        workers.ask(job("ok"))


def test_a_failed_start_ends_the_jobs_of_all_workers() -> None:
    workers = WorkerPool([sys.executable, "-c", "raise SystemExit(1)"], workers=2)
    with workers, pytest.raises(PathshiftError, match="did not start"):
        workers.ask_all([job("ok")] * 20)


def test_a_worker_that_closes_its_ears_fails_its_answer() -> None:
    program = (
        "import os, time; print('{\"ready\": true}', flush=True); os.close(0); time.sleep(1000)"
    )
    with WorkerPool([sys.executable, "-c", program], timeout_s=1.0) as workers:
        time.sleep(0.2)
        assert workers.ask(job("ok")).outcome is Outcome.FAILED
        assert workers.ask(job("x" * 1_000_000)).outcome is Outcome.FAILED


def test_a_start_has_its_own_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "START_LIMIT_S", 0.3)
    workers = WorkerPool([sys.executable, "-c", "input()"], timeout_s=30)
    with workers, pytest.raises(PathshiftError, match=r"did not start: timed out after 0\.3 s"):
        workers.ask(job("ok"))


@pytest.mark.parametrize("setting", [{"timeout_s": 0.0}, {"timeout_s": -1.0}, {"workers": 0}])
def test_settings_out_of_range_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="got"):
        WorkerPool(["x"], **setting)  # type: ignore[arg-type]


def test_keys_in_the_environment_are_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "secret")
    program = "import json, os; print(json.dumps({'ready': 'SOME_API_KEY' not in os.environ}))"
    with WorkerPool([sys.executable, "-c", program]) as workers:
        assert workers.ask(job("ok")).outcome is Outcome.FAILED  # it started, then ended


def test_the_worker_ends_when_its_parent_is_killed() -> None:
    pytest.importorskip("math_verify")
    program = (
        "import subprocess, sys, time\n"
        "worker = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "worker.stdout.readline()\n"
        "print(worker.pid, flush=True)\n"
        "time.sleep(1000)\n"
    )
    command = [sys.executable, "-c", program, *worker_command("math")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        parent.kill()
    wait_until_gone(worker)
