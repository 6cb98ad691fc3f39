"""How a span begins: a root, a child of ours, or the continuation of a trace from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import INVALID_SPAN_CONTEXT, Link, SpanContext, TraceFlags
from opentelemetry.trace import Span as ApiSpan

from tradespan.core import guard
from tradespan.instrument.span import (
    FLAGS_SHIFT,
    KEPT_BITS,
    REMOTE_PARENT,
    SAMPLED,
    UNKEPT,
    Extras,
    Span,
)

if TYPE_CHECKING:
    from tradespan.instrument.pen import Pen

_KNOWN_FLAGS = TraceFlags.SAMPLED | TraceFlags.RANDOM_TRACE_ID


def identity(parent: ApiSpan) -> SpanContext:
    """The span context of a foreign span, whatever its class; an invalid one if it has none."""
    try:
        context: Any = parent.get_span_context()
    except Exception as error:  # noqa: BLE001 - somebody else's span, or no span at all
        guard.report("foreign span", error)
        return INVALID_SPAN_CONTEXT
    return context if isinstance(context, SpanContext) else INVALID_SPAN_CONTEXT


def begin_span(recorder: Pen, site: int, flags: int, parent: Span | SpanContext) -> Span:
    """A span that runs from now on, sampled if its parent is.

    `flags`: the kind's bits. `parent`: a span of ours, or a foreign one's context, which for a root
    is invalid.
    """
    span = Span()
    span.recorder = recorder
    span.site = site
    span.span_id = recorder.bits(64) or 1
    span.ended = span.name_set = span.held = span.arguments = span.result = span.extras = None
    span.flights = None
    if type(parent) is Span:
        span.trace_key = parent.trace_key
        span.parent_id = parent.span_id
        span.offset = parent.offset
        span.flags = flags | parent.flags & KEPT_BITS
        if parent.extras is not None:
            _inherit(span, parent, parent.extras)
        span.began = recorder.monotonic()
        return span
    span.began = now = recorder.monotonic()
    if now > recorder.anchor_until:
        recorder.anchor()
    span.offset = recorder.offset
    if isinstance(parent, SpanContext) and parent.is_valid:
        _follow(span, parent, flags)
    else:
        span.trace_key = (recorder.bits(128) or 1).to_bytes(16, "big")
        span.parent_id = 0
        span.flags = flags | recorder.root_flags
    return span


def _inherit(span: Span, parent: Span, extras: Extras) -> None:
    """What a child has of a parent that is more than plain."""
    if extras.trace_state:
        span.more().trace_state = extras.trace_state
    if parent.flags & UNKEPT:
        span.more().above = parent
    if not parent.flags & SAMPLED:
        drop(span)


def _follow(span: Span, context: SpanContext, flags: int) -> None:
    """Continue a trace that began elsewhere."""
    span.trace_key = context.trace_id.to_bytes(16, "big")
    span.parent_id = context.span_id
    remote = REMOTE_PARENT if context.is_remote else 0
    # W3C Trace Context: flags that are not known are not passed on.
    span.flags = flags | remote | (context.trace_flags & _KNOWN_FLAGS) << FLAGS_SHIFT
    if context.trace_state:
        span.more().trace_state = context.trace_state
    if not span.flags & SAMPLED:
        drop(span)


def drop(span: Span) -> None:
    """Record a span that is not sampled: it is written only if it fails."""
    span.flags = span.flags & ~SAMPLED | UNKEPT
    span.more().untold = True


def add_links(span: Span, links: Iterable[Link]) -> None:
    """The links given at a span's start."""
    for link in links:
        if isinstance(link, Link):
            span.add_link(link.context, link.attributes)
