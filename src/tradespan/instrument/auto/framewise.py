"""Functions that look at who called them, or who holds what: a frame of ours would be seen.

They are left alone. Which ones they are is read from their code, without running any; so it is a
judgement by what is usually meant: a number that a program computes in another way is not seen.
"""

from __future__ import annotations

import dis
import inspect
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import NamedTuple

_LOOKING = {"_getframe", "_getframemodulename", "currentframe", "getrefcount", "getreferrers"}
_LEVEL = "stacklevel"
_COUNTED = {"level", _LEVEL, "depth"}
"""What a number of frames is called where one function hands it to the next, one higher."""
_WARN_ARGUMENTS = 3
"""Of `warnings.warn(message, category, stacklevel)`."""


class Look(NamedTuple):
    """How a function looks at frames."""

    how: str
    above: int
    """How many frames above its own; 1 if that is not to be told."""


def looks_at_frames(function: FunctionType) -> str | None:
    """What in a function depends on the frames above it; None if nothing does.

    Also in what it wraps (`functools.wraps`), in functions within it, and in functions of its
    module that it calls and that look beyond it.
    """
    for code in _codes_of(function):
        look = _look_of(code, function)
        if look is not None:
            return look.how
        for name in code.co_names:
            called = function.__globals__.get(name)
            if type(called) is FunctionType and called is not function:
                look = _look_of(called.__code__, called)
                if look is not None and look.above > 1:
                    return f"it calls {name}, of which {look.how}"
    return None


_MOST_KNOWN = 20_000
_known: dict[int, tuple[CodeType, Look | None]] = {}
"""By `id` of a code, which is held so that its id stays its own."""


def _look_of(code: CodeType, function: FunctionType) -> Look | None:
    known = _known.get(id(code))
    if known is None:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        known = _known[id(code)] = code, _look(code, function)
    return known[1]


def _look(code: CodeType, function: FunctionType) -> Look | None:
    """How a code looks at frames itself. `function`: whose globals it has."""
    names = code.co_names
    if not _LOOKING.isdisjoint(names):
        name = next(name for name in names if name in _LOOKING)
        return Look(f"its code uses {name}", _given_to(code))
    if "stack" in names and _is_inspects(function, names):
        return Look("its code uses inspect.stack", 1)
    level = _constant_level(code)
    if level is not None:
        return Look(f"it warns or logs with a constant {_LEVEL}", level - 1)
    if _hands_on_a_level(code):
        return Look("it counts frames for what it calls", 1)
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


def _is_inspects(function: FunctionType, names: tuple[str, ...]) -> bool:
    return "inspect" in names or function.__globals__.get("stack") is inspect.stack


# ── reading code ────────────────────────────────────────────────────────────────────────────────

_LOAD_CONST = dis.opmap["LOAD_CONST"]
_NAMING = {_LOAD_CONST, dis.opmap.get("KW_NAMES", _LOAD_CONST)}
"""What brings the names of a call's keywords: the latter up to 3.12."""
_CALLS = {dis.opmap["CALL"], dis.opmap.get("PRECALL", dis.opmap["CALL"])}
_LOAD_FAST = dis.opmap["LOAD_FAST"]
_ADD = dis.opmap["BINARY_OP"], 0
_NO_INSTRUCTION = {dis.opmap.get("CACHE", 0), dis.EXTENDED_ARG}


def _operations(code: bytes) -> Iterator[tuple[int, int]]:
    """Operation and argument of each instruction; `dis` would take a hundred times as long."""
    high = 0
    for place in range(0, len(code), 2):
        operation, argument = code[place], code[place + 1] | high
        high = argument << 8 if operation == dis.EXTENDED_ARG else 0
        if operation not in _NO_INSTRUCTION:
            yield operation, argument


def _number(code: CodeType, instruction: tuple[int, int]) -> int | None:
    """The number that an instruction loads; None if it does something else."""
    operation, argument = instruction
    value = code.co_consts[argument] if operation == _LOAD_CONST else None
    return value if type(value) is int else None


def _given_to(code: CodeType) -> int:
    """The number that some function is given alone, `_getframe(2)`; 1 if there is none."""
    before: tuple[int, int] = (0, 0)
    for instruction in _operations(code.co_code):
        number = _number(code, before)
        if number is not None and instruction[0] in _CALLS and instruction[1] == 1:
            return number
        before = instruction
    return 1


def _constant_level(code: CodeType) -> int | None:
    """The number that some call is given as `stacklevel`, by name or to `warn` by position."""
    consts = code.co_consts
    warns = "warn" in code.co_names
    naming = [  # the keywords of a call
        place for place, const in enumerate(consts) if type(const) is tuple and _LEVEL in const
    ]
    if not naming and not warns:
        return None
    before: list[tuple[int, int]] = []
    for operation, argument in _operations(code.co_code):
        given: list[tuple[int, int]] = []
        if operation in _NAMING and argument in naming:
            # The values stand before the names: the last one right before.
            names = consts[argument]
            given = before[-1:] if names[-1] == _LEVEL else before[-2 * len(names) :]
        elif operation in _CALLS and argument >= _WARN_ARGUMENTS and warns:
            given = before[-1:]
        for each in given:
            number = _number(code, each)
            if number is not None:
                return number
        before.append((operation, argument))
    return None


def _hands_on_a_level(code: CodeType) -> bool:
    """Whether it adds 1 to what is called a level: `resolve(name, level=level + 1)`."""
    own = _COUNTED.intersection(code.co_varnames)
    asked = "pop" in code.co_names and any(
        type(const) is str and const in _COUNTED for const in code.co_consts
    )
    if not own and not asked:
        return False
    before = [(0, 0), (0, 0)]
    for instruction in _operations(code.co_code):
        if instruction == _ADD and _number(code, before[-1]) == 1:
            operation, argument = before[-2]
            if operation == _LOAD_FAST and code.co_varnames[argument] in own:
                return True
            if operation in _CALLS and asked:  # `kwargs.pop("level", 0) + 1`
                return True
        before = [before[-1], instruction]
    return False
