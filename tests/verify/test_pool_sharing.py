"""One pool or judge in many threads, after a fork, after pickling, and after an interrupt."""

from __future__ import annotations

import importlib.util
import pickle
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.commands import environment
from tests.verify.samples import problem, sample
from tests.verify.test_pool import GUARD_S, MISBEHAVING, is_alive, job, misbehaving, wait_until_gone

from pathshift.records import Outcome
from pathshift.verify import Judge, WorkerPool
from pathshift.verify.jobs import Job, Reply

needs_math_verify = pytest.mark.skipif(
    importlib.util.find_spec("math_verify") is None, reason="needs the math extra"
)

COUNTING = """
import json, sys, time
print(json.dumps({"ready": True}), flush=True)
for number, line in enumerate(sys.stdin, 1):
    time.sleep(0.05)
    print(json.dumps({"outcome": "failed", "detail": str(number)}), flush=True)
"""

FORKING = """
import os, sys
from pathshift.verify import WorkerPool
from pathshift.verify.jobs import Job
ok = Job(kind="test", payload={"do": "ok"})
pool = WorkerPool([sys.executable, "-c", sys.argv[1]], timeout_s=20, workers=2)
first = {reply.detail for reply in pool.ask_all([ok] * 10)}
children = []
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        replies = pool.ask_all([ok] * 10)
        right = all(r.outcome == "correct" and r.detail not in first for r in replies)
        pool.close()
        os._exit(0 if right else 1)
    children.append(pid)
here = {reply.detail for reply in pool.ask_all([ok] * 10)}
codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
after = {reply.detail for reply in pool.ask_all([ok] * 10)}
print(codes, here <= first, after <= first, *first)
"""


