"""Run a program that a model wrote against tests, in a process that can do no harm and be killed.

    with Sandbox() as sandbox:
        finding = sandbox.run(Trial(program=..., setup=..., tests=..., names=("f",)))

Two processes, started anew for each program: one runs the program, the other the tests. A test
that calls `f(1)` sends the arguments through a pipe and gets a plain value back, so what the tests
expect is never in the memory of the program, and what it prints, overrides, patches or exits with
decides nothing: the result is the tests' own, over a pipe that the program does not hold.

Around both stand walls, as many as the system allows: own namespaces of files, processes, network,
IPC and users; another user; barred system calls; limits on processor time, memory, files, tasks; an
empty folder; no inherited environment. `docs/sandbox.md` says what each stops, what is not stopped
where it is missing, and what no wall of this kind stops. POSIX systems; all walls on Linux only.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Self

from pathshift.errors import ConfigError
from pathshift.verify.sandbox_frames import MAX_FRAME_BYTES, frame

WALLS = ("user", "files", "ipc", "net", "pids", "uid", "paths", "calls")
"""Every wall that can be left out; limits, the empty folder and environment always stand."""

_MAX_LINE_BYTES = 65_536

# The packages above are not run: importing them would take longer than most programs.
_BOOTSTRAP = """
import sys, types
for name, folder in zip(("pathshift", "pathshift.verify"), sys.argv[1:]):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder]
del sys.argv[1:]
from pathshift.verify.sandbox_child import main
main()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one program may use.

    Attributes:
        cpu_s: Processor time of the program over all its tests, in whole seconds; beyond it the
            program has failed.
        wall_s: Time in all; beyond it nothing is said of the program, for the machine may be busy.
        memory: Address space, in bytes.
        file_bytes: Largest file it may write.
        walls: Those to build, of `WALLS`; fewer for tests of what the others stop.
    """

    cpu_s: int = 5
    wall_s: float = 50.0
    memory: int = 2**30
    file_bytes: int = 16 * 2**20
    walls: tuple[str, ...] = WALLS

    def __post_init__(self) -> None:
        if self.cpu_s < 1 or not self.wall_s > 0:
            raise ConfigError(
                "a program needs at least 1 s of processor time and some of the clock's, got "
                f"{self.cpu_s} and {self.wall_s:g}"
            )
        if self.memory < 2**27 or self.file_bytes < 0:
            raise ConfigError(f"a program needs at least 128 MiB of memory, got {self.memory}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A program and what it is put to.

    Attributes:
        program: Source of the program; hostile.
        otherwise: Sources to take in its place, in this order, while it is no valid Python.
        setup: Source that the tests need, run beside them and not beside the program.
        tests: Source of the tests; they pass if it runs to its end without an exception.
        names: Functions of the program that the tests call.
    """

    program: str
    otherwise: tuple[str, ...] = ()
    setup: str = ""
    tests: str
    names: tuple[str, ...]


class Result(StrEnum):
    """What became of a trial.

    PASSED and FAILED are about the program. BROKEN: these tests can judge no program. LOST: the
    process ended or was stopped for a reason that need not be the program's.
    """

    PASSED = "passed"
    FAILED = "failed"
    BROKEN = "broken"
    LOST = "lost"


class Finding(NamedTuple):
    """A result, why, and the walls that stood; no walls are known where it was lost."""

    result: Result
    detail: str = ""
    walls: frozenset[str] = frozenset()


