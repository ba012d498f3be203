"""Your own programming problems in the form of MBPP: rows with text, code and tests.

Covers .jsonl, .json, .csv and .parquet (a table's lists as lists or as JSON text) with the fields
text (or prompt, question), code (a solution), test_list (assert statements), and optionally
task_id (or id), test_setup_code, test_imports, floor and source. The model sees the text and the
first `shown` tests, as it must know what the function is called.

The tests call what the solution defines and may use what the setup defines, the imports of the
solution and Python's built-in functions; a name that is none of those is a mistake in the file.
Which names are the program's own is read off solution and tests, never off the program. What the
program changes in an argument is not seen by the tests: they judge what is returned.

Null policy: the row's own `floor`, from 0 to 1, else unknown: a constant passes where all tests of
a problem expect one value, and nothing here runs the file's tests to find out.
"""

from __future__ import annotations

import ast
import builtins
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pathshift.errors import ConfigError, InputError
from pathshift.problems.fields import present, question_of, share_of, text_of
from pathshift.problems.options import check_at_least
from pathshift.records import Problem, digest
from pathshift.store.rowfiles import Row, read_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Which rows to read and what of them to show.

    Attributes:
        path: A local file.
        shown: Tests that the question shows, the first ones.
    """

    path: str = ""
    shown: int = 1

    def __post_init__(self) -> None:
        check_at_least(self, shown=0)


def load(options: Options, *, limit: int | None) -> list[Problem]:
    """The problems in the order of the file.

    Raises:
        ConfigError: No file is named.
        InputError: It is not to be had, or a row breaks a rule; names file and row.
    """
    if not options.path:
        raise ConfigError("mbpp needs a file: mbpp:FILE")
    path = Path(options.path).expanduser()
    return [_problem(row, path.stem, options.shown) for row in islice(read_rows(path), limit)]


def _problem(row: Row, stem: str, shown: int) -> Problem:
    code = text_of(row, "code")
    if code is None:
        raise InputError(f"{row.where}: needs the field code, a solution")
    tests = _texts(row, "test_list")
    if not tests:
        raise InputError(f"{row.where}: needs the field test_list with at least one test")
    text = (text_of(row, "text") or question_of(row)).strip()
    given = [text_of(row, "test_setup_code") or "", *_texts(row, "test_imports")]
    parts = _parts(row, code, "\n".join(given), "\n".join(tests))
    own = text_of(row, "task_id") or text_of(row, "id")
    return Problem(
        id=f"mbpp-{own or digest(text, code)[:16]}",
        task="mbpp",
        question=_question(text, tests[:shown]),
        gold=code,
        source=text_of(row, "source") or stem,
        floor=share_of(row, "floor"),
        data={"setup": parts.setup, "tests": "\n".join(tests) + "\n", "names": parts.names},
    )


def _question(text: str, shown: list[str]) -> str:
    if not shown:
        return text
    these = "this test" if len(shown) == 1 else "these tests"
    return f"{text}\n\nYour code should pass {these}:\n\n" + "\n".join(shown)


def _texts(row: Row, name: str) -> list[str]:
    value = present(row, name)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            value = None
        value = value if value is not None else [row.values[name]]
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InputError(f"{row.where}: {name} must be a list of texts, got {value!r:.60}")
    return [item for item in value if item.strip()]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What runs beside the tests, and the names that the program must define."""

    setup: str
    names: list[str]


def _parts(row: Row, code: str, setup: str, tests: str) -> _Parts:
    solution = _parsed(row, "code", code)
    tested = _parsed(row, "test_list", tests)
    used = {node.id for node in ast.walk(tested) if isinstance(node, ast.Name)}
    imports = [line for name, line in _imports(solution) if name in used]
    whole_setup = "\n".join([*dict.fromkeys(imports), setup]).strip()
    bound = set(_bound(tested)) | set(_bound(_parsed(row, "test_setup_code", whole_setup)))
    defined = set(_top_level(solution))
    names = {
        name for name in used - bound if name in defined or not hasattr(builtins, name)
    }  # fmt: skip
    if not names:
        raise InputError(f"{row.where}: the tests call nothing that the code defines")
    strangers = names - defined
    if strangers:
        raise InputError(
            f"{row.where}: the tests use {min(strangers)!r}, which neither code nor setup defines"
        )
    return _Parts(setup=whole_setup, names=sorted(names))


def _parsed(row: Row, name: str, source: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"{row.where}: {name} is no valid Python ({error})") from None


def _imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Each name that the module imports, and a line that imports it alone."""
    for node in tree.body:
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        for alias in node.names:
            one = ast.copy_location(_with(node, alias), node)
            yield (alias.asname or alias.name).partition(".")[0], ast.unparse(one)


def _with(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> ast.stmt:
    if isinstance(node, ast.Import):
        return ast.Import(names=[alias])
    return ast.ImportFrom(module=node.module, names=[alias], level=node.level)


def _bound(tree: ast.Module) -> Iterator[str]:
    """Names that a source binds anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]


def _top_level(tree: ast.Module) -> Iterator[str]:
    """Functions, classes and variables of a module, and what it imports."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            yield from _bound(ast.Module(body=[node], type_ignores=[]))
