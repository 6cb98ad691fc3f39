"""How a watched call's span ends: with a result, or with an exception."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from tradespan.declare.names import TRADESPAN_ENDED_BY, TRADESPAN_GENERATOR_ITEMS
from tradespan.instrument.plan import Plan
from tradespan.instrument.recorder import Recorder
from tradespan.instrument.span import SAMPLED, UNKEPT, Span


class Ending(NamedTuple):
    """The ways in which a call ends. `items`: how many a generator gave; None for other calls."""

    returned: Callable[..., None]
    """`returned(recorder, span, result, items=None)`; a generator's result is its first item."""
    raised: Callable[..., None]
    """`raised(recorder, span, error, items=None)`."""


def closer(plan: Plan) -> Ending:
    """What ends the spans of one function, and counts its calls."""
    keeps_result, show, length, after = plan.keeps_result, plan.show, plan.length, plan.after
    shortest, metrics, capture = plan.shortest, plan.metrics, plan.capture_failure
    known: Recorder | None = None
    cells: Any = None

    def returned(recorder: Recorder, span: Span, result: Any, items: int | None = None) -> None:
        nonlocal known, cells
        ended = recorder.monotonic()
        if keeps_result and items != 0:
            span.result = "None" if result is None else show(result, length)
        if metrics:
            if recorder is not known:
                cells, known = recorder.cells_of(plan), recorder
            if cells is not None:
                cells.record(ended - span.began)
        if span.ended is not None:  # the body has ended it: `get_current_span().end()`
            return
        if after is not None:
            after(span, result)
        if items is not None:
            span.set_attribute(TRADESPAN_GENERATOR_ITEMS, items)
        if shortest is not None:
            keep_if_long(span, ended)
        recorder.finish(span, ended)

    def raised(
        recorder: Recorder, span: Span, error: BaseException, items: int | None = None
    ) -> None:
        ended = recorder.monotonic()
        failed = isinstance(error, Exception)
        counted = recorder.cells_of(plan) if metrics else None
        if counted is not None:
            counted.record(ended - span.began)
            if failed:
                counted.fail()
        if span.ended is not None:
            return
        if items is not None:
            span.set_attribute(TRADESPAN_GENERATOR_ITEMS, items)
        if failed:
            span.record_failure(error, ended, capture)
        else:
            # Ends that are no errors (cancellation, exit) are only named.
            span.set_attribute(TRADESPAN_ENDED_BY, type(error).__name__)
            if shortest is not None:
                keep_if_long(span, ended)
        recorder.finish(span, ended)

    def keep_if_long(span: Span, ended: int) -> None:
        # What a sampler has dropped stays dropped, however long it takes.
        if ended - span.began >= (shortest or 0) and span.flags & SAMPLED:
            span.flags &= ~UNKEPT

    return Ending(returned, raised)
