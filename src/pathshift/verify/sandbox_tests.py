"""The process in which the tests run: functions of the program are called through two pipes.

What the tests compare are values of this process, so the program cannot see what is expected, nor
change how it is compared, nor end the tests early: if it dies, the call that waits for it fails.
Standard library only.
"""

from __future__ import annotations

import builtins
import os
import select
import signal
from collections.abc import Callable, Mapping
from typing import Any

from pathshift.verify import sandbox_values
from pathshift.verify.sandbox_frames import BadFrame, read_frame, write_frame
from pathshift.verify.sandbox_values import NotPlain

_LOOK_S = 0.05


class Gone(BaseException):
    """The program can no longer be called. No `Exception`: a test must not catch it."""


class Program:
    """The process of the program under test.

    Attributes:
        cpu_s: Processor time it may use.
        lost: Why it can no longer be called; empty while it can.
        is_fault_of_program: Whether that is its own doing.
        unpassable: What a test tried to hand over that is not plain; empty if nothing.
        n_calls: Calls made.
    """

    def __init__(self, pid: int, requests: int, replies: int, *, cpu_s: int) -> None:
        self.cpu_s = cpu_s
        self.lost = ""
        self.is_fault_of_program = True
        self.unpassable = ""
        self.n_calls = 0
        self._pid, self._requests, self._replies = pid, requests, replies
        self._is_reaped = False

    def function(self, name: str) -> Callable[..., Any]:
        """A function that calls the program's function of that name."""

        def call(*args: Any, **kwargs: Any) -> Any:
            return self._call(name, args, kwargs)

        call.__name__ = call.__qualname__ = name
        return call

    def end(self) -> None:
        """Kills the process."""
        if not self._is_reaped:
            try:
                os.kill(self._pid, signal.SIGKILL)
            except OSError:
                return  # it is barred to us; the process dies with this one

    def _call(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        if self.lost:
            raise Gone(self.lost)
        self.n_calls += 1
        reply = self._exchange({"name": name, "arguments": self._packed(args, kwargs)})
        if "raised" in reply:
            raise _as_builtin(str(reply["raised"]))
        text = reply.get("value")
        if not isinstance(text, str):
            raise self._gone("it wrote something else than a reply")
        try:
            return sandbox_values.loads(text)
        except NotPlain as error:
            raise self._gone(str(error)) from None

    def _packed(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        try:
            return sandbox_values.dumps([list(args), dict(kwargs)], _number_of)
        except (NotPlain, RecursionError) as error:
            self.unpassable = str(error)
            raise Gone(self.unpassable) from None

    def _exchange(self, request: object) -> Mapping[str, Any]:
        try:
            write_frame(self._requests, request)
            while not select.select([self._replies], [], [], _LOOK_S)[0]:
                self._look()
            reply = read_frame(self._replies)
        except (OSError, BadFrame) as error:
            self._look()
            raise self._gone(f"it wrote no reply ({type(error).__name__})") from None
        if reply is None:
            self._wait()
            raise self._gone("it closed its pipe")
        if not isinstance(reply, dict):
            raise self._gone("it wrote something else than a reply")
        return reply

    def _gone(self, why: str) -> Gone:
        self.lost = self.lost or why
        return Gone(self.lost)

    def _wait(self) -> None:
        for _ in range(100):
            self._look()
            select.select([], [], [], 0.01)

    def _look(self) -> None:
        """Raises Gone if the process has ended."""
        pid, status, used = os.wait4(self._pid, os.WNOHANG)
        if pid == 0:
            return
        self._is_reaped = True
        code = os.waitstatus_to_exitcode(status)
        used_s = used.ru_utime + used.ru_stime
        is_over = used_s > self.cpu_s - 0.5
        # The limit is enforced by this signal too, so only another cause makes it a stranger's.
        self.is_fault_of_program = code != -signal.SIGKILL or is_over
        if is_over:
            raise self._gone(f"it used its {self.cpu_s} s of processor time")
        raise self._gone(f"it ended with {'signal' if code < 0 else 'code'} {abs(code)}")


def run_tests(program: Program, tests: Mapping[str, Any]) -> dict[str, str]:
    """What the tests say of the program: `result` and, where there is more to say, `detail`.

    The result is passed, failed, broken (the tests cannot judge any program) or lost (the program's
    process ended by no fault of its own).

    Args:
        program: The process.
        tests: `setup`, run first; `names` of the program's functions; `tests`, run with them.
    """
    space: dict[str, Any] = {"__name__": "tests", "__builtins__": builtins}
    try:
        exec(compile(tests["setup"], "<setup>", "exec", dont_inherit=True), space)
        code = compile(tests["tests"], "<tests>", "exec", dont_inherit=True)
    except BaseException as error:  # noqa: BLE001  a fault of the tests, whatever it is
        return {"result": "broken", "detail": f"the setup or the tests: {_named(error)}"}
    space.update({name: program.function(name) for name in tests["names"]})
    failure = ""
    try:
        exec(code, space)
    except BaseException as error:  # noqa: BLE001  a failed test, whatever it raises
        failure = _named(error)
    return _result(program, failure)


def _result(program: Program, failure: str) -> dict[str, str]:
    if program.unpassable:
        return {"result": "broken", "detail": f"a test hands over {program.unpassable}"}
    if program.lost:
        result = "failed" if program.is_fault_of_program else "lost"
        return {"result": result, "detail": f"the program: {program.lost}"}
    if failure:
        return {"result": "failed", "detail": failure}
    if not program.n_calls:
        return {"result": "broken", "detail": "the tests never call the program"}
    return {"result": "passed", "detail": ""}


def _as_builtin(name: str) -> BaseException:
    """An exception of that name; one that is no `Exception` (SystemExit) becomes a RuntimeError."""
    kind = getattr(builtins, name, None)
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        kind = RuntimeError
    try:
        raised: BaseException = kind("raised by the program")
    except TypeError:
        raised = RuntimeError("raised by the program")
    return raised


def _number_of(value: object) -> int:
    if isinstance(value, sandbox_values.Handle):
        return value.number
    raise NotPlain(f"a value of type {type(value).__name__}")


def _named(error: BaseException) -> str:
    try:
        text = str(error)[:200]
    except Exception:  # noqa: BLE001  it may hold a number of too many digits to be written
        text = ""
    return f"{type(error).__name__}: {text}"
