"""Find the functions of a module that a selection names, watch them in place, and give them back.

What cannot be watched is left as it was and said with the reason. Modules, their values and classes
are looked at without running code of theirs: by `type(value)` and the dicts themselves.
"""

from __future__ import annotations

import functools
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import (
    BuiltinFunctionType,
    FunctionType,
    MethodDescriptorType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any
from weakref import ref

from tradespan.core import guard
from tradespan.instrument.auto.framewise import looks_at_frames
from tradespan.instrument.auto.inplace import Level, Twin
from tradespan.instrument.watch import can_watch

MakeTwin = Callable[[FunctionType, str], Twin]
Selects = Callable[[str], bool]
IsNamed = Callable[[str], bool]
"""Whether an identifier stands in a pattern: then it is asked for."""

# A metaclass may answer for its classes whatever it likes: `type` is asked.
_module_of_class = type.__dict__["__module__"].__get__
qualname_of_class = type.__dict__["__qualname__"].__get__
_name_of_class = type.__dict__["__name__"].__get__
_flags_of_class = type.__dict__["__flags__"].__get__
_MADE_IN_PYTHON = 1 << 9
"""Source: CPython, Include/object.h: Py_TPFLAGS_HEAPTYPE."""
names_in_class = type.__dict__["__dict__"].__get__
_C_FUNCTIONS = (BuiltinFunctionType, MethodDescriptorType, WrapperDescriptorType)
_CACHED = (functools._lru_cache_wrapper,)  # noqa: SLF001 - the type has no public name


A_SPECIAL_METHOD = "a special method"
A_PROPERTY = "a property"
A_CACHED_PROPERTY = "a cached property"
KEPT_BY_CACHE = "kept by functools.lru_cache: only its misses run"
IN_C = "written in C"
WATCHED_ALREADY = "watched already"


@dataclass(slots=True)
class Report:
    """What became of the functions that a selection named."""

    watched: dict[str, None] = field(default_factory=dict)
    """Their names, in the order in which they came."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Name → why it is not watched: Python functions that were to be."""
    left: dict[str, str] = field(default_factory=dict)
    """Name → why it was left alone: what is never watched unless a pattern names it."""


@dataclass(slots=True)
class Found:
    """Something that can be called, and stands in a module or class."""

    name: str
    """`module.qualname`, as patterns see it."""
    function: FunctionType | None
    """What to watch; None: there is no Python function in it."""
    reason: str = ""
    """Why it is left alone; "" if it is not."""
    asked_by: str = ""
    """The identifier that asks for it all the same, if it stands in a pattern."""


def is_left_alone(found: Found, is_named: IsNamed) -> bool:
    """Whether something that a pattern selects is not what patterns are for."""
    if found.function is None:
        return True
    return bool(found.reason) and not (found.asked_by and is_named(found.asked_by))


def obstacle(function: FunctionType) -> str | None:
    """Why a function cannot be watched; None if nothing is known that would be in the way."""
    reason = can_watch(function)
    if reason is None and (looking := looks_at_frames(function)):
        return f"frame-sensitive: {looking}"
    return reason


def module_of(value: Any) -> str:
    """The module that a function or class says it was defined in."""
    try:
        module = value.__module__ if type(value) is FunctionType else _module_of_class(value)
    except AttributeError:  # a class whose `__module__` was deleted
        return ""
    return module if type(module) is str else ""


def qualname_of(value: Any) -> str:
    """The qualified name of a function or class."""
    name: str = value.__qualname__ if type(value) is FunctionType else qualname_of_class(value)
    return name


def namespace_of(module: ModuleType) -> dict[str, Any]:
    """A module's dict; a lazy module is not loaded by asking for it."""
    namespace: dict[str, Any] = ModuleType.__getattribute__(module, "__dict__")
    return namespace


def functions_of_module(module: ModuleType, name: str, known_as: str) -> Iterator[Found]:
    """What a module defines.

    `name`: the module's, under which its functions were defined; `known_as`: the one to record.
    """
    for member, value in list(namespace_of(module).items()):
        kind = type(value)
        if kind is FunctionType:
            if module_of(value) == name:
                yield _function(f"{known_as}.{value.__qualname__}", member, value, module)
        elif issubclass(kind, type):
            if module_of(value) == name:
                yield from functions_of_class(value, known_as)
        elif kind in (*_C_FUNCTIONS, *_CACHED):
            if _said_module(value) == name:
                yield _other(f"{known_as}.{member}", member, value)
        elif is_dispatcher(kind) and _said_module(value) == name:
            yield Found(f"{known_as}.{value.__qualname__}", _plain(value._implementation))  # noqa: SLF001 - numpy's


def functions_of_class(owner: type, module: str) -> Iterator[Found]:
    """What a class defines, and the classes defined in it."""
    within = f"{qualname_of_class(owner)}."
    for member, value in list(names_in_class(owner).items()):
        kind = type(value)
        if type(member) is not str:  # `type("Book", (), {5: …})`
            continue
        if issubclass(kind, type):
            if qualname_of_class(value).startswith(within):
                yield from functions_of_class(value, module)
            continue
        name = f"{module}.{within}{member}"
        function = value.__func__ if kind in (staticmethod, classmethod) else value
        if type(function) is not FunctionType:
            found = _other(name, member, function)
            if found.reason:
                yield found
        elif function.__qualname__.startswith(within) and not _is_borrowed(owner, function):
            name = f"{module}.{function.__qualname__}"
            if is_dunder(member):
                yield Found(name, function, A_SPECIAL_METHOD, member)
            else:
                yield _function(name, member, function, None)


def is_dispatcher(kind: type) -> bool:
    """Whether it is what numpy puts, in C, before its functions in Python: `numpy.median`.

    They say the public module of themselves; the function behind has the one of its file.
    """
    return (
        _name_of_class(kind) == "_ArrayFunctionDispatcher"
        and _module_of_class(kind) == "numpy"
        and not _flags_of_class(kind) & _MADE_IN_PYTHON
    )


def _said_module(value: Any) -> str:
    said = getattr(value, "__module__", None)
    return said if type(said) is str else ""


def _function(name: str, member: str, function: FunctionType, module: ModuleType | None) -> Found:
    file = function.__code__.co_filename
    if file.startswith("<") and (module is None or "__file__" in namespace_of(module)):
        return Found(name, function, f"generated code ({file[:40]})", member)
    return Found(name, function)


def _other(name: str, member: str, value: Any) -> Found:
    """What is no plain function; without a reason it is nothing that could be watched at all."""
    kind = type(value)
    if kind is property:
        return Found(name, _plain(value.fget), A_PROPERTY, member)
    if kind is functools.cached_property:
        return Found(name, _plain(value.func), A_CACHED_PROPERTY, member)
    if kind in _CACHED:
        return Found(name, _plain(getattr(value, "__wrapped__", None)), KEPT_BY_CACHE, member)
    if kind in _C_FUNCTIONS:
        return Found(name, None, IN_C)
    return Found(name, None)


def _plain(value: Any) -> FunctionType | None:
    return value if type(value) is FunctionType else None


def is_dunder(member: str) -> bool:
    """Whether a name is Python's to call; `__call__` is the caller's."""
    return member.startswith("__") and member.endswith("__") and member != "__call__"


def _is_borrowed(owner: type, function: FunctionType) -> bool:
    """`NamedTuple._replace` and the like are made by Python's library for the class."""
    home, package = module_of(function).partition(".")[0], module_of(owner).partition(".")[0]
    return home != package and home in sys.stdlib_module_names


@contextmanager
def _without_collections() -> Iterator[None]:
    """What patching makes stays: to look through all of it again and again frees nothing.

    A third of what it costs to watch a large library at start-up would be that.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class Patcher:
    """Watches what a selection names; one for all modules."""

    def __init__(self, selects: Selects, is_named: IsNamed, make: MakeTwin) -> None:
        self.report = Report()
        self._selects = selects
        self._is_named = is_named
        self._make = make
        self._twins: dict[ref[FunctionType], Twin] = {}
        """By what each twin knows its function by: it goes with the function."""

    @property
    def twins(self) -> list[Twin]:
        """Of the functions that are still there."""
        return list(self._twins.values())

    def patch_module(self, module: ModuleType, name: str, known_as: str | None = None) -> None:
        """Watch what a module defines, as `functions_of_module` finds it."""
        with _without_collections():
            for found in functions_of_module(module, name, known_as or name):
                self.patch(found)

    def patch_class(self, owner: type, module: str) -> None:
        """Watch the methods that a class defines."""
        for found in functions_of_class(owner, module):
            self.patch(found)

    def patch(self, found: Found) -> None:
        """Watch a function, if it is to be watched and can be."""
        function = found.function
        if function is not None and ref(function) in self._twins:
            return
        if not self._selects(found.name):
            return
        if function is None or is_left_alone(found, self._is_named):
            self.report.left[found.name] = found.reason
        else:
            self._watch(function, found.name)

    def _watch(self, function: FunctionType, name: str) -> None:
        reason = obstacle(function)
        if reason is not None:
            if reason != WATCHED_ALREADY:
                self.report.skipped[name] = reason
            return
        try:
            twin = self._make(function, name)
            twin.put(Level.FULL)
        except Exception as error:  # noqa: BLE001 - one function less, said so
            self.report.skipped[name] = f"{type(error).__name__}: {error}"
            return
        self._twins[twin.function] = twin
        self.report.watched[name] = None

    def forget(self, picks: Selects) -> None:
        """Give back what a selection picks, so that it is watched anew, by other options."""
        for reference, twin in list(self._twins.items()):
            if picks(twin.name):
                twin.give_back()
                self.drop(reference)

    def drop(self, reference: ref[FunctionType]) -> None:
        """Forget a function, by what its twin knows it by."""
        self._twins.pop(reference, None)

    def restore(self) -> None:
        """Put every function's own code back, where nobody has put something else since."""
        for twin in self.twins:
            with guard.guarded("restore"):
                twin.give_back()
        self._twins.clear()
        self.report = Report()
