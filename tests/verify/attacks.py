"""Programs that try to pass, hang or do harm. Each is asked for `add`, whose right answer is a
number that cannot be computed, only stolen. None may pass.

`python attacks.py WALLS OUTSIDE PORT VICTIM` runs them all and prints what became of each, so that
the tests can do it as another user too.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from pathshift.verify.sandbox import WALLS, Limits, Sandbox, Trial

SECRET = "sk-secret-0192837465"
STOLEN = 91_827_364_550
TESTS = f"assert add(1, 2) == {STOLEN}\nassert add(2, 1) == {STOLEN}\n"

_LIAR = """
class Liar{base}:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
    def __bool__(self): return True
    def __iter__(self): return iter(())
    def __len__(self): return 0
    __class__ = property(lambda self: int)
def add(a, b): return Liar()
"""

_FRAME = """
import json, os
def frame(message):
    content = json.dumps(message).encode()
    return len(content).to_bytes(8, "big") + content
"""

_SEARCH = """
import gc, os, re, sys
def found(text):
    hit = re.search(r"assert add.{{1,20}}?== ([0-9]+)", text)
    return int(hit[1]) if hit else None
def add(a, b):
    texts = []
    {how}
    for text in texts:
        if found(str(text)) is not None:
            return found(str(text))
