"""Mapped calls are told to whoever listens: what `[[map]]` says a call means, with its fields.

This room knows no sets and no events. `bootstrap/` puts a listener here; a mapped function's body
then stands in one more function, inside its span, that tells of each call: of those, too, that
sampling passes over. Other functions are as they would be without all this.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from time import perf_counter_ns
from types import FunctionType
from typing import Any, Final, Protocol

from tradespan.core import guard
from tradespan.instrument.fields import FieldCapture
from tradespan.instrument.plan import Plan
from tradespan.instrument.recorder import RecorderSlot
from tradespan.instrument.shapes.async_generator import first_step
from tradespan.instrument.shapes.generator import without_this_frame

Facts = dict[str, Any]
"""Attribute → value, of one call."""


class Meaning(Protocol):
    """What the calls of one function mean to a listener."""

    def begins(self, facts: Facts) -> None:
        """A call begins; what comes from its result is not there yet."""
        ...

    def ended(self, facts: Facts, seconds: float, error: Exception | None) -> None:
        """It ended. Of one that raised, what comes from its result is missing."""
        ...

    def missed(self, attribute: str, problem: str) -> None:
        """A call did not give a field."""
        ...


class Listener(Protocol):
    """Who wants to know of mapped calls."""

    def __call__(self, signal: str, function: str, *, late: bool, events: bool) -> Meaning | None:
        """What a function's calls mean; None: nothing.

        `late`: fields come from its result. `events`: whether the calls are events.
        """
        ...


class ListenerSlot:
    """Where it stands."""

    __slots__ = ("listener",)

    def __init__(self) -> None:
        self.listener: Listener | None = None


LISTENER: Final = ListenerSlot()
"""The process's own."""

_Call = tuple[Facts, int]


class _Told:
    """One function's calls, as they are told. Nothing of it reaches the program."""

    __slots__ = ("_fields", "_meaning")

    def __init__(self, meaning: Meaning, fields: FieldCapture | None) -> None:
        self._meaning = meaning
        self._fields = fields

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Call | None:
        try:
            fields, meaning = self._fields, self._meaning
            facts = {} if fields is None else fields.take(args, kwargs, meaning.missed)
            meaning.begins(facts)
            return facts, perf_counter_ns()
        except BaseException as error:  # noqa: BLE001 - the host comes first
            _report(error)
            return None

    def returned(self, call: _Call | None, result: Any) -> None:
        if call is None:
            return
        took = perf_counter_ns() - call[1]
        try:
            if self._fields is not None and self._fields.reads_result:
                self._fields.take_after(call[0], result, self._meaning.missed)
            self._meaning.ended(call[0], took / 1e9, None)
        except BaseException as error:  # noqa: BLE001 - the host comes first
            _report(error)

    def raised(self, call: _Call | None, error: BaseException) -> None:
        if call is None:
            return
        took = perf_counter_ns() - call[1]
        try:
            # Ends that are no errors (cancellation, exit, a generator closed) are none here.
            failed = error if isinstance(error, Exception) else None
            self._meaning.ended(call[0], took / 1e9, failed)
        except BaseException as broken:  # noqa: BLE001 - the host comes first
            _report(broken)


def _report(error: BaseException) -> None:
    """It raises what is the host's, such as Ctrl-C."""
    if not isinstance(error, RecursionError):  # no depth left for a report
        guard.report("telling of a mapped call", error)


def tell_of(function: FunctionType, plan: Plan, slot: RecorderSlot) -> FunctionType | None:
    """A function that does what `function` does and tells of its calls; None: nobody listens."""
    listener = LISTENER.listener
    if listener is None:
        return None
    flags = function.__code__.co_flags
    late = plan.fields is not None and plan.fields.reads_result
    meaning = listener(plan.signal, plan.function, late=late, events=plan.events)
    if meaning is None:
        return None
    make: Callable[..., Any] = _tell_plain
    if flags & inspect.CO_COROUTINE:
        make = _tell_coroutine
    elif flags & inspect.CO_GENERATOR:
        make = _tell_generator
    elif flags & inspect.CO_ASYNC_GENERATOR:
        make = _tell_async_generator
    made: FunctionType = make(function, _Told(meaning, plan.fields), slot)
    return made


def _tell_plain(
    function: Callable[..., Any], told: _Told, slot: RecorderSlot
) -> Callable[..., Any]:
    def telling(*args: Any, **kwargs: Any) -> Any:
        if slot.recorder is None:
            return function(*args, **kwargs)
        call = begin(args, kwargs)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            raised(call, error)
            raise
        returned(call, result)
        return result

    begin, returned, raised = told.begin, told.returned, told.raised
    return telling


def _tell_coroutine(
    function: Callable[..., Any], told: _Told, slot: RecorderSlot
) -> Callable[..., Coroutine[Any, Any, Any]]:
    async def telling(*args: Any, **kwargs: Any) -> Any:
        if slot.recorder is None:
            return await function(*args, **kwargs)
        call = begin(args, kwargs)
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            raised(call, error)
            raise
        returned(call, result)
        return result

    begin, returned, raised = told.begin, told.returned, told.raised
    return telling


def _tell_generator(
    function: Callable[..., Any], told: _Told, slot: RecorderSlot
) -> Callable[..., Generator[Any, Any, Any]]:
    def telling(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        if slot.recorder is None:
            return (yield from function(*args, **kwargs))
        call = begin(args, kwargs)
        try:
            result = yield from function(*args, **kwargs)
        except BaseException as error:
            raised(call, error)
            raise
        returned(call, result)
        return result

    begin, returned, raised = told.begin, told.returned, told.raised
    return telling


def _tell_async_generator(
    function: Callable[..., Any], told: _Told, slot: RecorderSlot
) -> Callable[..., AsyncGenerator[Any, Any]]:
    """As `shapes/async_generator.py` hands on what comes in: there is no `yield from` for them."""

    async def telling(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        call = None if slot.recorder is None else begin(args, kwargs)
        given = None
        try:
            items = function(*args, **kwargs)
            advance: Callable[[Any], Awaitable[Any]] = first(items)
            while True:
                try:
                    item = await advance(given)
                except StopAsyncIteration:
                    break
                finally:
                    given = None
                handed, item = [item], None
                try:
                    given = yield handed.pop()
                    advance = items.asend
                except BaseException as error:  # noqa: BLE001 - the body's to handle
                    advance, given = items.athrow, without_frame(error)
        except BaseException as error:
            raised(call, error)
            raise
        returned(call, None)

    begin, returned, raised = told.begin, told.returned, told.raised
    first, without_frame = first_step, without_this_frame
    return telling
