"""Replace functions of a module by watched ones, and put them back.

A patch that fails leaves what it failed on as it was. What is replaced is remembered, so that all
of it can be undone. Modules, their values and classes are looked at without running code of theirs:
by `type(value)` and the dicts themselves.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import Any
from weakref import WeakValueDictionary

from tradespan.core import guard
from tradespan.instrument.watch import MARKER, can_watch

Wrap = Callable[[FunctionType, str], FunctionType]
Selects = Callable[[str], bool]

_module_of_class = type.__dict__["__module__"].__get__
_qualname_of_class = type.__dict__["__qualname__"].__get__


@dataclass(slots=True)
class Report:
    """What became of the functions that a selection named."""

    watched: dict[str, None] = field(default_factory=dict)
    """Their names, in the order in which they came."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Name → why it is not watched."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """One place that held a function and holds its wrapper now."""

    owner: Any
    name: str
    original: Any
    fresh: Any


def module_of(value: Any) -> str:
    """The module that a function or class says it was defined in."""
    module = value.__module__ if type(value) is FunctionType else _module_of_class(value)
    return module if type(module) is str else ""


def namespace_of(module: ModuleType) -> dict[str, Any]:
    """A module's dict; a lazy module is not loaded by asking for it."""
    namespace: dict[str, Any] = ModuleType.__getattribute__(module, "__dict__")
    return namespace


def own_members(module: str, namespace: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Functions and classes of a namespace that were defined in `module`."""
    for name, value in list(namespace.items()):
        kind = type(value)
        if (kind is FunctionType or issubclass(kind, type)) and module_of(value) == module:
            yield name, value


class Patcher:
    """Wraps what a selection names; one for all modules."""

    def __init__(self, selects: Selects, wrap: Wrap) -> None:
        self.report = Report()
        self._selects = selects
        self._wrap = wrap
        self._done: list[Replacement] = []
        self._wrappers: WeakValueDictionary[int, FunctionType] = WeakValueDictionary()
        """`id` of an original → its wrapper, which keeps the original alive. Weak: a script that
        defines functions in a loop drops them again."""

    def patch_module(self, module: ModuleType, name: str, known_as: str | None = None) -> None:
        """Watch the functions and methods that a module defines.

        `name`: the module's, under which its functions were defined; `known_as`: the one to record.
        """
        known_as = known_as or name
        for member, value in own_members(name, namespace_of(module)):
            if type(value) is FunctionType:
                watched = self.watched(value, f"{known_as}.{value.__qualname__}")
                if watched is not None:
                    self._replace(module, member, value, watched)
            else:
                self.patch_class(value, known_as)

    def patch_class(self, owner: type, module: str) -> None:
        """Watch the methods that a class defines, and those of classes defined in it."""
        for member, value in list(vars(owner).items()):
            kind = type(value)
            if issubclass(kind, type):
                if _qualname_of_class(value).startswith(f"{_qualname_of_class(owner)}."):
                    self.patch_class(value, module)
                continue
            function = value.__func__ if kind in (staticmethod, classmethod) else value
            if type(function) is not FunctionType or _is_left_alone(owner, member, function):
                continue
            watched = self.watched(function, f"{module}.{function.__qualname__}")
            if watched is not None:
                self._replace(owner, member, value, watched if function is value else kind(watched))

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
        self.report.watched[name] = None
        return wrapper

    def patch_aliases(self, modules: Iterable[str]) -> None:
        """Other names of the same function objects in these modules: `from m import f`."""
        wrappers = dict(self._wrappers)
        for module, name, value in _functions_in(modules, wrappers):
            self._replace(module, name, value, wrappers[id(value)])

    def restore(self) -> None:
        """Put every original back, where nobody has put something else since."""
        wrappers = {id(wrapper): wrapper for wrapper in self._wrappers.values()}
        for done in reversed(self._done):
            if vars(done.owner).get(done.name) is done.fresh:
                with guard.guarded("restore"):
                    setattr(done.owner, done.name, done.original)
        # What was imported from a patched module, or defined by the script, holds wrappers as well.
        for module, name, value in list(_functions_in(list(sys.modules), wrappers)):
            with guard.guarded("restore"):
                setattr(module, name, getattr(value, MARKER))
        self._done.clear()
        self._wrappers.clear()
        self.report = Report()

    def _replace(self, owner: Any, name: str, original: Any, fresh: Any) -> None:
        try:
            setattr(owner, name, fresh)
        except Exception as error:  # noqa: BLE001 - a metaclass of the user's may refuse
            self.report.skipped[f"{owner.__name__}.{name}"] = f"{type(error).__name__}: {error}"
        else:
            self._done.append(Replacement(owner, name, original, fresh))


def _functions_in(
    modules: Iterable[str], wanted: Mapping[int, FunctionType]
) -> Iterator[tuple[ModuleType, str, FunctionType]]:
    """Where module-level names stand for functions whose `id` is wanted."""
    for key in modules:
        module = sys.modules.get(key)
        if not issubclass(type(module), ModuleType) or key.startswith("tradespan."):
            continue
        assert module is not None
        for name, value in list(namespace_of(module).items()):
            if type(value) is FunctionType and id(value) in wanted:
                yield module, name, value


def _is_left_alone(owner: type, member: str, function: FunctionType) -> bool:
    """Dunders but `__call__`, what a class machinery generated, and what belongs to others."""
    if member.startswith("__") and member.endswith("__") and member != "__call__":
        return True
    if not function.__qualname__.startswith(f"{_qualname_of_class(owner)}."):
        return True
    # `NamedTuple._replace` and the like are made by Python's library for the class.
    home, package = module_of(function).partition(".")[0], module_of(owner).partition(".")[0]
    return home != package and home in sys.stdlib_module_names