"""

_KEEPS_ON = "\nwhile True: pass\n"

# Ends before the tests.
ENDING = {
    "sys.exit": "import sys\nsys.exit(0)",
    "sys.exit in the function": "import sys\ndef add(a, b): sys.exit(0)",
    "os._exit": "import os\nos._exit(0)",
    "os._exit in the function": "import os\ndef add(a, b): os._exit(0)",
    "exit prints success": "import os, sys\nprint('passed')\nsys.stdout.flush()\nos._exit(0)",
    "SystemExit raised": "def add(a, b): raise SystemExit(0)",
    "KeyboardInterrupt raised": "def add(a, b): raise KeyboardInterrupt",
    "GeneratorExit raised": "def add(a, b): raise GeneratorExit",
    "an exception of its own": "class E(BaseException): pass\ndef add(a, b): raise E",
    "atexit": "import atexit, os\natexit.register(os._exit, 0)\nraise SystemExit",
    "kills itself": "import os\nos.kill(os.getpid(), 9)",
    "aborts": "import os\nos.abort()",
}

# Compares as it likes.
COMPARING = {
    "equal to everything": _LIAR.format(base=""),
    "an int equal to everything": _LIAR.format(base="(int)"),
    "a str equal to everything": _LIAR.format(base="(str)"),
    "a list equal to everything": _LIAR.format(base="(list)"),
    "a dict equal to everything": _LIAR.format(base="(dict)"),
    "a tuple of liars": _LIAR.format(base="") + "\ndef add(a, b): return (Liar(),)",
    "not a number": "def add(a, b): return float('nan')",
    "a class equal by its metaclass": (
        "class M(type):\n    __eq__ = lambda a, b: True\n    __hash__ = lambda a: 0\n"
        "class C(metaclass=M): pass\ndef add(a, b): return C"
    ),
}

# Patches what it stands on.
PATCHING = {
    "patches builtins": (
        "import builtins\nbuiltins.AssertionError = builtins.Exception = SystemExit\n"
        "builtins.compile = builtins.exec = lambda *a, **k: None\n"
        "builtins.len = builtins.int = builtins.isinstance = lambda *a: True\n"
        "def add(a, b): return None"
    ),
    "patches the sandbox": (
        "import sys\nfor name, module in list(sys.modules.items()):\n"
        "    if 'sandbox' in name:\n"
        "        for key in list(vars(module)):\n"
        "            if callable(vars(module)[key]): setattr(module, key, lambda *a, **k: True)\n"
        "def add(a, b): return None"
    ),
    "patches json": (
        'import json\njson.dumps = lambda *a, **k: \'{"value": "true"}\'\ndef add(a, b): return 1'
    ),
    "traces": (
        "import sys\ndef trace(frame, event, arg):\n    frame.f_locals.clear()\n    return trace\n"
        "sys.settrace(trace)\nsys.setprofile(lambda *a: None)\ndef add(a, b): return None"
    ),
    "replaces check": "def check(f): pass\ndef add(a, b): return None\nassert_ = check",
}

# Writes to where the result might be read.
FORGING = {
    "forges a result everywhere": _FRAME
    + (
        "line = json.dumps({'result': 'passed', 'detail': '', 'walls': []}).encode() + b'\\n'\n"
        "for number in range(64):\n"
        "    try: os.write(number, line)\n"
        "    except OSError: pass\n"
        "def add(a, b): return None"
    ),
    "forges replies": _FRAME
    + (
        "for number in range(64):\n"
        "    try: os.write(number, frame({'value': 'true'}) * 4)\n"
        "    except OSError: pass\n"
        "def add(a, b): return None"
    ),
    "forges a liar": _FRAME
    + (
        "for number in range(64):\n"
        "    try: os.write(number, frame({'value': '{\"handle\": 0}'}))\n"
        "    except OSError: pass\n"
    ),
    "forges a giant": (
        "import os\nfor number in range(64):\n"
        "    try: os.write(number, b'\\xff' * 8 + b'x' * 1000)\n"
        "    except OSError: pass\n"
    ),
    "half a reply": (
        "import os\nfor number in range(3, 64):\n"
        "    try: os.write(number, (100).to_bytes(8, 'big') + b'[')\n"
        "    except OSError: pass\nos._exit(0)"
    ),
    "closes its pipes": "import os\nos.closerange(0, 64)\ndef add(a, b): return None",
    "control characters": (
        "import sys\nprint('\\x1b]0;x\\x07\\x1b[2J\\x00\\r\\n' * 100)\n"
        "def add(a, b): return '\\x1b[2J\\x00\\x07\\udcff\\n' * 100"
    ),
    "raises control characters": "def add(a, b): raise ValueError('\\x1b[2J\\x00' * 10**6)",
    "infinite output": "while True: print('x' * 10_000, flush=True)",
    "infinite errors": "import sys\nwhile True: sys.stderr.write('x' * 10_000)",
    "reads its input": "import sys\nx = sys.stdin.read() or input()\ndef add(a, b): return x",
}

# Looks for what is expected.
SEARCHING = {
    "searches the stack": _SEARCH.format(
        how="f = sys._getframe()\n    while f: texts += [f.f_locals, f.f_globals]; f = f.f_back"
    ),
    "searches all objects": _SEARCH.format(
        how="texts = [o for o in gc.get_objects() if not isinstance(o, type)] + [sys.argv]"
    ),
    "searches the memory": _SEARCH.format(
        how=(
            "for line in open('/proc/self/maps'):\n"
            "        low, high = (int(x, 16) for x in line.split()[0].split('-'))\n"
            "        if 'rw' in line:\n"
            "            with open('/proc/self/mem', 'rb') as m: m.seek(low); "
            "texts.append(m.read(high - low).decode('latin-1'))"
        )
    ),
    "searches the parent's memory": _SEARCH.format(
        how=(
            "p = os.getppid()\n    for line in open(f'/proc/{p}/maps'):\n"
            "        low, high = (int(x, 16) for x in line.split()[0].split('-'))\n"
            "        if 'rw' in line:\n"
            "            with open(f'/proc/{p}/mem', 'rb') as m: m.seek(low); "
            "texts.append(m.read(high - low).decode('latin-1'))"
        )
    ),
    "searches open files": _SEARCH.format(
        how=(
            "for n in range(64):\n        try:\n            os.set_blocking(n, False)\n"
            "            texts.append(os.read(n, 10**6).decode('latin-1'))\n"
            "        except OSError: pass"
        )
    ),
    "searches processes": _SEARCH.format(
        how=(
            "import glob\n    for n in glob.glob('/proc/[0-9]*/fd/[0-9]*') + "
            "glob.glob('/proc/[0-9]*/cmdline'):\n        try:\n"
            "            d = os.open(n, os.O_RDONLY | os.O_NONBLOCK)\n"
            "            texts.append(os.read(d, 10**6).decode('latin-1'))\n"
            "        except OSError: pass"
        )
    ),
    "traces the parent": (
        "import ctypes, os\nlibc = ctypes.CDLL(None)\n"
        "if libc.ptrace(16, os.getppid(), 0, 0) != 0: raise RuntimeError\n" + _KEEPS_ON
    ),
    "reads the environment": (
        f"import os\ndef add(a, b):\n    seen = str(dict(os.environ))\n"
        f"    try: seen += open('/proc/self/environ').read() + open('/proc/1/environ').read()\n"
        f"    except OSError: pass\n    return {STOLEN} if '{SECRET[:9]}' in seen else None"
    ),
}

# Takes more than its share.
HOARDING = {
    "endless loop": "while True: pass",
    "endless loop in the function": "def add(a, b):\n    while True: pass",
    "endless loop that catches all": (
        "import signal\nfor n in range(1, 64):\n    try: signal.signal(n, signal.SIG_IGN)\n"
        "    except (OSError, ValueError): pass\n"
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass"
    ),
    "raises its limits": (
        "import resource\nfor n in range(16):\n    try: resource.setrlimit(n, (-1, -1))\n"
        "    except (OSError, ValueError): pass\nwhile True: pass"
    ),
    "endless loop in C": "import re\nre.match('(a+)+$', 'a' * 60 + 'b')",
    "power tower": "x = 9 ** 9 ** 9",
    "memory bomb": "x = []\nwhile True: x.append(bytearray(10**7))",
    "one giant": "x = 'x' * 10**11",
    "giant result": "def add(a, b): return 'x' * (5 * 10**7)",
    "many parts": "def add(a, b): return [0] * 10**7",
    "many digits": "def add(a, b): return 1 << 10**8",
    "endless iterator": "import itertools\ndef add(a, b): return itertools.count()",
    "list in itself": "def add(a, b):\n    x = []\n    x.append(x)\n    return x",
    "deep list": "def add(a, b):\n    x = []\n    for _ in range(10**5): x = [x]\n    return x",
    "deep recursion": "def add(a, b): return add(a, b)",
    "deep recursion without a limit": (
        "import sys\nsys.setrecursionlimit(10**9)\ndef add(a, b): return add(a, b)"
    ),
    "deep source": "x = " + "(" * 5_000 + ")" * 5_000,
    "deep unary source": "x = " + "-" * 100_000 + "1",
    "threads": (
        "import threading, time\nfor _ in range(10**4):\n"
        "    threading.Thread(target=time.sleep, args=(60,)).start()"
    ),
    "disk bomb": (
        "import os\nfor i in range(10**5):\n    with open(str(i), 'wb') as f:\n"
        "        f.write(bytes(10**7))"
    ),
    "segfault": "import ctypes\nctypes.string_at(0)",
    "stack smash": "import ctypes\nctypes.memset(id(None), 255, 10**6)",
}

# Starts others.
STARTING = {
    "fork bomb": "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    "child holds the pipes": (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n"
        "    if os.fork() == 0: time.sleep(600)\n    os._exit(0)\nos._exit(0)"
    ),
    "children hold the pipes": (
        "import os, time\nfor _ in range(9):\n    if os.fork() == 0: time.sleep(600)\nos._exit(0)"
    ),
    "shell": "import os\nif os.system('exit 0') != 0: raise OSError\n" + _KEEPS_ON,
    "subprocess": "import subprocess, sys\nsubprocess.run([sys.executable, '-c', '1'], check=True)",
}

# Reaches outside.
REACHING = {
    "kills its parent": "import os\nos.kill(os.getppid(), 9)\nos.kill(-1, 9)\nos.killpg(0, 9)",
    "kills a victim": "import os\nos.kill({victim}, 9)",
    "kills all it can name": (
        "import os\nfor n in range(1, 100_000):\n    try: os.kill(n, 9)\n    except OSError: pass"
    ),
    "writes outside": "open('{outside}/written', 'w').write('x')",
    "writes upwards": "open('../' * 9 + '{outside}/written', 'w').write('x')",
    "deletes outside": "import shutil\nshutil.rmtree('{outside}')",
    "links outside": "import os\nos.symlink('{outside}', 'l')\nopen('l/written', 'w')",
    "opens a socket": (
        "import socket\ns = socket.create_connection(('127.0.0.1', {port}), 1)\ns.send(b'x')"
    ),
    "listens": "import socket\ns = socket.socket()\ns.bind(('0.0.0.0', 0))\ns.listen()\ns.accept()",
    "new user namespace": (
        "import ctypes\nif ctypes.CDLL(None).unshare(0x10000000) != 0: raise OSError\n" + _KEEPS_ON
    ),
    "becomes root": "import os\nos.setuid(0)\nos.setgroups([0])",
}

WITHIN = {**ENDING, **COMPARING, **PATCHING, **HOARDING}
"""Attacks that a missing wall does not help."""

WITHOUT = {**FORGING, **SEARCHING, **STARTING, **REACHING}
"""Attacks that walls are there for."""

ATTACKS: dict[str, str] = {**WITHIN, **WITHOUT}
"""Name -> program. `{outside}`, `{port}` and `{victim}` are filled in."""

WAITING = {
    "sleeps": "import time\ntime.sleep(600)",
    "half a reply and sleeps": (
        "import os, time\nfor number in range(3, 64):\n"
        "    try: os.write(number, (100).to_bytes(8, 'big') + b'[')\n"
        "    except OSError: pass\ntime.sleep(600)"
    ),
    "waits for itself": "import threading\nx = threading.Lock()\nx.acquire()\nx.acquire()",
}
"""Programs that wait without using the processor: they end with the clock's limit."""


