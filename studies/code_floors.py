"""What blind guessing reaches on HumanEval and on CRUXEval's inputs: every guess is run.

    python studies/code_floors.py humaneval    # prints which one-line bodies solve which problem
    python studies/code_floors.py inputs FILE  # writes the share of each problem, gzipped JSON

HumanEval: 40 bodies of one line that ignore the docstring. CRUXEval inputs: the stated output
handed in, half of the weight, and the arguments of each other problem, the other half. Numbers in
`problems/humaneval.py` and `problems/data` came from here.
"""

from __future__ import annotations

import ast
import gzip
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pathshift.problems import cruxeval, load_problems
from pathshift.records import Problem
from pathshift.verify.sandbox import Limits, Sandbox, Trial

CONSTANTS = ("None", "True", "False", "0", "1", "2", "-1", "0.0", "''", "[]", "{}", "()", "set()",
             "'Yes'", "'No'", "[0]", "[1]")  # fmt: skip
OF_FIRST = ("{}", "len({})", "sum({})", "max({})", "min({})", "sorted({})", "list({})", "set({})",
            "str({})", "int({})", "abs({})", "not {}", "{}[0]", "{}[-1]", "{}[::-1]", "{}.lower()",
            "{}.upper()", "{}.split()", "bool({})", "-{}")  # fmt: skip
OF_ALL = ("{}", "[{}]", "sum(({},))")
BODIES = len(CONSTANTS) + len(OF_FIRST) + len(OF_ALL)


def bodies(problem: Problem) -> Iterator[str]:
    """The 40 bodies with the problem's own argument names."""
    tree = ast.parse(problem.question)
    entry = problem.data["entry"]
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    function = next(node for node in functions if node.name == entry)
    names = [argument.arg for argument in function.args.args]
    yield from CONSTANTS
    yield from (form.format(names[0] if names else "None") for form in OF_FIRST)
    yield from (form.format(", ".join(names)) for form in OF_ALL)


def humaneval(sandbox: Sandbox) -> None:
    """Prints problem, number of bodies that pass, and the bodies."""
    problems = load_problems("humaneval")
    findings = sandbox.run_all([_trial(problem) for problem in problems])
    for problem, finding in zip(problems, findings, strict=True):
        said, passed = list(bodies(problem)), ast.literal_eval(
            finding.detail.removeprefix("ValueError: ")
        )  # fmt: skip
        if passed:
            print(problem.id, len(passed), [said[place] for place in passed])


def _trial(problem: Problem) -> Trial:
    """All bodies in one program, each a function; the tests tell which pass by raising."""
    data: dict[str, Any] = dict(problem.data)
    entry, sources = data["entry"], [
        f"{data['prompt']}\n    return {body}\n" for body in bodies(problem)
    ]  # fmt: skip
    names = tuple(f"body{place}" for place in range(len(sources)))
    return Trial(
        program=(
            f"for place, source in enumerate({sources!r}):\n    space = {{}}\n"
            f"    exec(source, space)\n    globals()[f'body{{place}}'] = space[{entry!r}]\n"
        ),
        setup=data["setup"],
        tests=(
            data["tests"].replace(f"\ncheck({entry})\n", "\n")
            + f"passed = []\nfor place, body in enumerate([{', '.join(names)}]):\n"
            f"    {entry} = body\n    try:\n        check(body)\n        passed.append(place)\n"
            "    except Exception: pass\nraise ValueError(passed)\n"
        ),
        names=names,
    )


_TRY_ALL = """
import signal
class Slow(BaseException): pass
def stop(*_): raise Slow
signal.signal(signal.SIGALRM, stop)
def hits(gold, guesses):
    right = 0
    for guess in guesses:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        try:
            space = dict(globals())
            right += eval(f"f({guess})", space) == gold
        except (Exception, Slow): pass
        finally: signal.setitimer(signal.ITIMER_REAL, 0)
    return int(right)
"""


def input_floors(sandbox: Sandbox) -> dict[str, float]:
    """Id -> half for the output itself, half for the arguments of another problem."""
    rows = cruxeval.published_rows()
    trials = [
        Trial(
            program=f"{row['code']}\n{_TRY_ALL}",
            tests=(
                f"o = hits({row['output']}, {[r['input'] for r in rows if r is not row]!r})\n"
                f"e = hits({row['output']}, [{row['output']!r}])\n"
                f"raise ValueError(f'{{o}} {{e}}')"
            ),
            names=("hits",),
        )
        for row in rows
    ]
    floors = {}
    for row, finding in zip(rows, sandbox.run_all(trials), strict=True):
        others, echo = map(int, finding.detail.removeprefix("ValueError: ").split())
        floors[row["id"]] = (others / (len(rows) - 1) + echo) / 2
    return floors


def main() -> None:
    """See the module's text."""
    sandbox = Sandbox(Limits(cpu_s=60, wall_s=400.0), workers=len(os.sched_getaffinity(0)))
    if sys.argv[1] == "humaneval":
        print(f"{BODIES} bodies")
        humaneval(sandbox)
        return
    floors = input_floors(sandbox)
    print(f"mean {sum(floors.values()) / len(floors):.4f}")
    for k in (8, 128):
        print(k, f"{sum(1 - (1 - floor) ** k for floor in floors.values()) / len(floors):.4f}")
    text = json.dumps({name: round(floor, 6) for name, floor in floors.items()}) + "\n"
    Path(sys.argv[2]).write_bytes(gzip.compress(text.encode("ascii"), 9, mtime=0))


if __name__ == "__main__":
    main()
