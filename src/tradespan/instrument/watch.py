"""From a function to its watched twin: which wrapper it gets, and that it looks the same.

A wrapper made before tradespan is configured, or while it is off, passes through.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import update_wrapper
from types import CodeType, FunctionType
from typing import Any

from tradespan.instrument.capture.frames import own_code
from tradespan.instrument.options import Watch
from tradespan.instrument.plan import Plan
from tradespan.instrument.recorder import RecorderSlot
from tradespan.instrument.shapes.async_generator import watch_async_generator
from tradespan.instrument.shapes.coroutine import watch_coroutine
from tradespan.instrument.shapes.generator import watch_generator
from tradespan.instrument.shapes.sync import Function, watch_sync

MARKER = "__tradespan_watched__"
"""Attribute of a wrapper that names the function it watches."""


def can_watch(function: Any) -> str | None:
    """Why an object cannot be watched; None if it can."""
    if not isinstance(function, FunctionType):
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
    return _like(_shape_of(function)(function, plan, slot), function)


def _shape_of(function: FunctionType) -> Callable[[Function, Plan, RecorderSlot], Function]:
    if inspect.iscoroutinefunction(function):
        return watch_coroutine
    if inspect.isgeneratorfunction(function):
        return watch_generator
    if inspect.isasyncgenfunction(function):
        return watch_async_generator
    return watch_sync


def _like(wrapper: Any, function: FunctionType) -> FunctionType:
    """The wrapper, with what others see of a function taken from the one it watches."""
    wrapper.__code__ = _placed(wrapper.__code__, function.__code__)
    own_code.add(wrapper.__code__)
    update_wrapper(wrapper, function)
    wrapper.__defaults__ = function.__defaults__
    wrapper.__kwdefaults__ = function.__kwdefaults__
    setattr(wrapper, MARKER, function)
    return wrapper  # type: ignore[no-any-return]


def _placed(code: CodeType, like: CodeType) -> CodeType:
    """A wrapper's code as if it stood where the function's definition begins.

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
    )


def _one_line(units: int) -> bytes:
    """A location table that gives the first line to so many code units.

    Source: CPython, Objects/locations.md (3.11 to 3.14): an entry without columns is a byte
    `0b1_1101_nnn` for n + 1 units, at most 8, and the line's difference, 0.
    """
    whole, rest = divmod(units, 8)
    table = b"\xef\x00" * whole
    return table + bytes((0xE8 | rest - 1, 0)) if rest else table
