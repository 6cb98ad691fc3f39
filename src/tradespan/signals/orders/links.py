"""What comes later is told in its own trace, with a link to the span that sent the order."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, TraceFlags, Tracer, get_tracer

from tradespan.core.version import __version__
from tradespan.declare.names import TRADING_ORDER_CLIENT_ID, TRADING_ORDER_STATUS
from tradespan.signals.orders.journey import Journey

_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_NOTHING: Final = nullcontext()


def context_of(trace_id: int, span_id: int) -> SpanContext | None:
    """A span of another thread, process or run; None: there was none."""
    if not trace_id or not span_id:
        return None
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=_SAMPLED)


class Links:
    """Marks spans, and makes short ones where none is."""

    def __init__(self, tracer: Tracer | None = None) -> None:
        self._tracer = tracer or get_tracer("tradespan.orders", __version__)

    def mark(
        self, span: Span, journey: Journey, *contexts: tuple[int, int], named: bool = True
    ) -> None:
        """The span is about this order, and follows from what other spans did.

        `named`: whether it is to get the order's id; one that a map reads has it.
        """
        if not span.is_recording():
            return
        if named:
            span.set_attribute(TRADING_ORDER_CLIENT_ID, journey.client_id)
        mine = span.get_span_context().span_id
        for trace_id, span_id in contexts:
            if span_id != mine and (context := context_of(trace_id, span_id)) is not None:
                span.add_link(context)

    def within(self, span: Span, journey: Journey, name: str) -> AbstractContextManager[Any]:
        """Where a later message of an order is told: the current span, if it is recorded; else a
        short one of its own, a trace's only one, where there is something to link to.
        """
        if span.is_recording():
            self.mark(span, journey, (journey.trace_id, journey.span_id))
            return _NOTHING
        context = context_of(journey.trace_id, journey.span_id)
        if context is None:
            return _NOTHING
        return self._tracer.start_as_current_span(
            f"order {name}",
            context=Context(),
            links=[Link(context)],
            attributes={
                TRADING_ORDER_CLIENT_ID: journey.client_id,
                TRADING_ORDER_STATUS: journey.state,
            },
        )
