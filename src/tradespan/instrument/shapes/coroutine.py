"""Coroutine functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tradespan.instrument.closing import closer
from tradespan.instrument.context import CURRENT, leave
from tradespan.instrument.opening import opener
from tradespan.instrument.plan import Coin, Plan
from tradespan.instrument.recorder import RecorderSlot
from tradespan.instrument.thinning import PassedOver, is_kept

Function = Callable[..., Any]


def watch_coroutine(function: Function, plan: Plan, slot: RecorderSlot) -> Function:
    """Each call is a span, from the first step of its coroutine to the last."""

    async def watched(*args: Any, **kwargs: Any) -> Any:
        recorder = slot.recorder
        if recorder is None:
            return await function(*args, **kwargs)
        span = begin(recorder, get_current(), args, kwargs)
        if span is None:
            return await function(*args, **kwargs)
        token = set_current(span)
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            raised(recorder, span, error)
            raise
        else:
            returned(recorder, span, result)
            return result
        finally:
            # A coroutine may end in another context: closed by the collector, or driven by hand.
            leave(token)

    begin = opener(plan)
    returned, raised = closer(plan)
    get_current, set_current = CURRENT.get, CURRENT.set
    return watched


def thin_coroutine(
    function: Function, watched: Function, plan: Plan, coin: Coin, slot: RecorderSlot
) -> Function:
    """Some calls are spans, by `watched`; the others are only counted."""

    async def thinned(*args: Any, **kwargs: Any) -> Any:
        recorder = slot.recorder
        if recorder is None:
            return await function(*args, **kwargs)
        outer = get_current()
        if is_kept(outer, coin):
            return await watched(*args, **kwargs)
        began = recorder.monotonic()
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            passed.raised(recorder, outer, (args, kwargs), began, error)
            raise
        if passed.clock(recorder)(began) >= plan.slow:
            passed.write(recorder, outer, (args, kwargs), began)
        return result

    passed, get_current = PassedOver(plan), CURRENT.get
    return thinned
