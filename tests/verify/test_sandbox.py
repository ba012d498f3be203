"""Hostile programs, as root and not, with all walls and with some missing: none passes or harms."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.verify import attacks
from tests.verify.attacks import ATTACKS, ENDLESS, SECRET, WAITING, WITHOUT

from pathshift.errors import ConfigError
from pathshift.verify.sandbox import WALLS, Finding, Limits, Result, Sandbox, Trial, standing_walls
from pathshift.verify.sandbox_walls import FIRST_UID

IS_ROOT = os.geteuid() == 0
STANDING = standing_walls()
NAMESPACES = ("user", "files", "ipc", "net", "pids")
NOBODY = 65_534
NO_BARRED_CALLS = (*NAMESPACES, "uid")


@dataclass
class Scene:
    """What the attacks aim at."""

    outside: Path
    server: socket.socket
    victim: subprocess.Popen[bytes]

    @property
    def aims(self) -> dict[str, object]:
        return {
            "outside": self.outside,
            "port": self.server.getsockname()[1],
            "victim": self.victim.pid,
        }

    def check_unharmed(self) -> None:
        assert self.victim.poll() is None
        assert [path.name for path in self.outside.iterdir()] == ["canary"]
        self.server.setblocking(False)
        with pytest.raises(BlockingIOError):
            self.server.accept()


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setenv("API_KEY", SECRET)
    # Not pytest's own folder: that is closed to others, and would stop what a wall should.
    outside = Path(tempfile.mkdtemp())
    (outside / "canary").write_text("sings", encoding="utf-8")
    victim = subprocess.Popen(["sleep", "600"])
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield Scene(outside, server, victim)
    victim.kill()
    victim.wait()
    shutil.rmtree(outside)


def check_results(results: dict[str, list[object]]) -> None:
    assert set(results) in (set(ATTACKS), set(WITHOUT), set(WITHOUT) - set(ENDLESS))
    assert {name: said for name, said in results.items() if said[0] != "failed"} == {}


def processes_of_sandboxes() -> set[str]:
    """Processes of users that only sandboxes take."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if folder.stat().st_uid >= FIRST_UID:
                found.add(folder.name)
    return found


def check_gone(processes: set[str]) -> None:
    """None of them is there for long; those of another test run end by themselves."""
    deadline = time.monotonic() + 60
    while left := processes & processes_of_sandboxes():
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


@pytest.mark.parametrize(
    "walls",
    [WALLS, ("uid", "calls"), NO_BARRED_CALLS],
    ids=["all walls", "no namespaces", "no barred calls"],
)
def test_no_attack_passes_or_harms(walls: tuple[str, ...], scene: Scene) -> None:
    if not IS_ROOT and not set(NAMESPACES) & STANDING & set(walls):
        pytest.skip("without namespaces another user's files and processes are not protected")
    before = processes_of_sandboxes()
    results = attacks.run_all(walls, **scene.aims)  # type: ignore[arg-type]
    check_results(results)
    scene.check_unharmed()
    check_gone(processes_of_sandboxes() - before)


