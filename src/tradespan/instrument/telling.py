"""The function that stands in a mapped one's place, inside its span: it tells of each call."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from types import FunctionType
from typing import Any

from tradespan.instrument.cases import ToldByCase
from tradespan.instrument.meaning import LISTENER, Listener, Teller, Told
from tradespan.instrument.plan import Plan
from tradespan.instrument.recorder import RecorderSlot
from tradespan.instrument.shapes.async_generator import first_step
from tradespan.instrument.shapes.generator import without_this_frame


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


def _teller_of(listener: Listener, plan: Plan) -> Teller | None:
    if not plan.cases:
        late = plan.fields is not None and plan.fields.reads_result
        meaning = listener(plan.signal, plan.function, late=late, events=plan.events)
        return None if meaning is None else Told(meaning, plan.fields)
    cases = []
    for case in plan.cases:
        late = case.is_late or case.fields.reads_result
        meaning = listener(case.signal, plan.function, late=late, events=case.events)
        if meaning is not None:
            cases.append((case, meaning))
    return ToldByCase(cases, plan.site)


def _tell_plain(
    function: Callable[..., Any], told: Teller, slot: RecorderSlot
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
    function: Callable[..., Any], told: Teller, slot: RecorderSlot
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
    function: Callable[..., Any], told: Teller, slot: RecorderSlot
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
    function: Callable[..., Any], told: Teller, slot: RecorderSlot
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
