"""Asynchronous generator functions, as plain ones: current while the body runs, step by step."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from tradespan.instrument.context import CURRENT, leave
from tradespan.instrument.plan import Plan
from tradespan.instrument.recorder import RecorderSlot
from tradespan.instrument.shapes.generator import without_this_frame
from tradespan.instrument.shapes.iteration import iterations

Function = Callable[..., Any]
Items = AsyncGenerator[Any, Any]


def watch_async_generator(function: Function, plan: Plan, slot: RecorderSlot) -> Function:
    """Each generator that sampling keeps is a span; its result is the first item."""

    async def watched(*args: Any, **kwargs: Any) -> Items:
        iteration = begin(slot.recorder, args, kwargs)
        given = token = None
        try:
            items = function(*args, **kwargs)
            advance: Callable[[Any], Awaitable[Any]] = first(items)
            while True:
                if iteration.span is not None:
                    token = set_current(iteration.span)
                try:
                    item = await advance(given)
                except StopAsyncIteration:
                    break
                finally:
                    given = None
                    if token is not None:
                        # The step may end in another context: another task's, or the collector's.
                        let_go(token)
                iteration.add(item)
                handed, item = [item], None
                try:
                    given = yield handed.pop()
                    advance = items.asend
                except BaseException as error:  # noqa: BLE001 - the body's to handle
                    advance, given = items.athrow, without_frame(error)
        except BaseException as error:
            iteration.raised(error)
            raise
        iteration.returned()

    begin, set_current = iterations(plan), CURRENT.set
    let_go, without_frame, first = leave, without_this_frame, first_step
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
