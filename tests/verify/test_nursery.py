"""A worker that forks the process that grades: what answers do to it, and what they cannot do."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterator

import pytest

from pathshift.records import Outcome
from pathshift.verify import WorkerPool, nursery, worker
from pathshift.verify.jobs import Job
from pathshift.verify.pool import worker_command

# Replies "correct" after it did to itself what the job's `do` says.
GRADER = """
import os, signal, time
HOARD = []
def grade(payload):
    do = payload["do"]
    if do == "hang":
        while True: pass
    if do == "nap": time.sleep(0.5)
    if do == "sleep": time.sleep(1000)
    if do == "ignore alarms and hang":
        for number in (signal.SIGALRM, signal.SIGPROF, signal.SIGXCPU):
            signal.signal(number, signal.SIG_IGN)
        while True: pass
    if do == "abort": os.abort()
    if do == "segfault": os.kill(os.getpid(), signal.SIGSEGV)
    if do == "exit 0": os._exit(0)
    if do == "exit 75": os._exit(75)
    if do == "bomb": HOARD.append(bytearray(10**12))
    if do == "hoard": HOARD.append(bytearray(b"x") * (600 * 2**20))
    if do == "recurse": return grade(payload)
    if do == "parent": raise ValueError(f"pid {os.getppid()}")
    if do == "self": raise ValueError(f"pid {os.getpid()}")
    return "correct"
"""


def nursing(
    *, timeout_s: float = 0.5, workers: int = 1, patience: float = 40.0, grader: str = GRADER
) -> WorkerPool:
    root = worker_command("math")[-2]
    program = (
        f"import sys; sys.path.insert(0, {root!r})\n"
        "from pathshift.verify import nursery, worker\n"
        f"{textwrap.dedent(grader)}\n"
        "worker.LOADERS['test'] = lambda: grade\n"
        "sys.exit(nursery.main())\n"
    )
    command = [sys.executable, "-c", program, str(2 * 2**30), root, "test"]
    return WorkerPool(command, timeout_s=timeout_s, workers=workers, patience=patience)


def job(do: str) -> Job:
    return Job(kind="test", payload={"do": do})


def pid(pool: WorkerPool, whose: str) -> str:
    return pool.ask(job(whose)).detail


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    with nursing() as workers:
        yield workers


DEATHS = {
    "hang": "verifier timed out after 0.5 s",
    "abort": "verifier process ended before it replied (exit status -6)",
    "segfault": "verifier process ended before it replied (exit status -11)",
    "exit 0": "verifier process ended before it replied (exit status 0)",
    "exit 75": "verifier process ended before it replied (exit status 75)",
}


@pytest.mark.parametrize("do", DEATHS)
def test_a_death_fails_its_own_answer_and_needs_no_new_start(pool: WorkerPool, do: str) -> None:
    nurse = pid(pool, "parent")
    assert pool.ask(job(do)) == (Outcome.FAILED, DEATHS[do])
    assert pool.ask(job("ok")).outcome is Outcome.CORRECT
    assert pid(pool, "parent") == nurse


def test_waiting_for_a_processor_costs_no_answer_its_limit() -> None:
    with nursing(timeout_s=0.2, patience=200) as pool:
        assert pool.ask(job("nap")).outcome is Outcome.CORRECT
        assert pool.ask(job("hang")).detail == "verifier timed out after 0.2 s"


@pytest.mark.parametrize("do", ["sleep", "ignore alarms and hang"])
def test_one_that_waits_or_ignores_its_alarm_ends_at_the_wall_limit(do: str) -> None:
    with nursing(patience=6) as pool:
        assert pool.ask(job(do)).detail == "verifier timed out after 3 s"
        assert pool.ask(job("ok")).outcome is Outcome.CORRECT


@pytest.mark.skipif(sys.platform != "linux", reason="other systems may refuse the limit")
@pytest.mark.parametrize("do", ["bomb", "recurse", "hoard"])
def test_memory_that_an_answer_took_is_given_back(pool: WorkerPool, do: str) -> None:
    child = pid(pool, "self")
    pool.ask(job(do))
    assert pid(pool, "self") != child


def test_a_child_serves_many_jobs(pool: WorkerPool) -> None:
    assert len({pid(pool, "self") for _ in range(20)}) == 1


def test_a_thousand_answers_with_all_kinds_of_deaths_lose_no_correct_one() -> None:
    deaths = ["hang", "abort", "segfault", "exit 0", "bomb", "recurse", "exit 75"]
    jobs = [job(deaths[n // 100 % 7] if n % 100 == 50 else "ok") for n in range(1000)]
    with nursing(workers=2) as pool:
        replies = pool.ask_all(jobs)
    for asked, reply in zip(jobs, replies, strict=True):
        wanted = "correct" if asked.payload["do"] == "ok" else "failed"
        assert reply.outcome == wanted, (asked, reply)


def test_beside_another_thread_nothing_is_forked() -> None:
    grader = f"{GRADER}\nimport threading\nthreading.Thread(target=time.sleep, args=(60,)).start()"
    with nursing(grader=grader) as pool:
        assert pid(pool, "parent") == f"ValueError: pid {os.getpid()}"
        assert pool.ask(job("hang")).outcome is Outcome.FAILED
        assert pool.ask(job("ok")).outcome is Outcome.CORRECT


def test_the_note_of_a_job_is_read_as_written() -> None:
    note = nursery._Note()
    assert note.read() == (0, 0.0, 0.0)
    note.write(2**40, 2.5, 10.0)
    assert note.read() == (2**40, 2.5, 10.0)


def test_a_reply_carries_the_number_of_its_job() -> None:
    assert worker.graded(lambda payload: Outcome.WRONG, {"id": 7, "payload": {}})[0]["id"] == 7
