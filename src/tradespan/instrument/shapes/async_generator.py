"""Asynchronous generator functions, as plain ones: current while the body runs, step by step."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from tradespan.instrument.closing import closer
from tradespan.instrument.context import CURRENT, leave
from tradespan.instrument.opening import opener
from tradespan.instrument.plan import Coin, Plan
from tradespan.instrument.recorder import RecorderSlot
from tradespan.instrument.shapes.generator import without_this_frame
from tradespan.instrument.thinning import PassedOver, is_kept

Function = Callable[..., Any]
Items = AsyncGenerator[Any, Any]


def watch_async_generator(function: Function, plan: Plan, slot: RecorderSlot) -> Function:
    """Each generator is a span; its result is the first item."""

    async def watched(*args: Any, **kwargs: Any) -> Items:
        recorder = slot.recorder
        span = None if recorder is None else begin(recorder, get_current(), args, kwargs)
        items = function(*args, **kwargs)
        advance: Callable[[Any], Awaitable[Any]] = first_step(items)
        first = given = token = None
        count = 0
        try:
            while True:
                if span is not None:
                    token = set_current(span)
                try:
                    item = await advance(given)
                except StopAsyncIteration:
                    break
                finally:
                    given = None
                    if token is not None:
                        # The step may end in another context: another task's, or the collector's.
                        leave(token)
                if not count:
                    first = item
                count += 1
                try:
                    given = yield item
                    advance = items.asend
                except BaseException as error:  # noqa: BLE001 - the body's to handle
                    advance, given = items.athrow, without_this_frame(error)
        except BaseException as error:
            if recorder is not None and span is not None:
                raised(recorder, span, error, items=count)
            raise
        if recorder is not None and span is not None:
            returned(recorder, span, first, items=count)

    begin = opener(plan)
    returned, raised = closer(plan)
    get_current, set_current = CURRENT.get, CURRENT.set
    return watched


def first_step(items: Items) -> Callable[[Any], Awaitable[Any]]:
    """`items.asend`, with the event loop knowing nothing of `items`.

    A loop that ends closes all generators that it knows, at once: the wrapper, who closes the
    inner one, and the inner one, which then is running already.
    """
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        first = items.asend(None)  # where the hooks are asked, once
    finally:
        sys.set_asyncgen_hooks(*hooks)
    return lambda _: first


def thin_async_generator(
    function: Function, watched: Function, plan: Plan, coin: Coin, slot: RecorderSlot
) -> Function:
    """Some generators are spans, by `watched`; the others are only counted."""

    async def thinned(*args: Any, **kwargs: Any) -> Items:
        recorder = slot.recorder
        outer = get_current()
        kept = recorder is None or is_kept(outer, coin)
        items = (watched if kept else function)(*args, **kwargs)
        began = 0 if recorder is None else recorder.monotonic()
        advance: Callable[[Any], Awaitable[Any]] = first_step(items)
        given = None
        try:
            while True:
                try:
                    item = await advance(given)
                except StopAsyncIteration:
                    break
                finally:
                    given = None
                try:
                    given = yield item
                    advance = items.asend
                except BaseException as error:  # noqa: BLE001 - the body's to handle
                    advance, given = items.athrow, without_this_frame(error)
        except BaseException as error:
            if recorder is not None and not kept:
                passed.raised(recorder, outer, (args, kwargs), began, error)
            raise
        if recorder is not None and not kept:
            passed.clock(recorder)(began)

    passed, get_current = PassedOver(plan), CURRENT.get
    return thinned