def python_for_all() -> str:
    """A Python that any user may start; this one often lies in root's own folder."""
    for name in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        command = [name, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        try:
            if subprocess.run(command, user=NOBODY, group=NOBODY, extra_groups=[]).returncode == 0:
                return name
        except OSError:
            continue
    pytest.skip("no Python from 3.11 on that any user may start")


@pytest.mark.skipif(not IS_ROOT, reason="is run as another user anyway")
@pytest.mark.parametrize("walls", [WALLS, ("paths", "calls")], ids=["all walls", "no namespaces"])
def test_no_attack_passes_or_harms_as_another_user(walls: tuple[str, ...], scene: Scene) -> None:
    if "paths" in walls and "paths" not in STANDING:
        pytest.skip("without namespaces and Landlock, processes of one user see each other")
    root = Path(__file__).resolve().parents[2]
    with tempfile.TemporaryDirectory() as home:
        # A copy, for a checkout may lie in a folder that only its owner may enter.
        shutil.copytree(root / "src" / "pathshift", f"{home}/pathshift", ignore=_no_caches)
        shutil.copy(attacks.__file__, home)
        Path(home).chmod(0o755)
        done = subprocess.run(
            [python_for_all(), "-B", f"{home}/attacks.py", ",".join(walls),
             *(str(aim) for aim in scene.aims.values())],
            env={"PYTHONPATH": home, "API_KEY": SECRET}, cwd="/", capture_output=True, text=True,
            user=NOBODY, group=NOBODY, extra_groups=[],
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["uid"] == NOBODY
    check_results(said["results"])
    scene.check_unharmed()


def _no_caches(folder: str, names: list[str]) -> list[str]:
    del folder
    return [name for name in names if name == "__pycache__"]


@pytest.mark.parametrize("name", WAITING)
def test_a_program_that_waits_is_ended_and_nothing_is_said_of_it(name: str) -> None:
    trial = Trial(program=WAITING[name], tests=attacks.TESTS, names=("add",))
    finding = Sandbox(Limits(cpu_s=1, wall_s=1.5)).run(trial)
    assert finding.result is Result.LOST
    assert "1.5 s" in finding.detail


@pytest.mark.parametrize("name", ENDLESS)
def test_without_barred_calls_the_clock_ends_these_and_all_they_started(name: str) -> None:
    if "pids" not in STANDING:
        pytest.skip("without a namespace of processes nothing else would stop a fork bomb")
    before = processes_of_sandboxes()
    trial = Trial(program=ATTACKS[name], tests=attacks.TESTS, names=("add",))
    finding = Sandbox(Limits(cpu_s=1, wall_s=3.0, walls=NO_BARRED_CALLS)).run(trial)
    assert finding.result is Result.LOST
    check_gone(processes_of_sandboxes() - before)


def run(program: str, tests: str, *names: str, setup: str = "", **limits: int) -> Finding:
    sandbox = Sandbox(Limits(**limits))  # type: ignore[arg-type]
    return sandbox.run(Trial(program=program, tests=tests, names=names or ("f",), setup=setup))


RIGHT = [
    ("def f(x): return x + 1", "assert f(1) == 2"),
    ("def f(*a, **k): return a, k", "assert f(1, b=2) == ((1,), {'b': 2})"),
    ("def f(): return {1: {2.5, None}, 'é': (b'x', 1j, frozenset())}",
     "assert f() == {1: {2.5, None}, 'é': (b'x', 1j, frozenset())}"),
    ("def f(n): return 2 ** n", "assert f(10_000) == 1 << 10_000"),
    ("def f(): return range(3)", "assert f() == range(3) and f() != [0, 1, 2]"),
    ("def f(): yield from 'ab'", "assert list(f()) == ['a', 'b']"),
    ("from collections import Counter\ndef f(x): return Counter(x)", "assert f('aa') == {'a': 2}"),
    ("def f(): raise KeyError('no')",
     "try: f()\nexcept KeyError: pass\nelse: raise AssertionError"),
    ("class E(ValueError): pass\ndef f(): raise E",
     "try: f()\nexcept ValueError: pass\nelse: raise AssertionError"),
    ("class P:\n    def __init__(self, x): self.x = x\ndef f(p): return p.x",
     "assert f(P(3)) == 3 and P(1) != P(1)"),
    ("n = 0\ndef f():\n    global n\n    n += 1\n    return n", "assert (f(), f()) == (1, 2)"),
    ("import tempfile, os\ndef f():\n    with open('x', 'w') as t: t.write('ab')\n"
     "    with tempfile.TemporaryFile() as t: t.write(b'x')\n    return os.listdir()",
     "assert f() == ['x']"),
    ("import threading\ndef f():\n    x = []\n"
     "    t = threading.Thread(target=x.append, args=(1,))\n    t.start()\n    t.join()\n"
     "    return x",
     "assert f() == [1]"),
    ("import re, math, json, itertools, heapq, datetime, decimal, statistics, hashlib, random\n"
     "def f(): return hashlib.md5(b'').hexdigest()[:4]", "assert f() == 'd41d'"),
    ("from dataclasses import dataclass\n@dataclass\nclass C:\n    x: int\n"
     "def f(): return C(1).x", "assert f() == 1"),
    ("def f(): return 1\nif __name__ == '__main__': raise SystemExit", "assert f() == 1"),
]  # fmt: skip


@pytest.mark.parametrize(("program", "tests"), RIGHT)
def test_a_right_program_passes(program: str, tests: str) -> None:
    names = ("f", "P") if "class P" in program else ("f",)
    finding = run(program, tests, *names)
    assert finding.result is Result.PASSED, finding.detail


BROKEN = [
    ("assert f(", "setup or the tests"),
    ("assert True", "never call"),
    ("assert f(lambda: 1) == 1", "hands over a value of type function"),
    ("try: f(print)\nexcept BaseException: pass", "hands over"),
]


@pytest.mark.parametrize(("tests", "says"), BROKEN)
def test_tests_that_can_judge_no_program_are_broken_not_failed(tests: str, says: str) -> None:
    finding = run("def f(x=None): return 1", tests)
    assert finding.result is Result.BROKEN
    assert says in finding.detail


def test_a_test_that_catches_everything_does_not_hide_that_the_program_is_gone() -> None:
    finding = run("import os\nos._exit(0)", "try: f()\nexcept BaseException: pass")
    assert finding.result is Result.FAILED


@pytest.mark.parametrize(
    ("program", "tests"),
    [
        ("def f(): return 1 << 50_000", "x = f()\nassert x == 2, x"),
        ("def f(): raise UnicodeDecodeError('a', b'', 0, 1, '')", "f()"),
        ("def f(): raise ExceptionGroup('x', [OSError()])", "f()"),
        ("def f(): raise AssertionError", "f()"),
        ("def f(): return {float('nan'): [], 1j: {2, 3}}", "assert f() < f()"),
    ],
)
def test_odd_values_and_errors_do_not_upset_the_tests_process(program: str, tests: str) -> None:
    assert run(program, tests).result is Result.FAILED


def test_the_first_source_that_is_valid_is_the_program() -> None:
    trial = Trial(
        program="def f(: pass", otherwise=("def f(): return 2", "def f(): return 3"),
        tests="assert f() == 2", names=("f",),
    )  # fmt: skip
    assert Sandbox().run(trial).result is Result.PASSED


def test_the_setup_runs_beside_the_tests_only() -> None:
    setup = "def helper(): return 7"
    assert run("def f(): return 7", "assert f() == helper()", setup=setup).result is Result.PASSED
    stolen = run("def f(): return helper()", "assert f() == helper()", setup=setup)
    assert stolen.result is Result.FAILED


def test_a_program_cannot_replace_what_the_tests_did_not_ask_it_for() -> None:
    program = "def f(): return 1\ndef abs(x): return 0\ndef helper(): return 1"
    tests = "assert abs(-2) == 2 and f() == helper()"
    assert run(program, tests, setup="def helper(): return 3").result is Result.FAILED


def test_chance_and_the_order_of_sets_are_the_same_in_every_run() -> None:
    program = "import random\ndef f(): return [random.random(), *{'a', 'b', 'c', 'd'}]"
    first, second = (run(program, "raise ValueError(f())").detail for _ in range(2))
    assert first == second
    assert "0." in first


SEEN_BEHIND_WALLS = {
    "files": (
        "import os\ndef f(): return sorted(os.listdir('/tmp')), os.path.exists('/etc/passwd')",
        "assert f() == ([], False)",
    ),
    "pids": ("import os\ndef f(): return os.getpid()", "assert f() == 1"),
    "uid": ("import os\ndef f(): return os.getuid(), os.getgroups()",
            f"assert f()[0] >= {NOBODY} and f()[1] == []"),
    "calls": ("import socket\ndef f(): socket.socket()",
              "try: f()\nexcept PermissionError: pass\nelse: raise AssertionError"),
}  # fmt: skip


@pytest.mark.parametrize("wall", SEEN_BEHIND_WALLS)
def test_a_wall_that_is_said_to_stand_does(wall: str) -> None:
    if wall not in STANDING:
        pytest.skip(f"this system does not allow the wall {wall}")
    finding = run(*SEEN_BEHIND_WALLS[wall])
    assert finding.result is Result.PASSED, finding.detail


def test_without_an_own_root_other_paths_cannot_be_opened_all_the_same() -> None:
    if "paths" not in STANDING:
        pytest.skip("this system does not allow the wall paths")
    program = (
        "import os\ndef f():\n    seen = []\n"
        "    for path in ('/etc/passwd', '/proc/1/status', '/proc/self/fd', '/root', '/tmp'):\n"
        "        try: os.close(os.open(path, os.O_RDONLY))\n        except PermissionError: pass\n"
        "        else: seen.append(path)\n"
        "    open('own', 'w').write('x')\n    return seen, open('own').read()\n"
    )
    trial = Trial(program=program, tests="assert f() == ([], 'x')", names=("f",))
    finding = Sandbox(Limits(walls=("uid", "paths"))).run(trial)
    assert finding.result is Result.PASSED, finding.detail


def test_the_network_behind_the_wall_has_no_way_out() -> None:
    if "net" not in STANDING:
        pytest.skip("this system does not allow the wall net")
    walls = tuple(wall for wall in WALLS if wall != "calls")
    trial = Trial(
        program="import socket\ndef f(): return [name for _, name in socket.if_nameindex()]",
        tests="assert f() == ['lo']", names=("f",),
    )  # fmt: skip
    assert Sandbox(Limits(walls=walls)).run(trial).result is Result.PASSED


def test_the_answers_that_this_package_ships_cannot_be_read() -> None:
    if "files" not in STANDING:
        pytest.skip("this system does not allow the wall files")
    package = Path(attacks.__file__).resolve().parents[2] / "src" / "pathshift"
    installed = Path(pytest.__file__).resolve().parents[1]
    program = (
        "import os\ndef f():\n"
        f"    for folder in ({str(package)!r}, {str(installed)!r}):\n"
        "        if os.path.isdir(folder) and os.listdir(folder): return folder\n"
    )
    finding = run(program, "assert f() is None")
    assert finding.result is Result.PASSED, finding.detail


@pytest.mark.skipif(sys.platform != "linux", reason="the walls are Linux's")
def test_on_this_system_the_walls_that_the_docs_promise_stand() -> None:
    """Should a container refuse some, this says which; the fallbacks are tested above."""
    if "files" not in STANDING:
        pytest.skip("no namespaces here")
    assert set(WALLS) - {"user" if IS_ROOT else "uid"} == STANDING


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = processes_of_sandboxes()
    for walls in (WALLS, ("uid",)):
        trial = Trial(
            program="open('x', 'w').write('x')\ndef f(): return 1", tests="assert f() == 1",
            names=("f",),
        )  # fmt: skip
        assert Sandbox(Limits(walls=walls)).run(trial).result in (Result.PASSED, Result.FAILED)
    assert list(tmp_path.iterdir()) == []
    check_gone(processes_of_sandboxes() - before)


def test_many_threads_may_share_a_sandbox_and_keep_their_own_results() -> None:
    sandbox = Sandbox(workers=2)
    trials = [
        Trial(
            program=f"def f(): return {i}", tests=f"assert f() % 3 == 0 == {i} - f()", names=("f",)
        )
        for i in range(12)
    ]
    expected = [Result.FAILED if i % 3 else Result.PASSED for i in range(12)]
    told: dict[int, Result] = {}
    found = sandbox.run_all(trials, on_finding=lambda i, finding: told.update({i: finding.result}))
    with ThreadPoolExecutor(3) as threads:
        again = list(threads.map(sandbox.run, trials))
    assert [finding.result for finding in found] == [f.result for f in again] == expected
    assert [told[i] for i in range(12)] == expected


def test_a_program_too_long_to_pass_on_is_refused() -> None:
    finding = run("#" * 17_000_000, "assert f() == 1")
    assert finding.result is Result.BROKEN
    assert "bytes" in finding.detail


@pytest.mark.parametrize(
    "limits", [{"cpu_s": 0}, {"wall_s": 0.0}, {"memory": 1}, {"file_bytes": -1}]
)
def test_limits_out_of_range_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="a program needs"):
        Limits(**limits)
    with pytest.raises(ConfigError, match="at least 1 worker"):
        Sandbox(workers=0)
