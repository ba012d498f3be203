"""reasoning-gym's data sets, each audited in a child process that is killed when it overstays."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pathshift.problems.reasoning_gym import data_set_names
from pathshift.rollout.audit.bench import undetermined
from pathshift.rollout.audit.result import Audit, Finding, ordered
from pathshift.rollout.audit.subject import AuditOptions

GYM = "reasoning_gym"
MAX_BYTES = 16 * 2**20

_BOOTSTRAP = (
    "import sys; root = sys.argv[1]; root in sys.path or sys.path.insert(0, root); "
    "from pathshift.rollout.audit.child import main; sys.exit(main())"
)
_PASSED_ON = (
    *("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
    *("HOME", "TMPDIR", "LANG", "LC_ALL"),
)


def child_command() -> list[str]:
    """How to start a child: this Python, without the current folder. The request follows."""
    root = str(Path(__file__).resolve().parents[3])
    return [sys.executable, "-P", "-B", "-c", _BOOTSTRAP, root]


def audit_gym(
    options: AuditOptions,
    *,
    names: Iterable[str] | None = None,
    settings: Mapping[str, str] | None = None,
    on_done: Callable[[Audit, int, int], None] = lambda audit, done, of: None,
    command: Sequence[str] | None = None,
) -> list[Audit]:
    """Audit data sets of reasoning-gym, `options.workers` of them at a time.

    Args:
        names: Which; None for all of them, except `composite`, which is made of the others.
        settings: The data sets' own settings.
        on_done: Called with each audit as it is done, how many are, and of how many.
        command: What starts a child; this module's own.

    Raises:
        MissingExtra: reasoning-gym is not installed.
    """
    wanted = list(names) if names is not None else data_set_names()
    family = _Children(command or child_command())
    done: dict[str, Audit] = {}
    with ThreadPoolExecutor(options.workers) as threads:
        asked = {
            threads.submit(_audit_one, family, name, dict(settings or {}), options): name
            for name in wanted
        }
        try:
            for future in as_completed(asked):
                done[asked[future]] = future.result()
                on_done(done[asked[future]], len(done), len(wanted))
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            family.kill()
            raise
    return [done[name] for name in wanted]


def _audit_one(
    family: _Children, name: str, settings: dict[str, str], options: AuditOptions
) -> Audit:
    started = time.monotonic()
    request = {"name": name, "settings": list(settings.items()), "options": asdict(options)}
    first, doing = family.ask({**request, "mode": "audit"}, hash_seed=0, limit_s=options.wall_s)
    if "audit" not in first:
        finding = _unfinished(first, doing)
        audit = Audit(
            task=f"{GYM}:{name}", verifier="its own scorer", n_problems=0, seed=options.seed,
            findings=(finding,),
        )  # fmt: skip
        return replace(audit, seconds=round(time.monotonic() - started, 2))
    audit = Audit.from_dict(first["audit"])
    # Python orders sets of strings by a seed of its own: another process may draw other problems.
    again, doing = family.ask({**request, "mode": "contents"}, hash_seed=1, limit_s=options.wall_s)
    more = []
    if "contents" not in again:
        more = [_unfinished(again, f"{doing}, in a second process")]
    elif again["contents"] != first["contents"][: options.limit // 2]:
        more = [undetermined("another Python process draws other problems from the same seed")]
    audit = replace(audit, findings=ordered([*audit.findings, *more]))
    return replace(audit, seconds=round(time.monotonic() - started, 2))


def _unfinished(message: Mapping[str, Any], doing: str) -> Finding:
    if "killed" in message:
        return Finding(
            severity="error", name="killed", seen=f"{message['killed']} while at: {doing}",
            advice="the generator or the scorer hangs or is slow; lower --limit or raise --wall",
        )  # fmt: skip
    return Finding(
        severity="error", name="crashes", seen=f"{message['failed']} while at: {doing}",
        advice="the generator or the scorer does not survive an audit; do not train on it",
    )  # fmt: skip


class _Children:
    """Starts children, and can kill all that run."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)
        self._running: set[subprocess.Popen[bytes]] = set()
        self._is_stopped = False

    def kill(self) -> None:
        """Kill every child that runs, and start no more."""
        self._is_stopped = True
        for process in list(self._running):
            _kill(process)

    def ask(
        self, request: Mapping[str, Any], *, hash_seed: int, limit_s: float
    ) -> tuple[dict[str, Any], str]:
        """The child's last word, and the probe it was at.

        The word has "audit", "contents", "failed" (why it gave up) or "killed" (why it was).
        """
        if self._is_stopped:
            return {"failed": "interrupted"}, "start"
        process = subprocess.Popen(
            [*self._command, json.dumps(request)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(hash_seed),
            start_new_session=True,
        )
        self._running.add(process)
        try:
            return _last_word(process, limit_s)
        finally:
            _kill(process)
            self._running.discard(process)


def _last_word(process: subprocess.Popen[bytes], limit_s: float) -> tuple[dict[str, Any], str]:
    assert process.stdout is not None
    deadline, received, doing = time.monotonic() + limit_s, b"", "start"
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                return {"killed": f"killed after {limit_s:g} s"}, doing
            part = os.read(process.stdout.fileno(), 65_536)
            received += part
            if not part or len(received) > MAX_BYTES:
                why = "wrote too much" if part else f"ended with status {process.wait()}"
                return {"failed": f"the child {why}"}, doing
            *lines, received = received.split(b"\n")
            for message in map(_message, lines):
                if "doing" not in message:
                    return message, doing
                doing = str(message["doing"])


def _message(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:
        message = None
    return message if isinstance(message, dict) else {"failed": "the child wrote no JSON object"}


def _kill(process: subprocess.Popen[bytes]) -> None:
    # Before the wait: until the process is reaped, its number cannot belong to another.
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _environment(hash_seed: int) -> dict[str, str]:
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**passed, "PYTHONHASHSEED": str(hash_seed), "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1"}  # fmt: skip