class Sandbox:
    """Runs trials, each in processes of its own. Safe to use from several threads.

    Attributes:
        limits: Of each program.
        workers: Trials that run at a time in `run_all`.

    Raises:
        ConfigError: `workers` is below 1, or the system is not POSIX.
    """

    def __init__(self, limits: Limits | None = None, *, workers: int = 1) -> None:
        if os.name != "posix":
            raise ConfigError("programs can be run on a POSIX system only (Linux, macOS)")
        if workers < 1:
            raise ConfigError(f"the sandbox needs at least 1 worker, got {workers}")
        self.limits = limits or Limits()
        self.workers = workers
        self._hidden = _hidden_folders()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing outlives a trial, so there is nothing to end."""

    def run(self, trial: Trial) -> Finding:
        """What becomes of one trial. Never raises for what the program does."""
        work = tempfile.mkdtemp(prefix="pathshift-")
        try:
            messages = frame(self._job(trial, work)) + frame(_tests(trial))
            if len(messages) > MAX_FRAME_BYTES:
                return Finding(Result.BROKEN, f"{len(messages)} bytes of program and tests")
            with _Child(work) as child:
                return child.finding(messages, limit_s=self.limits.wall_s)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def run_all(
        self,
        trials: Sequence[Trial],
        *,
        on_finding: Callable[[int, Finding], None] = lambda place, finding: None,
    ) -> list[Finding]:
        """The findings in the order of the trials, several at a time.

        Args:
            on_finding: Called with a trial's place and its finding as soon as there is one, from
                any thread, so that an interrupted caller keeps what was done.
        """

        def run(place: int) -> Finding:
            finding = self.run(trials[place])
            on_finding(place, finding)
            return finding

        with ThreadPoolExecutor(self.workers) as threads:
            futures = [threads.submit(run, place) for place in range(len(trials))]
            try:
                return [future.result() for future in futures]
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                raise

    def _job(self, trial: Trial, work: str) -> dict[str, object]:
        limits = self.limits
        return {
            "programs": [trial.program, *trial.otherwise], "work": work, "hidden": self._hidden,
            "cpu_s": limits.cpu_s, "memory": limits.memory, "file_bytes": limits.file_bytes,
            "walls": list(limits.walls),
        }  # fmt: skip


def standing_walls(limits: Limits | None = None) -> frozenset[str]:
    """The walls that this system lets us build, found out by building them."""
    trial = Trial(program="def f(): return 1", tests="assert f() == 1", names=("f",))
    return Sandbox(limits).run(trial).walls


def _tests(trial: Trial) -> dict[str, object]:
    return {"setup": trial.setup, "tests": trial.tests, "names": list(trial.names)}


def _hidden_folders() -> list[str]:
    """Installed packages, and this one: the answers to bundled problems lie in it."""
    paths = sysconfig.get_paths()
    own = Path(__file__).resolve().parents[1]
    packages = Path(sysconfig.get_paths()["stdlib"])
    return [
        paths["purelib"], paths["platlib"], str(own),
        *(str(folder / name) for folder in (packages, Path("/usr/lib/python3"))
          for name in ("site-packages", "dist-packages")),
    ]  # fmt: skip


class _Child:
    """One child process and the end of it, whatever happens."""

    def __init__(self, work: str) -> None:
        verify = Path(__file__).resolve().parent
        environment = {"HOME": work, "TMPDIR": work, "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0"}
        for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"):
            if name in os.environ:
                environment[name] = os.environ[name]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-S", "-B", "-c", _BOOTSTRAP, str(verify.parent), str(verify)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=environment, cwd="/", bufsize=0, start_new_session=True,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Before the wait: until the process is reaped, its number cannot belong to another.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def finding(self, messages: bytes, *, limit_s: float) -> Finding:
        """Sends both messages and waits for one line; LOST where it does not come in time."""
        deadline = time.monotonic() + limit_s
        line = self._exchange(messages, deadline)
        if line is None:
            return Finding(Result.LOST, f"no result within {limit_s:g} s of the clock")
        try:
            said = json.loads(line)
            return Finding(Result(said["result"]), said["detail"], frozenset(said["walls"]))
        except (ValueError, KeyError, TypeError):
            return Finding(Result.LOST, f"the sandbox ended without a result{self._status()}")

    def _exchange(self, unsent: bytes, deadline: float) -> bytes | None:
        """What the process wrote up to the line's or its own end; None after the deadline."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        os.set_blocking(stdin.fileno(), False)
        received = b""
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            selector.register(stdin, selectors.EVENT_WRITE)
            while b"\n" not in received and len(received) <= _MAX_LINE_BYTES:
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                if not ready:
                    return None
                for key, _ in ready:
                    if key.fileobj is stdin:
                        unsent = self._send(unsent, selector)
                    elif part := os.read(stdout.fileno(), _MAX_LINE_BYTES):
                        received += part
                    else:
                        return received
        return received

    def _send(self, unsent: bytes, selector: selectors.BaseSelector) -> bytes:
        stdin = self._process.stdin
        assert stdin is not None
        try:
            unsent = unsent[os.write(stdin.fileno(), unsent[:65_536]) :]
        except BrokenPipeError:
            unsent = b""
        if not unsent:
            selector.unregister(stdin)
        return unsent

    def _status(self) -> str:
        try:
            code = self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            return ""
        return f" (signal {-code})" if code < 0 else f" (exit code {code})"
