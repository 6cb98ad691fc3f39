"""From a function to its watched twin: which wrapper it gets, and that it looks the same.

A wrapper made before tradespan is configured, or while it is off, passes through.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from functools import cache, update_wrapper
from types import CodeType, FunctionType
from typing import Any

from tradespan.capture.frames import own_code
from tradespan.core import guard
from tradespan.instrument.options import Watch
from tradespan.instrument.plan import Plan
from tradespan.instrument.recorder import RecorderSlot
from tradespan.instrument.shapes.async_generator import watch_async_generator
from tradespan.instrument.shapes.coroutine import watch_coroutine
from tradespan.instrument.shapes.generator import watch_generator
from tradespan.instrument.shapes.sync import Function, watch_plain, watch_sync
from tradespan.instrument.telling import tell_of

Shape = Callable[[Function, Plan, RecorderSlot], Function]
"""Makes the wrapper of a function; one for each kind of function."""
SHAPES: tuple[Shape, ...] = (
    watch_plain,
    watch_sync,
    watch_coroutine,
    watch_generator,
    watch_async_generator,
)


def can_watch(function: Any) -> str | None:
    """Why an object cannot be watched; None if it can."""
    if not issubclass(type(function), FunctionType):  # a proxy says of itself to be one
        return f"a {type(function).__name__}, not a Python function"
    if function.__code__ in own_code:
        return "watched already"
    return None


def watch_function(
    function: FunctionType, watch: Watch, slot: RecorderSlot, *, alias: str | None = None
) -> FunctionType:
    """A function that does what `function` does, and records each call.

    `alias`: the name to record where it is not the function's own (a script's `__main__`).
    """
    plan = Plan(function, watch, alias)
    shape = plainest(shape_of(function.__code__), plan.coin is not None)
    return _like(shape(telling(function, plan, slot), plan, slot), function)


def telling(function: FunctionType, plan: Plan, slot: RecorderSlot) -> FunctionType:
    """The function itself; if it is mapped and somebody listens, one that tells of its calls."""
    if not plan.mapped:
        return function
    with guard.guarded("listening to a mapped function"):
        teller = tell_of(function, plan, slot)
        if teller is not None:
            return _like(teller, function)
    return function


def plainest(shape: Shape, samples: bool) -> Shape:
    """The same for functions whose calls are all kept, if that is less to do."""
    return watch_plain if shape is watch_sync and not samples else shape


def shape_of(code: CodeType) -> Shape:
    """What makes the wrapper of a function with this code."""
    # By its code: a plain function may be marked as a coroutine function, and return a future.
    flags = code.co_flags
    if flags & inspect.CO_COROUTINE:
        return watch_coroutine
    if flags & inspect.CO_GENERATOR:
        return watch_generator
    if flags & inspect.CO_ASYNC_GENERATOR:
        return watch_async_generator
    return watch_sync


def _like(wrapper: Any, function: FunctionType) -> FunctionType:
    """The wrapper, with what others see of a function taken from the one it watches."""
    code = _placed_once(wrapper.__code__, function.__code__)
    defaults, closure = function.__defaults__, wrapper.__closure__
    like = FunctionType(code, function.__globals__, function.__name__, defaults, closure)
    update_wrapper(like, function)
    like.__kwdefaults__ = function.__kwdefaults__
    with suppress(ValueError, TypeError):  # for those who ask without following `__wrapped__`
        like.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return like


_placed_codes: dict[tuple[int, int], tuple[CodeType, CodeType]] = {}
"""By ids of a wrapper's and a function's code; the latter is held, so that its id stays its own."""


def _placed_once(code: CodeType, like: CodeType) -> CodeType:
    """One for each definition, however often a function is decorated inside another."""
    key = id(code), id(like)
    if key not in _placed_codes:
        own = placed(code, like)
        own_code.add(own)
        _placed_codes[key] = own, like
    return _placed_codes[key][0]


def placed(code: CodeType, like: CodeType, **more: Any) -> CodeType:
    """A wrapper's code as if it stood where the function's definition begins.

    `more`: what else is to be replaced.

    So a warning or a log line that names its caller's caller names the user's file, and a traceback
    shows the definition's line for the wrapper's frame.
    """
    return code.replace(
        co_filename=like.co_filename,
        co_firstlineno=like.co_firstlineno,
        co_name=like.co_name,
        co_qualname=like.co_qualname,
        # `types.coroutine` marks a generator function that may be awaited.
        co_flags=code.co_flags | like.co_flags & inspect.CO_ITERABLE_COROUTINE,
        co_linetable=_one_line(len(code.co_code) // 2),
        **more,
    )


@cache
def _one_line(units: int) -> bytes:
    """A location table that gives the first line to so many code units.

    Source: CPython, Objects/locations.md (3.11 to 3.14): an entry without columns is a byte
    `0b1_1101_nnn` for n + 1 units, at most 8, and the line's difference, 0.
    """
    whole, rest = divmod(units, 8)
    table = b"\xef\x00" * whole
    return table + bytes((0xE8 | rest - 1, 0)) if rest else table
