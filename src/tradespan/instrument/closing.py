"""How a watched call's span ends: with a result, or with an exception.

Nothing that goes wrong here reaches the program, whose call is over: neither our errors nor the
depth of a recursion that had just room enough for the call itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tradespan.core import guard
from tradespan.declare.names import TRADESPAN_ENDED_BY, TRADESPAN_GENERATOR_ITEMS
from tradespan.instrument.plan import Plan
from tradespan.instrument.span import SAMPLED, UNKEPT, Span
from tradespan.pages.durations import DurationCells

_TOO_DEEP = ("watching", "RecursionError")


def on_return(plan: Plan) -> Callable[..., None]:
    """A function `returned(span, result, items=None)` that ends a span and counts the call.

    `items`: how many a generator gave, whose result was shown with the first; None for other calls.
    """
    keeps_result, show, length = plan.keeps_result, plan.show, plan.length
    special = (plan.after, plan.shortest, plan.objective) != (None, None, None)
    known: Any = None
    cells: Any = None

    def returned(span: Span, result: Any, items: int | None = None) -> None:
        nonlocal known, cells
        try:
            recorder = span.recorder
            ended = None
            if keeps_result and items is None:
                if result is None:
                    span.result = "None"
                else:
                    ended = recorder.monotonic()
                    span.result = show(result, length)
            if recorder is not known:
                cells, settled = recorder.look_up(plan)
                if settled:
                    known = recorder
            if special or items is not None:
                ended = complete(plan, span, ended, result, items)
            ended = recorder.finish_plain(span, ended, cells)
            if ended is not None:
                recorder.finish(span, ended)
        except RecursionError:
            count_too_deep()
        except BaseException as error:  # noqa: BLE001 - the host comes first
            end_all_the_same(span)
            guard.report("watching", error)

    return returned


def on_raise(plan: Plan) -> Callable[..., None]:
    """A function `raised(span, error, items=None)`, as `on_return` for calls that raised."""
    capture = plan.capture_failure

    def raised(span: Span, error: BaseException, items: int | None = None) -> None:
        try:
            recorder = span.recorder
            ended = recorder.monotonic()
            failed = isinstance(error, Exception)
            cells = recorder.cells_of(plan)
            plainly = recorder.fail_plain
            if failed and plainly is not None and items is None and span.extras is None:
                event, described = span.describe_failure(error, ended, capture)
                left = plainly(span, ended, cells, described, event)
                if left is not None:  # a status of its own, or what C does not encode
                    span.add_failure(event, described)
                    recorder.finish(span, left)
                return
            count_raised(cells, ended - span.began, failed)
            if span.ended is not None:
                return
            if items is not None:
                span.set_attribute(TRADESPAN_GENERATOR_ITEMS, items)
            if failed:
                span.record_failure(error, ended, capture)
            else:
                # Ends that are no errors (cancellation, exit) are only named.
                span.set_attribute(TRADESPAN_ENDED_BY, type(error).__name__)
                keep_if_long(plan, span, ended)
            recorder.finish(span, ended)
        except RecursionError:
            count_too_deep()
        except BaseException as broken:  # noqa: BLE001 - the host comes first
            end_all_the_same(span)
            guard.report("watching", broken)

    return raised


def count_raised(cells: DurationCells | None, duration: int, failed: bool) -> None:
    """Count a call that raised."""
    if cells is not None:
        cells.record(duration)
        if failed:
            cells.fail()


def end_all_the_same(span: Span) -> None:
    """Write what there is of a span whose ending was interrupted: its call is over."""
    if span.ended is None:
        span.recorder.finish(span, span.recorder.monotonic())


def complete(plan: Plan, span: Span, ended: int | None, result: Any, items: int | None) -> int:
    """What few functions want of a call that returned; gives when it ended."""
    recorder = span.recorder
    if ended is None:
        ended = recorder.monotonic()
    if is_good(plan, ended - span.began) and (cells := recorder.cells_of(plan)) is not None:
        cells.good()
    if span.ended is None:  # else the body has ended it: `get_current_span().end()`
        if plan.after is not None:
            plan.after(span, result)
        if items is not None:
            span.set_attribute(TRADESPAN_GENERATOR_ITEMS, items)
        keep_if_long(plan, span, ended)
    return ended


def is_good(plan: Plan, duration: int) -> bool:
    """Whether a call that succeeded, in so many nanoseconds, met the function's objective."""
    return plan.objective is not None and (plan.latency is None or duration <= plan.latency)


def keep_if_long(plan: Plan, span: Span, ended: int) -> None:
    """A call that took its minimum is written; what a sampler has dropped stays dropped."""
    shortest = plan.shortest
    if shortest is not None and ended - span.began >= shortest and span.flags & SAMPLED:
        span.flags &= ~UNKEPT


def count_too_deep() -> None:
    """Count a call that went unrecorded because there was no depth left for recording it."""
    guard.counts[_TOO_DEEP] = guard.counts.get(_TOO_DEEP, 0) + 1
