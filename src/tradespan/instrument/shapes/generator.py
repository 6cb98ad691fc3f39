"""Generator functions: the span is current while the body runs, never between its items.

A context that is held across a `yield` leaks into whoever consumes, and is reset in another context
when the generator is collected (opentelemetry-python#2606). So it is made current for each step
alone. The span begins with the first step, for nothing runs before. What is thrown in at a `yield`,
`GeneratorExit` too, is thrown on into the body: whatever it does then is what the bare one does.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from tradespan.instrument.closing import closer
from tradespan.instrument.context import CURRENT, leave
from tradespan.instrument.opening import opener
from tradespan.instrument.plan import Coin, Plan
from tradespan.instrument.recorder import RecorderSlot
from tradespan.instrument.thinning import PassedOver, is_kept

Function = Callable[..., Any]
Items = Generator[Any, Any, Any]


def watch_generator(function: Function, plan: Plan, slot: RecorderSlot) -> Function:
    """Each generator is a span; its result is the first item."""

    def watched(*args: Any, **kwargs: Any) -> Items:
        recorder = slot.recorder
        span = None if recorder is None else begin(recorder, get_current(), args, kwargs)
        items = function(*args, **kwargs)
        advance: Callable[[Any], Any] = items.send
        first = given = token = result = None
        count = 0
        try:
            while True:
                if span is not None:
                    token = set_current(span)
                try:
                    item = advance(given)
                except StopIteration as stop:
                    result = stop.value
                    break
                finally:
                    given = None
                    if token is not None:
                        leave(token)
                if not count:
                    first = item
                count += 1
                try:
                    given = yield item
                    advance = items.send
                except BaseException as error:  # noqa: BLE001 - the body's to handle
                    advance, given = items.throw, without_this_frame(error)
        except BaseException as error:
            if recorder is not None and span is not None:
                raised(recorder, span, error, items=count)
            raise
        if recorder is not None and span is not None:
            returned(recorder, span, first, items=count)
        return result

    begin = opener(plan)
    returned, raised = closer(plan)
    get_current, set_current = CURRENT.get, CURRENT.set
    return watched


def without_this_frame(error: BaseException) -> BaseException:
    """An exception that came in at a wrapper's `yield`, before it goes on."""
    trace = error.__traceback__
    return error if trace is None else error.with_traceback(trace.tb_next)


def thin_generator(
    function: Function, watched: Function, plan: Plan, coin: Coin, slot: RecorderSlot
) -> Function:
    """Some generators are spans, by `watched`; the others are only counted.

    How long one takes is its consumer's doing, so that none is written for being slow.
    """

    def thinned(*args: Any, **kwargs: Any) -> Items:
        recorder = slot.recorder
        outer = get_current()
        if recorder is None or is_kept(outer, coin):
            return (yield from watched(*args, **kwargs))
        began = recorder.monotonic()
        try:
            result = yield from function(*args, **kwargs)
        except BaseException as error:
            passed.raised(recorder, outer, (args, kwargs), began, error)
            raise
        passed.clock(recorder)(began)
        return result

    passed, get_current = PassedOver(plan), CURRENT.get
    return thinned
