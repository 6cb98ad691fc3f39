"""Generator functions: the span is current while the body runs, never between its items.

A context that is held across a `yield` leaks into whoever consumes, and is reset in another context
when the generator is collected (opentelemetry-python#2606). So it is made current for each step
alone. The span begins with the first step, for nothing runs before. What is thrown in at a `yield`,
`GeneratorExit` too, is thrown on into the body: whatever it does then is what the bare one does.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from tradespan.instrument.context import CURRENT, leave
from tradespan.instrument.plan import Plan
from tradespan.instrument.recorder import RecorderSlot
from tradespan.instrument.shapes.iteration import iterations

Function = Callable[..., Any]
Items = Generator[Any, Any, Any]


def watch_generator(function: Function, plan: Plan, slot: RecorderSlot) -> Function:
    """Each generator that sampling keeps is a span; its result is the first item."""

    def watched(*args: Any, **kwargs: Any) -> Items:
        iteration = begin(slot.recorder, args, kwargs)
        given = token = result = None
        try:
            items = function(*args, **kwargs)
            advance: Callable[[Any], Any] = items.send
            while True:
                if iteration.span is not None:
                    token = set_current(iteration.span)
                try:
                    item = advance(given)
                except StopIteration as stop:
                    result = stop.value
                    break
                finally:
                    given = None
                    if token is not None:
                        let_go(token)
                iteration.add(item)
                handed, item = [item], None
                try:
                    # What its reader drops is not kept here until the next.
                    given = yield handed.pop()
                    advance = items.send
                except BaseException as error:  # noqa: BLE001 - the body's to handle
                    advance, given = items.throw, without_frame(error)
        except BaseException as error:
            iteration.raised(error)
            raise
        iteration.returned()
        return result

    begin, set_current = iterations(plan), CURRENT.set
    let_go, without_frame = leave, without_this_frame
    return watched


def without_this_frame(error: BaseException) -> BaseException:
    """An exception that came in at a wrapper's `yield`, before it goes on."""
    trace = error.__traceback__
    # The exception's own `with_traceback` is the user's.
    return error if trace is None else BaseException.with_traceback(error, trace.tb_next)
