"""Plain functions: the hot path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tradespan.instrument.closing import on_raise, on_return
from tradespan.instrument.context import CURRENT, NOTHING
from tradespan.instrument.opening import opener
from tradespan.instrument.plan import Plan
from tradespan.instrument.recorder import Recorder, RecorderSlot
from tradespan.instrument.thinning import PassedOver, is_kept, toss

Function = Callable[..., Any]


def watch_plain(function: Function, plan: Plan, slot: RecorderSlot) -> Function:
    """Each call is a span: what `watch_sync` is where no coin is thrown."""

    def watched(*args: Any, **kwargs: Any) -> Any:
        recorder = slot.recorder
        if recorder is None:
            return function(*args, **kwargs)
        outer = get_current()
        span = begin(recorder, outer, args, kwargs)
        if span is None:
            return function(*args, **kwargs)
        token = None
        try:
            token = set_current(span)
            result = function(*args, **kwargs)
        except BaseException as error:
            raised(span, error)
            raise
        else:
            returned(span, result)
            return result
        finally:
            # No token: a signal handler raised between that call and its assignment.
            set_current(outer) if token is None else reset_current(token)

    begin, returned, raised = opener(plan), on_return(plan), on_raise(plan)
    get_current, set_current, reset_current = CURRENT.get, CURRENT.set, CURRENT.reset
    return watched


def watch_sync(function: Function, plan: Plan, slot: RecorderSlot) -> Function:
    """Each call that sampling keeps is a span; the others are counted."""
    known: Recorder | None = None
    clock: Callable[[int], int]

    def watched(*args: Any, **kwargs: Any) -> Any:
        nonlocal known, clock
        recorder = slot.recorder
        if recorder is None:
            return function(*args, **kwargs)
        outer = get_current()
        if coin is not None and not (
            draw() < rate
            if outer is nothing and recorder.plain_roots
            else kept(recorder, outer, coin)
        ):
            began = recorder.monotonic()
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                passed.raised(recorder, outer, (args, kwargs), began, error)
                raise
            if recorder is not known:
                clock = passed.clock(recorder)
                known = recorder if recorder.look_up(plan)[1] else None
            # Not in a forked child: there the recorder is another's.
            if slot.recorder is recorder and (took := clock(began)) >= slow:
                passed.write(recorder, outer, (args, kwargs), began, began + took)
            return result
        span = begin(recorder, outer, args, kwargs)
        if span is None:
            return function(*args, **kwargs)
        token = None
        try:
            token = set_current(span)
            result = function(*args, **kwargs)
        except BaseException as error:
            raised(span, error)
            raise
        else:
            returned(span, result)
            return result
        finally:
            # No token: a signal handler raised between that call and its assignment.
            set_current(outer) if token is None else reset_current(token)

    coin, slow, passed = plan.coin, plan.slow, PassedOver(plan)
    rate = 1.0 if coin is None else coin.rate
    begin, returned, raised = opener(plan), on_return(plan), on_raise(plan)
    get_current, set_current, reset_current = CURRENT.get, CURRENT.set, CURRENT.reset
    draw, nothing, kept = toss, NOTHING, is_kept
    return watched
