"""Functions watched in place: the function object stays, its code is exchanged.

So whoever holds the function holds the watched one, under whatever name: `from m import f`, a dict
of handlers, a bound method, a `partial`, a default argument. It is the same object, pickles by the
same name, and is given back by putting its own code back. The original code runs in a function of
its own, with the same globals and closure.
"""

from __future__ import annotations

import enum
import weakref
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any, ClassVar

from tradespan.instrument.auto.twins import Binding, twin_code
from tradespan.instrument.capture.frames import own_code
from tradespan.instrument.options import Watch
from tradespan.instrument.plan import Plan
from tradespan.instrument.recorder import SLOT, RecorderSlot
from tradespan.instrument.shapes.async_generator import first_step
from tradespan.instrument.shapes.generator import without_this_frame
from tradespan.instrument.shapes.iteration import unwatched
from tradespan.instrument.watch import shape_of

WatchOf = Callable[[str], Watch]
"""A function's options, by its name."""


class Level(enum.IntEnum):
    """How closely a function is watched."""

    RESTORED = 0
    """Its own code is back: not observed."""
    COUNTED = 1
    """Calls are counted and timed; those that fail are spans."""
    FULL = 2
    """Each call that sampling keeps is a span."""


class _Empty:
    """A slot that no recorder will ever stand in."""

    recorder = None


class Body:
    """What a watched function does: its own code, in a function that nobody else sees."""

    _passing: ClassVar = {
        "slot": _Empty(),
        "begin": unwatched,
        "without_frame": without_this_frame,
        "first": first_step,
    }
    """Kept here: when Python ends, a module's names are gone before the last call."""

    def __init__(
        self, function: FunctionType, name: str, watch_of: WatchOf, slot: RecorderSlot
    ) -> None:
        self.name = name
        self.function = FunctionType(
            function.__code__,
            function.__globals__,
            function.__name__,
            function.__defaults__,
            function.__closure__,
        )
        self._watch_of = watch_of
        self._slot = slot
        self._plan: Plan | None = None

    @property
    def plan(self) -> Plan:
        """Made at the first call."""
        if self._plan is None:
            self._plan = Plan(self.function, self._watch_of(self.name), self.name)
        return self._plan

    def wrapper(self, level: Level) -> FunctionType:
        """What would watch it as a function of its own."""
        plan = self.plan if level is Level.FULL else self.plan.counting()
        made = shape_of(self.function)(self.function, plan, self._slot)
        assert isinstance(made, FunctionType)
        return made

    def names(self) -> dict[str, Any]:
        """What lets a call pass unrecorded (`twins.Passing`)."""
        return {**self._passing, "function": self.function}

    def again(self) -> tuple[Any, ...]:
        """How to make its binding in another process."""
        return _arrived, (self.function, self.name)


class Twin:
    """One function that is watched in place."""

    def __init__(
        self, function: FunctionType, name: str, watch_of: WatchOf, slot: RecorderSlot = SLOT
    ) -> None:
        """`name`: the one to record."""
        self.name = name
        self.level = Level.RESTORED
        self.function = weakref.ref(function)
        """Weak: a script that defines functions in a loop drops them again."""
        self.body = Body(function, name, watch_of, slot)
        self._codes = {Level.RESTORED: function.__code__}

    def put(self, level: Level) -> None:
        """Watch the function so closely from its next call on.

        A function whose code somebody else has exchanged since is left as it is.

        Raises:
            OSError: tradespan was installed without its source.
        """
        function = self.function()
        if function is None or not any(function.__code__ is own for own in self._codes.values()):
            return
        if level not in self._codes:
            self._codes[level] = self._code(level)
        function.__code__ = self._codes[level]
        self.level = level

    def _code(self, level: Level) -> CodeType:
        body = self.body
        binding = Binding(lambda: body.wrapper(level), body)
        code = twin_code(body.function.__code__, shape_of(body.function), binding)
        own_code.add(code)
        return code


def _arrived(function: FunctionType, name: str) -> Binding:
    """A binding for a body that came by value into this process (cloudpickle)."""
    body = Body(function, name, lambda name: Watch(), SLOT)
    return Binding(lambda: body.wrapper(Level.FULL), body)