def run(program: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True, text=True, env=environment(), check=False, timeout=GUARD_S,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout


def test_forked_processes_use_workers_of_their_own_and_leave_the_parents_alone() -> None:
    assert run(FORKING, MISBEHAVING).startswith("[0, 0, 0] True True ")


def test_a_process_that_ends_without_closing_leaves_no_worker() -> None:
    for pid in map(int, run(FORKING, MISBEHAVING).split()[5:]):
        wait_until_gone(pid)


def test_a_pool_that_is_dropped_ends_its_workers() -> None:
    pool = misbehaving()
    pid = int(pool.ask(job("ok")).detail)
    del pool
    wait_until_gone(pid)
    assert not is_alive(pid)


def test_a_pickled_pool_starts_workers_of_its_own() -> None:
    with misbehaving(workers=2, timeout_s=3.0) as pool:
        first = pool.ask(job("ok"))
        with pickle.loads(pickle.dumps(pool)) as copy:
            assert (copy.command, copy.timeout_s) == (pool.command, 3.0)
            assert copy.ask(job("ok")).detail != first.detail


def test_a_pickled_judge_judges() -> None:
    with Judge("number") as judge:
        copy = pickle.loads(pickle.dumps(judge))
        assert copy.verdicts([(problem("3"), sample("3"))])[0].outcome is Outcome.CORRECT


def test_a_late_reply_is_not_taken_for_the_next() -> None:
    program = (
        "import json, sys\n"
        "print(json.dumps({'ready': True}), flush=True)\n"
        "for line in sys.stdin:\n"
        "    number = json.loads(line)['id']\n"
        "    print(json.dumps({'id': number - 1, 'outcome': 'wrong'}), flush=True)\n"
        "    print(json.dumps({'id': number, 'outcome': 'correct'}), flush=True)\n"
    )
    with WorkerPool([sys.executable, "-c", program], timeout_s=20) as pool:
        assert [pool.ask(job("ok")).outcome for _ in range(3)] == ["correct"] * 3


def test_each_reply_is_told_at_once_and_outlives_an_interrupt() -> None:
    told: list[int] = []

    def interrupt(place: int, reply: Reply) -> None:
        told.append(place)
        if place == 2:
            raise KeyboardInterrupt

    for workers in (1, 2):
        told.clear()
        with misbehaving(workers=workers) as pool, pytest.raises(KeyboardInterrupt):
            pool.ask_all([job("ok")] * 100, on_reply=interrupt)
        assert {0, 1, 2} <= set(told)
        assert len(told) < 10


def symbolic(n: int) -> str:
    return rf"\boxed{{\sqrt{{{n}}}}}"


@needs_math_verify
def test_what_was_judged_before_an_interrupt_is_not_judged_again() -> None:
    asked = problem(r"\sqrt{77}")
    pairs = [(asked, sample(symbolic(n), number=n)) for n in range(5)]

    class Interrupted(WorkerPool):
        left = 3

        def ask(self, job: Job) -> Reply:
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            return super().ask(job)

    with Interrupted([sys.executable, "-c", COUNTING], timeout_s=20) as pool:
        judge = Judge("math", pool=pool)
        with pytest.raises(KeyboardInterrupt):
            judge.verdicts(pairs)
        pool.left = 2
        assert [v.detail for v in judge.verdicts(pairs)] == ["1", "2", "3", "4", "5"]


@needs_math_verify
def test_threads_that_bring_the_same_answer_have_it_judged_once() -> None:
    pairs = [(problem(r"\sqrt{77}"), sample(symbolic(n), number=n)) for n in range(3)]
    with (
        WorkerPool([sys.executable, "-c", COUNTING], timeout_s=20) as pool,
        ThreadPoolExecutor(8) as threads,
    ):
        judge = Judge("math", pool=pool)
        found = list(threads.map(lambda _: judge.verdicts(pairs), range(8)))
    assert {tuple(verdict.detail for verdict in verdicts) for verdicts in found} == {
        ("1", "2", "3")
    }


@needs_math_verify
def test_a_thread_takes_over_what_another_was_interrupted_in() -> None:
    begun = threading.Event()

    class Halting(WorkerPool):
        n_asked = 0

        def ask(self, job: Job) -> Reply:
            self.n_asked += 1
            if self.n_asked == 1:
                begun.set()
                time.sleep(0.3)
                raise KeyboardInterrupt
            return super().ask(job)

    pairs = [(problem(r"\sqrt{77}"), sample(symbolic(2)))]
    with (
        Halting([sys.executable, "-c", COUNTING], timeout_s=20) as pool,
        ThreadPoolExecutor(2) as threads,
    ):
        judge = Judge("math", pool=pool)
        first = threads.submit(judge.verdicts, pairs)
        begun.wait(GUARD_S)
        second = threads.submit(judge.verdicts, pairs)
        assert [v.detail for v in second.result(GUARD_S)] == ["1"]
        with pytest.raises(KeyboardInterrupt):
            first.result(GUARD_S)


def test_closing_waits_for_a_job_of_another_thread() -> None:
    with misbehaving(timeout_s=20) as pool, ThreadPoolExecutor(1) as threads:
        pool.ask(job("ok"))
        asked = threads.submit(pool.ask_all, [job("ok")] * 50)
        for _ in range(5):
            pool.close()
        assert [reply.outcome for reply in asked.result(GUARD_S)] == ["correct"] * 50


def test_many_threads_many_jobs_each_gets_its_own_reply(tmp_path: Path) -> None:
    program = (
        "import json, sys\n"
        "print(json.dumps({'ready': True}), flush=True)\n"
        "for line in sys.stdin:\n"
        "    request = json.loads(line)\n"
        "    said = {'outcome': 'failed', 'detail': request['payload']['do']}\n"
        "    print(json.dumps(said), flush=True)\n"
    )
    with (
        WorkerPool([sys.executable, "-c", program], timeout_s=20, workers=3) as pool,
        ThreadPoolExecutor(16) as threads,
    ):
        names = [[f"{thread}-{n}" for n in range(20)] for thread in range(16)]
        replies = threads.map(lambda own: pool.ask_all([job(name) for name in own]), names)
        assert [[reply.detail for reply in own] for own in replies] == names
