"""CRUXEval: what a function returns, or for which arguments it returns a given value.

Output prediction compares two literals by value (`==`, as the published harness does, so that True
is 1): both are read by `ast.literal_eval` from at most 2,000 characters, nothing is evaluated.
Input prediction runs the function behind the sandbox's walls. The arguments are the model's, so
they must be an expression of a small kind: literals, operators, a few built-in functions, methods
of such values, lambdas, comprehensions. No name with a leading underscore, no statement, nothing
that could change the function before it is called.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from typing import Any

from pathshift.errors import ConfigError
from pathshift.records import Outcome, Problem
from pathshift.verify.code import KIND
from pathshift.verify.jobs import Job

MAX_ANSWER = 2_000
_CALLED = "pathshift_called"

_TAGS = re.compile(r"<answer>(.*?)</answer>|\[ANSWER\](.*?)\[/ANSWER\]", re.DOTALL | re.IGNORECASE)
_LINE = re.compile(
    r"^[ \t>*_]{0,8}(?:the )?(?:final )?answer[ \t]{0,4}(?:\*\*)?(?:is:?|:)(?:\*\*)?[ \t](.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_FENCES = re.compile(r"^```\w*\n(.*)\n```$", re.DOTALL)

_BUILTINS = frozenset(
    ("bool", "bytearray", "bytes", "chr", "complex", "dict", "float", "frozenset", "int",
     "len", "list", "max", "min", "ord", "range", "reversed", "set", "sorted", "str", "sum",
     "tuple", "zip")
)  # fmt: skip
_KINDS: tuple[type[ast.AST], ...] = (
    ast.Constant, ast.List, ast.Tuple, ast.Set, ast.Dict, ast.Starred, ast.keyword, ast.Name,
    ast.UnaryOp, ast.BinOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call, ast.Attribute,
    ast.Subscript, ast.Slice, ast.Lambda, ast.arguments, ast.arg, ast.ListComp, ast.SetComp,
    ast.DictComp, ast.GeneratorExp, ast.comprehension,
    ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
)  # fmt: skip


def extract(text: str) -> str | None:
    r"""The marked answer: the last tag, the last line "Answer: ...", or the text's only line.

    >>> extract("It adds one.\nAnswer: [1, 2]")
    '[1, 2]'
    """
    tail = text[-100_000:]
    found = [part for pair in _TAGS.findall(tail) for part in pair if part.strip()]
    if not found:
        found = [line for line in _LINE.findall(tail) if line.strip()]
    if not found and len(tail.strip().splitlines()) == 1:
        found = [tail]
    if not found:
        return None
    answer = found[-1].strip()
    fenced = _FENCES.match(answer)
    return _unquoted(fenced[1].strip() if fenced else answer) or None


def _unquoted(answer: str) -> str:
    """Without the backticks of typography."""
    if answer.startswith("`") and answer.endswith("`"):
        return answer.strip("`").strip()
    return answer


def grade(answer: str, problem: Problem) -> Outcome | Job:
    """The outcome of an output, or the job that runs the function on the given input.

    Raises:
        ConfigError: The problem is none of CRUXEval.
    """
    data = problem.data
    if data.get("asks") == "output":
        return _grade_output(answer, problem.gold)
    if data.get("asks") == "input":
        return _grade_input(answer, data["code"], data["output"])
    raise ConfigError(f"problem {problem.id} asks for no input or output; cruxeval judges cruxeval")


def _grade_output(answer: str, gold: str) -> Outcome:
    statement = parsed(answer)
    right = _asserted(statement)
    node = right.comparators[0] if right is not None else _expression(statement)
    try:
        value = ast.literal_eval(node) if node is not None else None
        expected = ast.literal_eval(gold)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return Outcome.UNPARSED
    if node is None:
        return Outcome.UNPARSED
    return Outcome.CORRECT if value == expected else Outcome.WRONG


def _grade_input(answer: str, code: str, output: str) -> Outcome | Job:
    call = _call_of(answer)
    if call is None:
        return Outcome.UNPARSED
    if not is_harmless(call, names=_assigned(code)):
        return Outcome.WRONG
    try:
        written = ast.unparse(call)
    except RecursionError:
        return Outcome.UNPARSED
    return Job(
        kind=KIND,
        payload={
            "programs": [f"{code}\n\ndef {_CALLED}():\n    return {written}\n"],
            "setup": "",
            "tests": f"assert {_CALLED}() == {output}",
            "names": [_CALLED],
        },
    )


def parsed(text: str) -> ast.stmt | None:
    """The one statement of a text, or None. The length bounds how deep it can nest."""
    if len(text) > MAX_ANSWER + len("f()"):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body = ast.parse(text.strip()).body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    return body[0] if len(body) == 1 else None


def _asserted(statement: ast.stmt | None) -> ast.Compare | None:
    """The comparison of `assert f(...) == value`, or of it without the assert."""
    inner = statement.test if isinstance(statement, ast.Assert) else _expression(statement)
    if not (isinstance(inner, ast.Compare) and len(inner.ops) == 1):
        return None
    is_call = isinstance(inner.left, ast.Call) and isinstance(inner.left.func, ast.Name)
    return inner if is_call and isinstance(inner.ops[0], ast.Eq) else None


def _expression(statement: ast.stmt | None) -> ast.expr | None:
    return statement.value if isinstance(statement, ast.Expr) else None


def _call_of(answer: str) -> ast.Call | None:
    """The call f(...) that an answer means: written whole, asserted, or its arguments alone."""
    statement = parsed(answer)
    asserted = _asserted(statement)
    whole = asserted.left if asserted is not None else _expression(statement)
    if not _calls_f(whole):
        whole = _expression(parsed(f"f({answer})"))
    return whole if isinstance(whole, ast.Call) and _calls_f(whole) else None


def _calls_f(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "f"


def is_harmless(call: ast.Call, *, names: frozenset[str] = frozenset()) -> bool:
    """Whether the arguments of a call are of the kind that may be evaluated beside the function.

    Args:
        call: The call.
        names: Data of the function's module that they may name.
    """
    parts = [part for argument in (*call.args, *call.keywords) for part in ast.walk(argument)]
    bound = {part.arg for part in parts if isinstance(part, ast.arg)} | set(_targets(parts))
    known = bound | _BUILTINS | names
    return all(isinstance(part, _KINDS) and _is_allowed(part, known) for part in parts)


def _is_allowed(part: Any, known: frozenset[str] | set[str]) -> bool:
    if isinstance(part, ast.Name):
        return part.id in known and not part.id.startswith("_")
    if isinstance(part, ast.Attribute):
        return not part.attr.startswith("_")
    if isinstance(part, ast.comprehension):
        return not part.is_async
    return True


def _targets(parts: list[ast.AST]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            yield part.id


def _assigned(code: str) -> frozenset[str]:
    """Names that the function's own module gives to data; the code is the benchmark's."""
    statements = ast.parse(code).body
    return frozenset(
        target.id
        for statement in statements
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    )