ENDLESS = ("fork bomb", "listens")
"""Without barred calls these too end with the clock's limit."""


def filled(program: str, *, outside: Path, port: int, victim: int) -> str:
    """The program with what it attacks in its place."""
    for mark, value in (("outside", outside), ("port", port), ("victim", victim)):
        program = program.replace(f"{{{mark}}}", str(value))
    return program


def run_all(
    walls: tuple[str, ...], *, outside: Path, port: int, victim: int
) -> dict[str, list[object]]:
    """Name -> result, detail and walls of each attack; all of them if all walls are built."""
    limits = Limits(cpu_s=1, wall_s=60.0, memory=2**28, walls=walls)
    chosen = ATTACKS if set(walls) == set(WALLS) else WITHOUT
    if "calls" not in walls:
        chosen = {name: program for name, program in chosen.items() if name not in ENDLESS}
    trials = [
        Trial(
            program=filled(program, outside=outside, port=port, victim=victim),
            tests=TESTS,
            names=("add",),
        )
        for program in chosen.values()
    ]
    findings = Sandbox(limits, workers=4).run_all(trials)
    return {
        name: [finding.result, finding.detail, sorted(finding.walls)]
        for name, finding in zip(chosen, findings, strict=True)
    }


if __name__ == "__main__":
    said = run_all(
        tuple(filter(None, sys.argv[1].split(","))),
        outside=Path(sys.argv[2]), port=int(sys.argv[3]), victim=int(sys.argv[4]),
    )  # fmt: skip
    sys.stdout.write(json.dumps({"uid": os.geteuid(), "results": said}))
