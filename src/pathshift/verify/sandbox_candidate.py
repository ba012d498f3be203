"""The process in which the program under test runs: calls come in, plain values go out.

It knows the program and the arguments of the calls made so far; the tests and what they expect were
never in its memory. Standard library only.
"""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from pathshift.verify import sandbox_values
from pathshift.verify.sandbox_frames import read_frame, write_frame

MODULE = "candidate"
"""`__name__` of the program: what stands under `if __name__ == "__main__"` does not run."""


def serve(programs: Sequence[str], requests: int, replies: int) -> NoReturn:
    """Runs the program, then answers calls until there are no more; never returns.

    Args:
        programs: Its source, and what is taken in its place if it is no valid Python.
        requests: File number to read calls from.
        replies: File number to write what they return or raise to.
    """
    objects: list[object] = []
    module = types.ModuleType(MODULE)
    sys.modules[MODULE] = module
    failure = _run(programs, module)
    while True:
        call = read_frame(requests)
        if call is None:
            os._exit(0)
        reply = failure or _answer(call, module, objects)
        write_frame(replies, reply)


def _run(programs: Sequence[str], module: types.ModuleType) -> dict[str, str] | None:
    try:
        exec(_compiled(programs), module.__dict__)
    except BaseException as error:  # noqa: BLE001  whatever the program raises is its answer
        return _raised(error)
    return None


def _compiled(programs: Sequence[str]) -> types.CodeType:
    """The first that compiles; the error of the very first where none does."""
    first: BaseException | None = None
    for program in programs:
        try:
            return compile(program, "<program>", "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            first = first or error
    assert first is not None
    raise first


def _answer(
    call: Mapping[str, Any], module: types.ModuleType, objects: list[object]
) -> dict[str, str]:
    def keep(value: object) -> int:
        objects.append(value)
        return len(objects) - 1

    try:
        function = module.__dict__[call["name"]]
    except KeyError:
        return _raised(NameError(f"name {call['name']!r} is not defined"))
    try:
        args, kwargs = sandbox_values.loads(call["arguments"], objects.__getitem__)
        return {"value": sandbox_values.dumps(function(*args, **kwargs), keep)}
    except BaseException as error:  # noqa: BLE001  as above
        return _raised(error)


def _raised(error: BaseException) -> dict[str, str]:
    kind = next(
        (c.__name__ for c in type(error).__mro__ if c.__module__ == "builtins"), "Exception"
    )
    return {"raised": str(kind)}
