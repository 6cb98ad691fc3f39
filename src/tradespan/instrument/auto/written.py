"""The functions of a program that has not run, read from its code: what running it would define."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from importlib.util import resolve_name
from types import CellType, CodeType, FunctionType

from tradespan.instrument.auto.patch import (
    A_CACHED_PROPERTY,
    A_PROPERTY,
    A_SPECIAL_METHOD,
    KEPT_BY_CACHE,
    Found,
    is_dunder,
)

BY_HAND = "watched by @monitor"
AN_OVERLOAD = "an overload: its signature only"
_REASONS = {
    "property": A_PROPERTY, "setter": A_PROPERTY, "getter": A_PROPERTY, "deleter": A_PROPERTY,
    "cached_property": A_CACHED_PROPERTY, "cache": KEPT_BY_CACHE, "lru_cache": KEPT_BY_CACHE,
    "overload": AN_OVERLOAD, "monitor": BY_HAND,
}  # fmt: skip
"""What the decorators of these names make of a function."""
_GIVE_FUNCTIONS = {
    "staticmethod", "classmethod", "abstractmethod", "contextmanager", "asynccontextmanager",
    "final", "override", "wraps", "coroutine",
}  # fmt: skip
_GENERIC = "<generic parameters of "
"""What 3.12 and later put around a function or class with type parameters."""

Place = tuple[str, int]
"""Qualified name and first line, that of the first decorator."""


class Written:
    """One program's code and, if there is one, its text."""

    def __init__(
        self, code: CodeType, source: str | None, known_as: str, package: str = ""
    ) -> None:
        """`known_as`: the program's name in patterns; `package`: what relative imports go from."""
        self._code = code
        self._known_as = known_as
        self._package = package
        self._tree = ast.parse("" if source is None else source)
        self._decorators = dict(_decorators(self._tree, ""))
        self._globals: dict[str, FunctionType] = {}
        """The functions of the top level: what others of them call."""

    def functions(self) -> Iterator[tuple[Found, str]]:
        """What it defines at its top level and in classes there, and the decorator that decides
        whether it is a function in the end; "" if none does.
        """
        # All at once: a function may call one that is defined after it.
        yield from list(self._functions(self._code, in_class=False))

    def imports(self) -> Iterator[tuple[str, list[str]]]:
        """What its import statements name: a module, and parts of it that may be modules too."""
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, []) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                module = node.module or ""
                if node.level:
                    if not self._package:
                        continue
                    module = resolve_name("." * node.level + module, self._package)
                yield module, [alias.name for alias in node.names]

    def _functions(self, code: CodeType, *, in_class: bool) -> Iterator[tuple[Found, str]]:
        for const in code.co_consts:
            if type(const) is not CodeType:
                continue
            if const.co_name.startswith(_GENERIC):
                yield from self._functions(const, in_class=in_class)
            elif const.co_name.startswith("<"):
                continue
            elif const.co_flags & inspect.CO_OPTIMIZED:
                yield self._found(const, in_class=in_class)
            else:  # the body of a class
                yield from self._functions(const, in_class=True)

    def _found(self, code: CodeType, *, in_class: bool) -> tuple[Found, str]:
        name = f"{self._known_as}.{code.co_qualname}"
        cells = tuple(CellType() for _ in code.co_freevars)
        function = FunctionType(code, self._globals, closure=cells)
        if not in_class:
            self._globals[code.co_name] = function
        decorators = self._decorators.get((code.co_qualname, code.co_firstlineno), [])
        last = [each.rpartition(".")[2] for each in decorators]
        reason = next((_REASONS[each] for each in last if each in _REASONS), "")
        if not reason and in_class and is_dunder(code.co_name):
            reason = A_SPECIAL_METHOD
        unknown = next((d for d in decorators if d.rpartition(".")[2] not in _GIVE_FUNCTIONS), "")
        asked_by = "" if reason in {BY_HAND, AN_OVERLOAD} else code.co_name
        return Found(name, function, reason, asked_by), "" if reason else unknown


def _decorators(tree: ast.AST, within: str) -> Iterator[tuple[Place, list[str]]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            decorators = [_name(each) for each in node.decorator_list]
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            yield (f"{within}{node.name}", first), decorators
        elif isinstance(node, ast.ClassDef):
            yield from _decorators(node, f"{within}{node.name}.")
        elif isinstance(node, ast.stmt | ast.excepthandler | ast.match_case):
            yield from _decorators(node, within)


def _name(decorator: ast.expr) -> str:
    """`app.route` of `@app.route("/")`."""
    return ast.unparse(decorator.func if isinstance(decorator, ast.Call) else decorator)
