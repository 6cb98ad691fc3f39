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

from tradespan.capture.frames import own_code
from tradespan.instrument.auto.twins import Binding, binding_in, twin_code
from tradespan.instrument.options import Watch
from tradespan.instrument.plan import Plan
from tradespan.instrument.recorder import SLOT, RecorderSlot
from tradespan.instrument.shapes.async_generator import first_step
from tradespan.instrument.shapes.counted import count_sync
from tradespan.instrument.shapes.generator import without_this_frame
from tradespan.instrument.shapes.iteration import unwatched
from tradespan.instrument.shapes.sync import watch_sync
from tradespan.instrument.watch import Shape, plainest, shape_of, telling

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
    """What a watched function does: its own code, in a function that nobody else sees.

    Of thousands of functions few are ever called: what a call needs is made at the first one.
    """

    __slots__ = (
        "_closure",
        "_code",
        "_defaults",
        "_function",
        "_globals",
        "_may_sample",
        "_name",
        "_on_call",
        "_plan",
        "_slot",
        "_twin",
        "_watch_of",
        "name",
    )

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
        # Not the function itself: its code leads here, and it has to go when nobody else wants it.
        self._code = function.__code__
        self._globals = function.__globals__
        self._name = function.__name__
        self._defaults = function.__defaults__
        self._closure = function.__closure__
        self._function: Any = None
        self._watch_of = watch_of
        self._slot = slot
        self._plan: Plan | None = None
        self._twin: weakref.ref[Twin] | None = None
        self._on_call: Callable[[Twin], None] | None = None

    @property
    def function(self) -> FunctionType:
        """Made when first asked for, and kept."""
        made: FunctionType | None = self._function
        if made is None:
            named = self._code, self._globals, self._name, self._defaults, self._closure
            made = self._function = FunctionType(*named)
        return made

    @property
    def plan(self) -> Plan:
        """Made at the first call."""
        if self._plan is None:
            function: Any = self.function
            self._plan = Plan(function, self._watch_of(self.name), self.name)
            twin = None if self._twin is None else self._twin()
            if twin is not None and self._on_call is not None:
                self._on_call(twin)
        return self._plan

    def tell(self, twin: Twin, on_call: Callable[[Twin], None]) -> None:
        """Have somebody told of the first call."""
        self._twin, self._on_call = weakref.ref(twin), on_call

    def shape(self, level: int) -> Shape:
        """What watches it so closely."""
        shape = shape_of(self._code)
        if level == Level.FULL:
            return plainest(shape, self._may_sample)
        return count_sync if shape is watch_sync else shape

    def wrapper(self, level: int) -> FunctionType:
        """What would watch it as a function of its own."""
        plan = self.plan if level == Level.FULL else self.plan.counting()
        function: Any = self.function
        function = telling(function, plan, self._slot)
        made = self.shape(level)(function, plan, self._slot)
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

    __slots__ = ("__weakref__", "_codes", "body", "ended", "function", "level", "name")

    def __init__(
        self,
        function: FunctionType,
        name: str,
        watch_of: WatchOf,
        slot: RecorderSlot = SLOT,
        on_call: Callable[[Twin], None] | None = None,
        on_gone: Callable[[weakref.ref[FunctionType]], None] | None = None,
        *,
        may_sample: bool = True,
    ) -> None:
        """`name`: the one to record. `on_call`: told at the first call. `on_gone`: when the
        function is collected, by `Twin.function`. `may_sample`: False where no function's calls are
        sampled.
        """
        self.name = name
        self.level = Level.RESTORED
        self.function = weakref.ref(function, on_gone)
        """Weak: a script that defines functions in a loop drops them again."""
        self.body = Body(function, name, watch_of, slot, may_sample)
        self.ended = False
        """Whether it was given back for good."""
        # By plain numbers: such a dict is nothing that the garbage collector has to look through.
        self._codes = {int(Level.RESTORED): function.__code__}
        if on_call is not None:
            self.body.tell(self, on_call)

    def __del__(self) -> None:
        # Its function is gone, or was given back: nothing else leads from the codes to what they
        # work with, and the garbage collector does not look through codes.
        for level, code in self._codes.items():
            if level:
                own_code.discard(code)

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
        number = int(level)
        if number not in self._codes:
            self._codes[number] = self._code(number)
        function.__code__ = self._codes[number]
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
        code = self._codes.get(level)
        return None if code is None else binding_in(code)

    def _code(self, level: int) -> CodeType:
        body = self.body
        code = twin_code(self._codes[0], body.shape(level), Binding(body, level))
        own_code.add(code)
        return code


def _arrived(function: FunctionType, name: str) -> Binding:
    """A binding for a body that came by value into this process (cloudpickle)."""
    return Binding(Body(function, name, lambda name: Watch(), SLOT), Level.FULL)
