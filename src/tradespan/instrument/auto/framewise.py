"""Functions that look at who called them: a frame of ours in between would be seen.

They are left alone. Which ones they are is read from their code, without running any.
"""

from __future__ import annotations

import dis
import inspect
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

_LOOKING = {"_getframe", "currentframe"}
_LEVEL = "stacklevel"
_LOAD_CONST = dis.opmap["LOAD_CONST"]
_NAMING = {_LOAD_CONST, dis.opmap.get("KW_NAMES", _LOAD_CONST)}
"""What brings the names of a call's keywords: the latter up to 3.12."""
_NO_INSTRUCTION = {dis.opmap.get("CACHE", 0), dis.EXTENDED_ARG}


def looks_at_frames(function: FunctionType) -> str | None:
    """What in a function's code depends on the frames above it; None if nothing does.

    Also of what it wraps (`functools.wraps`), and of the functions within it.
    """
    for code in _codes_of(function):
        names = set(code.co_names)
        for name in sorted(_LOOKING & names):
            return f"its code uses {name}"
        if "stack" in names and _is_inspects(function, names):
            return "its code uses inspect.stack"
        if _has_constant_level(code):
            return f"it warns or logs with a constant {_LEVEL}"
    return None


def _codes_of(function: FunctionType) -> Iterator[CodeType]:
    seen: set[int] = set()
    current: object = function
    while isinstance(current, FunctionType) and id(current) not in seen:
        seen.add(id(current))
        waiting = [current.__code__]
        while waiting:
            code = waiting.pop()
            yield code
            waiting.extend(const for const in code.co_consts if type(const) is CodeType)
        current = current.__dict__.get("__wrapped__")


def _is_inspects(function: FunctionType, names: set[str]) -> bool:
    return "inspect" in names or function.__globals__.get("stack") is inspect.stack


def _has_constant_level(code: CodeType) -> bool:
    """Whether some call is given `stacklevel=` a number."""
    consts = code.co_consts
    naming = {
        place
        for place, const in enumerate(consts)
        if type(const) is tuple and _LEVEL in const  # the keywords of a call
    }
    if not naming:
        return False
    before: list[Any] = []
    for operation, argument in _operations(code.co_code):
        if operation in _NAMING and argument in naming:
            # The values stand before the names: the last one right before.
            names = consts[argument]
            given = before[-1:] if names[-1] == _LEVEL else before[-2 * len(names) :]
            if any(type(value) is int for value in given):
                return True
        before.append(consts[argument] if operation == _LOAD_CONST else None)
    return False


def _operations(code: bytes) -> Iterator[tuple[int, int]]:
    """Operation and argument of each instruction; `dis` would take a hundred times as long."""
    high = 0
    for place in range(0, len(code), 2):
        operation, argument = code[place], code[place + 1] | high
        high = argument << 8 if operation == dis.EXTENDED_ARG else 0
        if operation not in _NO_INSTRUCTION:
            yield operation, argument
