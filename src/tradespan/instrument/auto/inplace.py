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
from functools import partial
from types import CodeType, FunctionType
from typing import Any, ClassVar

from tradespan.capture.frames import own_code
from tradespan.instrument.auto.twins import Binding, twin_code
from tradespan.instrument.options import Watch
from tradespan.instrument.plan import Plan
from tradespan.instrument.recorder import SLOT, RecorderSlot
from tradespan.instrument.shapes.async_generator import first_step
from tradespan.instrument.shapes.counted import count_sync
from tradespan.instrument.shapes.generator import without_this_frame
from tradespan.instrument.shapes.iteration import unwatched
from tradespan.instrument.shapes.sync import watch_sync
from tradespan.instrument.watch import Shape, plainest, shape_of

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
        self,
        function: FunctionType,
        name: str,
        watch_of: WatchOf,
        slot: RecorderSlot,
        may_sample: bool = True,
    ) -> None:
        """`may_sample`: whether its options may say so; asked for at the first call only."""
        self.name = name
        self._may_sample = may_sample
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
        self.on_plan: Callable[[], None] | None = None
        """Told once, at the first call."""

    @property
    def plan(self) -> Plan:
        """Made at the first call."""
        if self._plan is None:
            self._plan = Plan(self.function, self._watch_of(self.name), self.name)
            if self.on_plan is not None:
                self.on_plan()
        return self._plan

    def shape(self, level: Level) -> Shape:
        """What watches it so closely."""
        shape = shape_of(self.function)
        if level is Level.FULL:
            return plainest(shape, self._may_sample)
        return count_sync if shape is watch_sync else shape

    def wrapper(self, level: Level) -> FunctionType:
        """What would watch it as a function of its own."""
        plan = self.plan if level is Level.FULL else self.plan.counting()
        made = self.shape(level)(self.function, plan, self._slot)
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
        self,
        function: FunctionType,
        name: str,
        watch_of: WatchOf,
        slot: RecorderSlot = SLOT,
        on_call: Callable[[Twin], None] | None = None,
        *,
        may_sample: bool = True,
    ) -> None:
        """`name`: the one to record. `on_call`: told at the first call. `may_sample`: False where
        no function's calls are sampled.
        """
        self.name = name
        self.level = Level.RESTORED
        self.function = weakref.ref(function)
        """Weak: a script that defines functions in a loop drops them again."""
        self.body = Body(function, name, watch_of, slot, may_sample)
        self.ended = False
        """Whether it was given back for good."""
        self._codes = {Level.RESTORED: function.__code__}
        self._bindings: dict[Level, Binding] = {}
        if on_call is not None:
            self.body.on_plan = partial(_tell, weakref.ref(self), on_call)

    def put(self, level: Level) -> None:
        """Watch the function so closely from its next call on.

        A function whose code somebody else has exchanged since is left as it is, and so is one that
        was given back.

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
        # Looked at behind the exchange: another thread may give it back meanwhile.
        if self.ended and level is not Level.RESTORED:
            self.put(Level.RESTORED)

    def give_back(self) -> None:
        """Put the function's own code back, for good."""
        self.ended = True
        self.put(Level.RESTORED)

    def binding(self, level: Level) -> Binding | None:
        """What the code of a level works with; None where it was never put in."""
        return self._bindings.get(level)

    def _code(self, level: Level) -> CodeType:
        body = self.body
        binding = self._bindings[level] = Binding(lambda: body.wrapper(level), body)
        code = twin_code(body.function.__code__, body.shape(level), binding)
        own_code.add(code)
        return code


def _tell(twin: weakref.ref[Twin], on_call: Callable[[Twin], None]) -> None:
    found = twin()
    if found is not None:
        on_call(found)


def _arrived(function: FunctionType, name: str) -> Binding:
    """A binding for a body that came by value into this process (cloudpickle)."""
    body = Body(function, name, lambda name: Watch(), SLOT)
    return Binding(lambda: body.wrapper(Level.FULL), body)
