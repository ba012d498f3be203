"""The sandbox's child process: builds the walls, starts the program behind them, runs the tests.

It is started anew for each program. Through its standard input come two messages: first the program
and the limits; then, read only after the program's process was split off, the tests. Its standard
output takes one line: the result, and which walls stand. Standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from pathshift.verify import sandbox_candidate, sandbox_walls
from pathshift.verify.sandbox_frames import read_frame
from pathshift.verify.sandbox_tests import Program, run_tests

_TESTS_OWN_CPU_S = 10
_TESTS_OWN_MEMORY = 2**29
_HANDLES, _TASKS = 64, 64


def main() -> NoReturn:
    """Judges one program and ends."""
    job = read_frame(0)
    out, nothing = os.dup(1), os.open(os.devnull, os.O_RDWR)
    for standard in (1, 2):
        os.dup2(nothing, standard)
    random.seed(0)  # tests that draw without a seed are the same every time
    walls = _Walls(job)
    requests, replies = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(nothing, 0)
        _close_all_but(requests[0], replies[1])
        walls.around_program()
        random.seed(0)  # a fork seeds anew
        sandbox_candidate.serve(job["programs"], requests[0], replies[1])
    os.close(requests[0])
    os.close(replies[1])
    program = Program(pid, requests[1], replies[0], cpu_s=job["cpu_s"])
    walls.around_tests()
    result = run_tests(program, read_frame(0))
    program.end()
    line = json.dumps({**result, "walls": sorted(walls.standing)})
    os.write(out, line.encode("ascii") + b"\n")
    os._exit(0)


class _Walls:
    """The walls of one sandbox; those around both processes stand once it is made."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        self._job = job
        self._uid = sandbox_walls.FIRST_UID + 2 * os.getpid()
        self.standing = sandbox_walls.enter_namespaces(job["walls"])
        libraries = [path for path in sys.path if os.path.isdir(path)]  # noqa: PTH112
        self._libraries = libraries
        if "files" in self.standing and not sandbox_walls.enter_own_root(
            job["work"], libraries, job["hidden"]
        ):
            self.standing.discard("files")
        is_open = "files" in self.standing or all(map(sandbox_walls.is_open_to_all, libraries))
        self._reads_all = os.geteuid() == 0 and "uid" in job["walls"] and not is_open
        if "files" not in self.standing:
            os.chdir(job["work"])
            if os.geteuid() == 0:
                with contextlib.suppress(OSError):
                    os.chown(".", self._uid, -1)
        sandbox_walls.hide_memory()

    def around_program(self) -> None:
        """The last walls, for this process alone: the one that will run the program."""
        here = os.getcwd()  # noqa: PTH109
        os.environ.update({"HOME": here, "TMPDIR": here})
        job = self._job
        own = {"FSIZE": job["file_bytes"], "MSGQUEUE": 0}
        self._close(self._uid, {"CPU": job["cpu_s"], "AS": job["memory"], **own})

    def around_tests(self) -> None:
        """The same around the tests, which are not the model's but may be a stranger's."""
        job = self._job
        cpu_s, memory = job["cpu_s"] + _TESTS_OWN_CPU_S, job["memory"] + _TESTS_OWN_MEMORY
        self.standing |= self._close(self._uid + 1, {"CPU": cpu_s, "AS": memory, "FSIZE": 0})

    def _close(self, uid: int, limits: Mapping[str, int]) -> set[str]:
        standing = set()
        wanted = self._job["walls"]
        if "uid" in wanted and sandbox_walls.become_nobody(uid, may_read_all=self._reads_all):
            standing.add("uid")
        sandbox_walls.die_with_parent()
        sandbox_walls.limit({**limits, "NOFILE": _HANDLES, "NPROC": _TASKS, "CORE": 0})
        sandbox_walls.drop_rights(may_read_all=self._reads_all)
        if "paths" in wanted and sandbox_walls.close_paths(self._libraries, os.getcwd()):  # noqa: PTH109
            standing.add("paths")
        if "calls" in wanted and sandbox_walls.bar():
            standing.add("calls")
        return standing


def _close_all_but(*kept: int) -> None:
    for number in range(3, _HANDLES):
        if number not in kept:
            with contextlib.suppress(OSError):
                os.close(number)
