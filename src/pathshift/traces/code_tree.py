"""Python code as a syntax tree in which names, comments, docstrings and spelling do not count.

Names that the code itself binds are numbered in the order in which they are first met; imports are
dropped and what they bind is written out (np.sqrt and `from numpy import sqrt` are one); type
annotations, docstrings and other bare constants are dropped; numbers and quotes have one spelling
because the tree holds values. Statement order, library names, attributes and literals count.

Nothing is executed. `ast.parse` alone sees the text, after its length, the length of its lines and
the nesting of its brackets were checked, since the parser is known to fail on extreme ones.
"""

from __future__ import annotations

import ast
import re
import warnings
from typing import TypeVar

MAX_CHARS = 50_000
MAX_LINE = 2_000
MAX_NESTING = 60
MAX_BLOCKS = 20
"""Fenced blocks that are tried, from the last one back."""

_FENCE = "```"
_LANGUAGES = frozenset({"", "python", "python3", "py", "py3"})
_INDENTED = re.compile(r"(?:[ \t]*\n)*[ \t]+\S")
_UNARY_RUN = re.compile(r"(?:[-+~][ \t\n\\]*){50}|(?:\bnot\s+){50}|(?:\blambda\s*:\s*){50}")


def code_key(text: str) -> str | None:
    r"""The tree of the last Python block that does something, or of the bare text; None if neither.

    A block does something if it defines a function or class, or has two statements of which one
    is more than an expression. A text that begins indented is the body of a function begun in the
    prompt.

    >>> code_key("def f(a):\n    return a + 1") == code_key("def g(x): return x + 0x1  # next")
    True
    """
    pieces = text.split(_FENCE)
    blocks = pieces[1::2][-MAX_BLOCKS:][::-1]
    for source in [*filter(None, map(_fenced, blocks)), pieces[0]]:
        tree = _parsed(source)
        if tree is not None and _does_something(tree):
            return _canonical(tree)
    return None


def _fenced(block: str) -> str | None:
    """What a fenced block holds, if it names Python or no language."""
    language, _, source = block.partition("\n")
    return source if language.strip().lower() in _LANGUAGES else None


def _parsed(source: str) -> ast.Module | None:
    if not _is_safe(source):
        return None
    if _INDENTED.match(source):
        source = f"def _():\n{source}"
    try:
        with warnings.catch_warnings():
            # The model's doubtful escapes are no concern of the user.
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


def _is_safe(source: str) -> bool:
    """Whether the parser may see it: short, and neither lines nor brackets nor signs pile up."""
    if len(source) > MAX_CHARS or any(len(line) > MAX_LINE for line in source.splitlines()):
        return False
    depth = deepest = 0
    for sign in re.findall(r"[()\[\]{}]", source):
        depth += 1 if sign in "([{" else -1
        deepest = max(deepest, depth)
    return deepest <= MAX_NESTING and _UNARY_RUN.search(source) is None


def _does_something(tree: ast.Module) -> bool:
    body = tree.body
    if len(body) == 1 and isinstance(body[0], ast.FunctionDef) and body[0].name == "_":
        body = body[0].body
        return any(not isinstance(statement, ast.Expr) for statement in body)
    defines = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    if any(isinstance(statement, defines) for statement in body):
        return True
    return len(body) > 1 and any(not isinstance(s, ast.Expr) for s in body)


def _canonical(tree: ast.Module) -> str | None:
    imported = _imports(tree)
    try:
        plain = _Plain(_bound(tree) - imported.keys(), imported).visit(tree)
        return ast.dump(plain, annotate_fields=False)
    except RecursionError:
        return None


def _imports(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for: np -> numpy, sqrt -> math.sqrt."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                whole = name.name if name.asname else name.name.partition(".")[0]
                found[name.asname or whole] = whole
        elif isinstance(node, ast.ImportFrom):
            for name in node.names:
                found[name.asname or name.name] = f"{node.module or ''}.{name.name}"
    return found


def _bound(tree: ast.Module) -> set[str]:
    """Names that the code binds itself, whatever the scope."""
    found: set[str | None] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(
            node,
            (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler, ast.MatchAs),
        ):
            found.add(node.name)
    return {name for name in found if name is not None}


_Function = TypeVar("_Function", ast.FunctionDef, ast.AsyncFunctionDef)


class _Plain(ast.NodeTransformer):
    """Takes off what does not count; numbers bound names in the order in which they are met."""

    def __init__(self, bound: set[str], imported: dict[str, str]) -> None:
        self._bound, self._imported = bound, imported
        self._numbers: dict[str, str] = {}

    def _named(self, name: str) -> str:
        if name in self._bound:
            return self._numbers.setdefault(name, f"_{len(self._numbers)}")
        return self._imported.get(name, name)

    def visit_Name(self, node: ast.Name) -> ast.Name | ast.Attribute:
        return _dotted(self._named(node.id), node.ctx)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.arg(arg=self._named(node.arg))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node: _Function) -> ast.AST:
        node.name, node.returns = self._named(node.name), None
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.name = self._named(node.name)
        return self.generic_visit(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        node.name = node.name and self._named(node.name)
        return self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> ast.AST:
        node.name = node.name and self._named(node.name)
        return self.generic_visit(node)

    def visit_Global(self, node: ast.Global) -> ast.AST:
        node.names = [self._named(name) for name in node.names]
        return node

    def visit_Nonlocal(self, node: ast.Nonlocal) -> ast.AST:
        node.names = [self._named(name) for name in node.names]
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        # Only the code's own functions have parameters that were renamed.
        if isinstance(node.func, ast.Name) and node.func.id in self._numbers.values():
            for keyword in node.keywords:
                keyword.arg = keyword.arg and self._named(keyword.arg)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return None
        return self.generic_visit(ast.Assign(targets=[node.target], value=node.value))

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        """Dropped: the names it binds are written out."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Dropped as well."""


def _dotted(name: str, context: ast.expr_context) -> ast.Name | ast.Attribute:
    """A name with dots as the tree that Python would make of it."""
    first, *rest = name.lstrip(".").split(".")
    node: ast.Name | ast.Attribute = ast.Name(id=first, ctx=ast.Load() if rest else context)
    for part in rest:
        node = ast.Attribute(value=node, attr=part, ctx=ast.Load())
    return node
