"""The table of families, and what holds for all of them."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys

import pytest

from pathshift.errors import ConfigError, InputError, MissingExtra, UnknownName
from pathshift.problems import FAMILIES, load_problems

SHIPPED = ["countdown", "compose", "arithmetic", "gsm8k"]

PROGRAM = """
import sys
from pathshift.problems import load_problems
print([(p.id, p.gold, p.floor) for p in load_problems(sys.argv[1], limit=5)])
heavy = {"torch", "transformers", "pyarrow", "huggingface_hub", "reasoning_gym", "scipy"}
print(sorted(heavy & set(sys.modules)))
"""


@pytest.mark.parametrize("name", SHIPPED)
def test_fewer_problems_are_the_first_of_more(name: str) -> None:
    twenty = load_problems(name, limit=20)
    assert load_problems(name, limit=10) == twenty[:10]
    assert len(twenty) == len({problem.id for problem in twenty}) == 20


@pytest.mark.parametrize("name", ["countdown", "compose", "arithmetic"])
def test_n_cuts_and_seed_changes_the_problems(name: str) -> None:
    assert load_problems(name, {"n": "7"}) == load_problems(name, limit=7)
    assert load_problems(name, {"n": "7", "seed": "1"}) != load_problems(name, {"n": "7"})


@pytest.mark.parametrize("name", SHIPPED)
def test_another_process_makes_the_same_problems_and_loads_nothing_heavy(name: str) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "7"}
    command = [sys.executable, "-c", PROGRAM, name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    here = [(p.id, p.gold, p.floor) for p in load_problems(name, limit=5)]
    assert done.stdout.splitlines() == [str(here), "[]"]


@pytest.mark.parametrize("name", SHIPPED)
def test_problems_survive_json_and_name_their_task(name: str) -> None:
    for problem in load_problems(name, limit=20):
        assert json.loads(json.dumps(problem.data)) == problem.data
        assert problem.task == name
        assert problem.floor is not None
        assert 0 <= problem.floor < 0.2


@pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))
def test_every_family_is_described_and_has_defaults(family: object) -> None:
    assert dataclasses.is_dataclass(family)
    entry = FAMILIES[getattr(family, "name", "")]
    assert entry is family
    assert all([entry.summary, entry.licence, entry.floor])
    options = entry.options()
    known = {field.name for field in dataclasses.fields(options)}
    assert entry.argument is None or entry.argument in known
    assert type(options).__dataclass_params__.frozen


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownName, match=r"'countdwn'.*countdown, compose, arithmetic, gsm8k"):
        load_problems("countdwn")


@pytest.mark.parametrize(
    ("spec", "pairs", "limit", "says"),
    [
        ("gsm8k:x", {}, None, "nothing behind a colon"),
        ("gsm8k", {"seed": "1"}, None, "unknown task option 'seed'"),
        ("jsonl:a", {"path": "b"}, None, "path is given twice"),
        ("gsm8k", {}, 0, "limit must be at least 1"),
    ],
)
def test_a_spec_that_breaks_a_rule_is_refused(
    spec: str, pairs: dict[str, str], limit: int | None, says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        load_problems(spec, pairs, limit=limit)


@pytest.mark.parametrize(
    ("spec", "module", "extra"),
    [("reasoning_gym:gcd", "reasoning_gym", "gym"), ("jsonl:own/set", "huggingface_hub", "hf")],
)
def test_an_absent_package_is_answered_with_the_extra_that_brings_it(
    spec: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=rf"pathshift\[{extra}\]"):
        load_problems(spec)


def test_errors_are_input_errors_for_the_command_line() -> None:
    assert issubclass(ConfigError, InputError)
    assert issubclass(UnknownName, InputError)
