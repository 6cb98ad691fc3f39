"""Functions that look at who called them, or who holds what: a frame of ours would be seen.

They are left alone. Which ones they are is read from their code, without running any; so it is a
judgement by what is usually meant: a number that a program computes in another way is not seen.
"""

from __future__ import annotations

import dis
import inspect
import sys
from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

_LOOKING = {"_getframe", "_getframemodulename", "currentframe", "getrefcount", "getreferrers"}
_LEVEL = "stacklevel"
_dict_of_class = type.__dict__["__dict__"].__get__
_mro_of_class = type.__dict__["__mro__"].__get__
_COUNTED = {"level", _LEVEL, "depth"}
"""What a number of frames is called where one function hands it to the next, one higher."""
_SUSPECT = {*_LOOKING, "stack", "warn", "pop"}
"""Names without one of which a code looks at nobody, but by a `stacklevel` that it gives or has."""
_WARN_ARGUMENTS = 3
"""Of `warnings.warn(message, category, stacklevel)`."""


class Look(NamedTuple):
    """How a function looks at frames."""

    how: str
    above: int
    """How many frames above its own; 1 if that is not to be told."""


def looks_at_frames(function: FunctionType) -> str | None:
    """What in a function depends on the frames above it; None if nothing does.

    Also in what it wraps (`functools.wraps`), in functions within it, and in what it calls and that
    looks beyond it: functions of its module and of modules that it names, methods of its class and
    of that one's bases.
    """
    for code in _codes_of(function):
        look = _look_of(code, function)
        if look is not None:
            return look.how
        for called in _far_lookers(code, function):
            if called is not function:
                look = _look_of(called.__code__, called)
                assert look is not None
                return f"it calls {called.__name__}, of which {look.how}"
    return None


def _far_lookers(code: CodeType, function: FunctionType) -> Iterator[FunctionType]:
    """What a code's names may stand for and looks beyond its caller. Runs no code of anybody's."""
    reach = _reach_of(function.__globals__)
    spaces = [reach.far] if reach.far else []
    if reach.modules:
        spaces += [reach.modules[name] for name in code.co_names if name in reach.modules]
    owner = _owner_of(function)
    if owner is not None:
        spaces += _far_in_class(owner)
    for far in spaces:
        yield from (far[name] for name in code.co_names if name in far)


Far = dict[str, FunctionType]
"""Functions of a namespace that look beyond their callers, by name."""


class _Reach(NamedTuple):
    """What the code of a module can name."""

    holder: object
    """Held, so that its id stays its own."""
    stamp: tuple[int, int]
    far: Far
    modules: dict[str, Far]
    """Modules that it names and that have such functions."""


class _Survey(NamedTuple):
    """What there is in a namespace, as long as it holds so many names."""

    holder: object
    size: int
    far: Far
    modules: dict[str, dict[str, Any]]
    """Dicts of modules."""


_surveys: dict[int, _Survey] = {}
_reaches: dict[int, _Reach] = {}
_of_classes: dict[int, tuple[type, int, list[Far]]] = {}


def _reach_of(space: dict[str, Any]) -> _Reach:
    """Of a module's dict. Made anew when it holds more names, or another module was imported."""
    stamp = len(space), len(sys.modules)
    known = _reaches.get(id(space))
    if known is not None and known.stamp == stamp:
        return known
    if len(_reaches) >= _MOST_KNOWN:
        _reaches.clear()
    own = _survey(space, space)
    modules = {name: far for name, each in own.modules.items() if (far := _survey(each, each).far)}
    made = _reaches[id(space)] = _Reach(space, stamp, own.far, modules)
    return made


def _far_in_class(owner: type) -> list[Far]:
    """Of a class and its bases."""
    known = _of_classes.get(id(owner))
    if known is not None and known[1] == len(sys.modules):
        return known[2]
    if len(_of_classes) >= _MOST_KNOWN:
        _of_classes.clear()
    surveys = [_survey(each, _dict_of_class(each)).far for each in _mro_of_class(owner)]
    made = [far for far in surveys if far]
    _of_classes[id(owner)] = owner, len(sys.modules), made
    return made


def _survey(holder: object, space: Mapping[str, Any]) -> _Survey:
    """What is in a module's dict, or a class's. `holder`: the dict, or the class."""
    known = _surveys.get(id(holder))
    if known is not None and known.size == len(space):
        return known
    if len(_surveys) >= _MOST_KNOWN:
        _surveys.clear()
    far: Far = {}
    modules = {}
    for name, value in list(space.items()):
        kind = type(value)
        if kind is FunctionType or kind is staticmethod or kind is classmethod:
            called: Any = value if kind is FunctionType else value.__func__
            if type(called) is FunctionType:
                look = _look_of(called.__code__, called)
                if look is not None and look.above > 1:
                    far[name] = called
        elif kind is ModuleType or issubclass(kind, ModuleType):
            modules[name] = ModuleType.__getattribute__(value, "__dict__")
    made = _surveys[id(holder)] = _Survey(holder, len(space), far, modules)
    return made


def _owner_of(function: FunctionType) -> type | None:
    """The class that a method was defined in, by its qualified name."""
    first, *rest = function.__qualname__.split(".")[:-1] or ("",)
    owner = function.__globals__.get(first)
    for name in rest:
        if not issubclass(type(owner), type):
            return None
        owner = _dict_of_class(owner).get(name)
    return owner if issubclass(type(owner), type) else None


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
    if (
        _SUSPECT.isdisjoint(names)
        and _COUNTED.isdisjoint(code.co_varnames)
        and not _level_keywords(code.co_consts)
    ):
        return None  # as almost all
    if not _LOOKING.isdisjoint(names):
        name = next(name for name in names if name in _LOOKING)
        return Look(f"its code uses {name}", _given_to(code))
    if "stack" in names and _is_inspects(function, names):
        return Look("its code uses inspect.stack", 1)
    level = _level(code)
    if level is not None:
        return Look(f"it warns or logs with a {_LEVEL}", level - 1)
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


def _level(code: CodeType) -> int | None:
    """The number that some call is given as `stacklevel`, by name or to `warn` by position.

    2 for one that is not to be told, and None where it is computed by a call (pandas' and others'
    `find_stack_level()` look at files, not at numbers) or is 1, which looks at nobody.
    """
    consts = code.co_consts
    warns = "warn" in code.co_names
    naming = _level_keywords(consts)
    if not naming and not warns:
        return None
    before: list[tuple[int, int]] = []
    for operation, argument in _operations(code.co_code):
        level: int | None = None
        if operation in _NAMING and argument in naming and before:
            # The values stand before the names: the last one right before.
            names = consts[argument]
            if names[-1] == _LEVEL:
                level = 1 if before[-1][0] in _CALLS else _number(code, before[-1]) or 2
            else:
                numbers = (_number(code, each) for each in before[-2 * len(names) :])
                level = next((number for number in numbers if number is not None), None)
        elif operation in _CALLS and argument >= _WARN_ARGUMENTS and warns and before:
            level = _number(code, before[-1])
        if level is not None and level > 1:
            return level
        before.append((operation, argument))
    return None


def _level_keywords(consts: tuple[Any, ...]) -> list[int]:
    """Which constants are keywords of a call, a level among them."""
    # By type first: under `python -b`, comparing bytes with a text is a warning.
    return [
        place
        for place, const in enumerate(consts)
        if type(const) is tuple and any(type(each) is str and each == _LEVEL for each in const)
    ]


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
