"""Mapped calls are told to whoever listens: what `[[map]]` says a call means, with its fields.

This room knows no sets and no events. `bootstrap/` puts a listener here; a mapped function's body
then stands in one more function, inside its span, that tells of each call: of those, too, that
sampling passes over. Other functions are as they would be without all this.
"""

from __future__ import annotations

import inspect
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Sequence,
)
from time import perf_counter_ns
from types import FunctionType
from typing import Any, Final, NamedTuple, Protocol

from opentelemetry.trace import get_current_span

from tradespan.core import guard
from tradespan.declare.names import TRADESPAN_SIGNAL
from tradespan.instrument.cases import CasePlan
from tradespan.instrument.fields import FieldCapture
from tradespan.instrument.plan import Plan
from tradespan.instrument.recorder import RecorderSlot
from tradespan.instrument.shapes.async_generator import first_step
from tradespan.instrument.shapes.generator import without_this_frame
from tradespan.instrument.span import Span

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

    __slots__ = ("_told", "listener", "make")

    def __init__(self) -> None:
        self.listener: Listener | None = None
        self.make: Callable[[], Listener | None] | None = None
        """Makes one when a library's report is the first thing to tell of: it is much to load."""
        self._told: dict[tuple[str, str], Meaning | None] = {}

    def clear(self) -> None:
        """Nobody listens any more."""
        self.listener = self.make = None
        self._told = {}

    def meaning_of(self, signal: str, function: str) -> Meaning | None:
        """Of what a library reports."""
        if self.listener is None and self.make is not None:
            make, self.make = self.make, None
            self.listener = make()
        if self.listener is None:
            return None
        key = signal, function
        if key not in self._told:
            if len(self._told) >= _MOST_TOLD:
                return None
            self._told[key] = self.listener(signal, function, late=False, events=True)
        return self._told[key]


LISTENER: Final = ListenerSlot()
"""The process's own."""

_MOST_TOLD: Final = 1_000
"""Kinds of reports."""


def tell(
    signal: str,
    function: str,
    facts: Facts,
    *,
    seconds: float | None = None,
    error: Exception | None = None,
) -> None:
    """Tell of what a library reports, as if a mapped function had been called.

    Args:
        signal: As in `[[map]]`.
        function: Which of the library's; one of few.
        facts: By the conventions' names; the listener may keep and change it.
        seconds: How long the call took; None: it is no call but a message that came.
        error: What it raised.
    """
    with guard.guarded("telling of a library's report"):
        meaning = LISTENER.meaning_of(signal, function)
        if meaning is not None:
            meaning.begins(facts)
            if seconds is not None:
                meaning.ended(facts, seconds, error)


_Call = tuple[Facts, int]


class _Teller(Protocol):
    """Tells of one function's calls. Nothing of it reaches the program."""

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What is to be given back at the call's end."""
        ...

    def returned(self, call: Any, result: Any) -> None: ...

    def raised(self, call: Any, error: BaseException) -> None: ...


class _Told:
    """Calls that all mean the same."""

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


class _Open(NamedTuple):
    """A call that may be of a case."""

    case: CasePlan
    meaning: Meaning
    facts: Facts
    missing: list[tuple[str, str]]


class _ToldByCase:
    """Calls whose meaning depends on their arguments or result: the first case that they meet.

    What a call turns out to mean is written to its span from here, where it has one.
    """

    __slots__ = ("_cases", "_site")

    def __init__(self, cases: Sequence[tuple[CasePlan, Meaning]], site: int) -> None:
        self._cases = cases
        self._site = site

    def begin(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[list[_Open], bool, int] | None:
        try:
            found: list[_Open] = []
            for case, meaning in self._cases:
                if case.may_be(args, kwargs):
                    missing: list[tuple[str, str]] = []
                    facts = case.fields.take(args, kwargs, lambda *why, to=missing: to.append(why))
                    found.append(_Open(case, meaning, facts, missing))
                    if not case.is_late:
                        break
            if not found:
                return None
            is_known = not found[0].case.is_late
            if is_known:
                self._begin(found[0])
            return found, is_known, perf_counter_ns()
        except BaseException as error:  # noqa: BLE001 - the host comes first
            _report(error)
            return None

    def returned(self, call: tuple[list[_Open], bool, int] | None, result: Any) -> None:
        if call is None:
            return
        found, is_known, began = call
        took = perf_counter_ns() - began
        try:
            met = next((each for each in found if is_known or each.case.is_it(result)), None)
            if met is None:
                return
            if not is_known:
                self._begin(met)
            if met.case.fields.reads_result:
                before = dict(met.facts)
                met.case.fields.take_after(met.facts, result, met.meaning.missed)
                self._write({key: met.facts[key] for key in met.facts.keys() - before.keys()})
            met.meaning.ended(met.facts, took / 1e9, None)
        except BaseException as error:  # noqa: BLE001 - the host comes first
            _report(error)

    def raised(self, call: tuple[list[_Open], bool, int] | None, error: BaseException) -> None:
        """Of one without a result, cases that ask for it are not met."""
        if call is None:
            return
        found, is_known, began = call
        took = perf_counter_ns() - began
        try:
            if found[-1].case.is_late:
                return
            if not is_known:
                self._begin(found[-1])
            failed = error if isinstance(error, Exception) else None
            found[-1].meaning.ended(found[-1].facts, took / 1e9, failed)
        except BaseException as broken:  # noqa: BLE001 - the host comes first
            _report(broken)

    def _begin(self, met: _Open) -> None:
        for attribute, problem in met.missing:
            met.meaning.missed(attribute, problem)
        self._write({TRADESPAN_SIGNAL: met.case.signal, **met.facts})
        met.meaning.begins(met.facts)

    def _write(self, facts: Facts) -> None:
        span = get_current_span()
        # Of a call that sampling passed over the current span is another function's.
        if type(span) is Span and span.site == self._site:
            for attribute, value in facts.items():
                span.set_attribute(attribute, value)


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
    teller = _teller_of(listener, plan)
    if teller is None:
        return None
    make: Callable[..., Any] = _tell_plain
    if flags & inspect.CO_COROUTINE:
        make = _tell_coroutine
    elif flags & inspect.CO_GENERATOR:
        make = _tell_generator
    elif flags & inspect.CO_ASYNC_GENERATOR:
        make = _tell_async_generator
    made: FunctionType = make(function, teller, slot)
    return made


def _teller_of(listener: Listener, plan: Plan) -> _Teller | None:
    if not plan.cases:
        late = plan.fields is not None and plan.fields.reads_result
        meaning = listener(plan.signal, plan.function, late=late, events=plan.events)
        return None if meaning is None else _Told(meaning, plan.fields)
    cases = []
    for case in plan.cases:
        late = case.is_late or case.fields.reads_result
        meaning = listener(case.signal, plan.function, late=late, events=case.events)
        if meaning is not None:
            cases.append((case, meaning))
    return _ToldByCase(cases, plan.site)


def _tell_plain(
    function: Callable[..., Any], told: _Teller, slot: RecorderSlot
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
    function: Callable[..., Any], told: _Teller, slot: RecorderSlot
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
    function: Callable[..., Any], told: _Teller, slot: RecorderSlot
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
    function: Callable[..., Any], told: _Teller, slot: RecorderSlot
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
