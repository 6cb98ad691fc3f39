"""Coroutine functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tradespan.instrument.closing import on_raise, on_return
from tradespan.instrument.context import CURRENT, leave
from tradespan.instrument.opening import opener
from tradespan.instrument.plan import Plan
from tradespan.instrument.recorder import RecorderSlot
from tradespan.instrument.thinning import PassedOver, is_kept

Function = Callable[..., Any]


def watch_coroutine(function: Function, plan: Plan, slot: RecorderSlot) -> Function:
    """Each call that sampling keeps is a span, from the first step of its coroutine to the last."""

    async def watched(*args: Any, **kwargs: Any) -> Any:
        recorder = slot.recorder
        if recorder is None:
            return await function(*args, **kwargs)
        outer = get_current()
        if coin is not None and not kept(recorder, outer, coin):
            began = recorder.monotonic()
            try:
                result = await function(*args, **kwargs)
            except BaseException as error:
                passed.raised(recorder, outer, (args, kwargs), began, error)
                raise
            if slot.recorder is recorder and (took := passed.clock(recorder)(began)) >= slow:
                passed.write(recorder, outer, (args, kwargs), began, began + took)
            return result
        span = begin(recorder, outer, args, kwargs)
        if span is None:
            return await function(*args, **kwargs)
        token = set_current(span)
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            raised(span, error)
            raise
        else:
            returned(span, result)
            return result
        finally:
            # A coroutine may end in another context: closed by the collector, or driven by hand.
            let_go(token)

    coin, slow, passed = plan.coin, plan.slow, PassedOver(plan)
    begin, returned, raised = opener(plan), on_return(plan), on_raise(plan)
    get_current, set_current = CURRENT.get, CURRENT.set
    kept, let_go = is_kept, leave
    return watched
