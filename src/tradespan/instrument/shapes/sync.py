"""Plain functions: the hot path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tradespan.instrument.closing import closer
from tradespan.instrument.context import CURRENT, NOTHING
from tradespan.instrument.opening import opener
from tradespan.instrument.plan import Coin, Plan
from tradespan.instrument.recorder import Recorder, RecorderSlot
from tradespan.instrument.thinning import PassedOver, is_kept, toss

Function = Callable[..., Any]


def watch_sync(function: Function, plan: Plan, slot: RecorderSlot) -> Function:
    """Each call is a span."""

    def watched(*args: Any, **kwargs: Any) -> Any:
        recorder = slot.recorder
        if recorder is None:
            return function(*args, **kwargs)
        span = begin(recorder, get_current(), args, kwargs)
        if span is None:
            return function(*args, **kwargs)
        token = set_current(span)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            raised(recorder, span, error)
            raise
        else:
            returned(recorder, span, result)
            return result
        finally:
            reset_current(token)

    begin = opener(plan)
    returned, raised = closer(plan)
    get_current, set_current, reset_current = CURRENT.get, CURRENT.set, CURRENT.reset
    return watched


def thin_sync(
    function: Function, watched: Function, plan: Plan, coin: Coin, slot: RecorderSlot
) -> Function:
    """Some calls are spans, by `watched`; the others are only counted."""
    known: Recorder | None = None
    clock: Callable[[int], int]

    def thinned(*args: Any, **kwargs: Any) -> Any:
        nonlocal known, clock
        recorder = slot.recorder
        if recorder is None:
            return function(*args, **kwargs)
        outer = get_current()
        if toss() < rate if outer is NOTHING else is_kept(outer, coin):
            return watched(*args, **kwargs)
        began = recorder.monotonic()
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            passed.raised(recorder, outer, (args, kwargs), began, error)
            raise
        if recorder is not known:
            clock, known = passed.clock(recorder), recorder
        if clock(began) >= slow:
            passed.write(recorder, outer, (args, kwargs), began)
        return result

    rate, slow, passed = coin.rate, plan.slow, PassedOver(plan)
    get_current = CURRENT.get
    return thinned
