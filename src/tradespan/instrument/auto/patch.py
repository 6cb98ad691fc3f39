"""Replace functions of a module by watched ones, and put them back.

A patch that fails leaves what it failed on as it was. What is replaced is remembered, so that all of
it can be undone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import Any

from tradespan.core import guard
from tradespan.instrument.watch import MARKER, can_watch

Rename = Callable[[str], str]
Wrap = Callable[[FunctionType, str], FunctionType]
Selects = Callable[[str], bool]


@dataclass(slots=True)
class Report:
    """What became of the functions that a selection named."""

    watched: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    """Name → why it is not watched."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """One place that held a function and holds its wrapper now."""

    owner: Any
    name: str
    original: Any


def own_members(module: str, namespace: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Functions and classes of a namespace that were defined in `module`."""
    for name, value in list(namespace.items()):
        if isinstance(value, FunctionType | type) and getattr(value, "__module__", "") == module:
            yield name, value


class Patcher:
    """Wraps what a selection names; one for all modules."""

    def __init__(self, selects: Selects, wrap: Wrap) -> None:
        self.report = Report()
        self._selects = selects
        self._wrap = wrap
        self._done: list[Replacement] = []
        self._wrappers: dict[int, FunctionType] = {}
        """`id` of an original → its wrapper; the wrapper keeps the original alive."""

    def patch_module(self, module: ModuleType, name: str | None = None) -> None:
        """Watch the functions and methods that a module defines."""
        known_as = name or module.__name__
        for member, value in own_members(module.__name__, vars(module)):
            if isinstance(value, FunctionType):
                watched = self.watched(value, f"{known_as}.{value.__qualname__}")
                if watched is not None:
                    self._replace(module, member, value, watched)
            else:
                self.patch_class(value, known_as)

    def patch_class(self, owner: type, module: str) -> None:
        """Watch the methods that a class defines, and those of classes defined in it."""
        for member, value in list(vars(owner).items()):
            if isinstance(value, type):
                if value.__qualname__.startswith(f"{owner.__qualname__}."):
                    self.patch_class(value, module)
                continue
            function = (
                value.__func__ if isinstance(value, staticmethod | classmethod) else value
            )
            if not isinstance(function, FunctionType) or _is_left_alone(owner, member, function):
                continue
            watched = self.watched(function, f"{module}.{function.__qualname__}")
            if watched is not None:
                fresh = watched if function is value else type(value)(watched)
                self._replace(owner, member, value, fresh)

    def watched(self, function: FunctionType, name: str) -> FunctionType | None:
        """The wrapper of a function, if it is to be watched and can be."""
        known = self._wrappers.get(id(function))
        if known is not None:
            return known
        if not self._selects(name):
            return None
        reason = can_watch(function)
        if reason is not None:
            if reason != "watched already":
                self.report.skipped[name] = reason
            return None
        try:
            wrapper = self._wrap(function, name)
        except Exception as error:  # noqa: BLE001 - one function less, said so
            self.report.skipped[name] = f"{type(error).__name__}: {error}"
            return None
        self._wrappers[id(function)] = wrapper
        self.report.watched.append(name)
        return wrapper

    def patch_aliases(self) -> None:
        """Other names of the same function objects in all modules: `from m import f`."""
        for module in list(sys.modules.values()):
            if not isinstance(module, ModuleType) or module.__name__.startswith("tradespan."):
                continue
            with guard.guarded("alias scan"):
                for name, value in list(vars(module).items()):
                    if isinstance(value, FunctionType) and id(value) in self._wrappers:
                        wrapper = self._wrappers[id(value)]
                        if getattr(wrapper, MARKER, None) is value:
                            self._replace(module, name, value, wrapper)

    def restore(self) -> None:
        """Put every original back, last replaced first."""
        for done in reversed(self._done):
            with guard.guarded("restore"):
                setattr(done.owner, done.name, done.original)
        self._done.clear()
        self._wrappers.clear()
        self.report = Report()

    def _replace(self, owner: Any, name: str, original: Any, fresh: Any) -> None:
        try:
            setattr(owner, name, fresh)
        except (AttributeError, TypeError) as error:
            self.report.skipped[f"{getattr(owner, '__name__', owner)}.{name}"] = str(error)
        else:
            self._done.append(Replacement(owner, name, original))


def _is_left_alone(owner: type, member: str, function: FunctionType) -> bool:
    """Dunders but `__call__`, and what a class machinery generated."""
    if member.startswith("__") and member.endswith("__") and member != "__call__":
        return True
    return not function.__qualname__.startswith(owner.__qualname__)
