"""CRUXEval: 800 short Python functions; what does one return, or what must it be given?

Covers the published rows in their order, shipped with this package. `-T asks=output` (the default)
asks for the value, `-T asks=input` for arguments that give it; any that do are right.

Null policy, which does not read the function: on a coin's toss, what the line shows (for outputs
one of the arguments, handed back; for inputs the stated output, handed in) or what another problem,
drawn uniformly, has in its place. Exact; for inputs each was run and the shares stand beside the
rows (`studies/code_floors.py`). For outputs it reaches .070 in one try, .192 in 8 and .330 in 128;
for inputs .128, .278 and .382. Handing back alone is right in .134 of the outputs, in one try or
many, and the best constant, False, in .036.
"""

from __future__ import annotations

import ast
import gzip
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from itertools import islice
from typing import Any

from pathshift.errors import ConfigError
from pathshift.records import Problem

ASKS = ("output", "input")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Which way to ask.

    Attributes:
        asks: "output" or "input".
    """

    asks: str = "output"

    def __post_init__(self) -> None:
        if self.asks not in ASKS:
            raise ConfigError(f"asks must be output or input, got {self.asks!r}")


def load(options: Options, *, limit: int | None) -> list[Problem]:
    """The problems in their published order."""
    rows = published_rows()
    if options.asks == "output":
        floors = [_blind_output(row, Counter(r["output"] for r in rows)) for row in rows]
    else:
        shares = json.loads(_unpacked("cruxeval_input_floors.json.gz"))
        floors = [shares[row["id"]] for row in rows]
    asked = zip(rows, floors, strict=True)
    return [_problem(row, floor, options.asks) for row, floor in islice(asked, limit)]


def published_rows() -> list[dict[str, str]]:
    """The rows as published: code, input, output, id."""
    return [json.loads(line) for line in _unpacked("cruxeval.jsonl.gz").splitlines()]


def _unpacked(name: str) -> str:
    packed = resources.files("pathshift.problems").joinpath("data", name)
    return gzip.decompress(packed.read_bytes()).decode("ascii")


def _problem(row: Mapping[str, str], floor: float, asks: str) -> Problem:
    code, given, output = row["code"], row["input"], row["output"]
    is_output = asks == "output"
    line = f"assert f({given}) == ??" if is_output else f"assert f(??) == {output}"
    return Problem(
        id=f"cruxeval-{asks}-{row['id'].removeprefix('sample_')}",
        task="cruxeval",
        question=f"{code}\n{line}",
        gold=output if is_output else given,
        source=f"cruxeval-{asks}",
        floor=floor,
        data={"asks": asks, "code": code, "input": given, "output": output},
    )


def _blind_output(row: Mapping[str, str], outputs: Counter[str]) -> float:
    """Half for another problem's answer, half for one of the function's own arguments."""
    others = outputs.total() - 1
    share = (outputs[row["output"]] - 1) / others
    return (share + _echoed(row["input"], row["output"])) / 2


def _echoed(given: str, output: str) -> float:
    """Share of the arguments that are the output; 0 where they are no literals."""
    try:
        arguments: tuple[Any, ...] = ast.literal_eval(f"[{given}]")
    except (ValueError, SyntaxError):
        return 0.0
    gold = ast.literal_eval(output)
    return sum(argument == gold for argument in arguments) / len(arguments) if arguments else 0.0
