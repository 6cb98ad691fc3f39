"""Spans and log records of OpenTelemetry's SDK as records of ours.

What the SDK has decided stays as it is: limits, cut texts, stack traces that it has rendered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tradespan.core.records import Event, Lane, Link, LogRecord, Span

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.trace import Event as SdkEvent
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Link as SdkLink

_ERROR = 2


def span_record(span: ReadableSpan, site: int) -> Span:
    """A span that has ended; `site` is its scope's.

    Raises:
        ValueError: It has no identity.
    """
    context, parent = span.get_span_context(), span.parent
    if context is None:
        raise ValueError("a span without a context")
    start = span.start_time or 0
    end = start if span.end_time is None else span.end_time
    flags = span.status.status_code.value | span.kind.value << 2 | int(context.trace_flags) << 8
    if parent is not None and parent.is_remote:
        flags |= 1 << 5
    return Span(
        site=site,
        trace_id=context.trace_id.to_bytes(16, "big"),
        span_id=context.span_id,
        parent_id=0 if parent is None else parent.span_id,
        start=start,
        # The SDK's are two readings of the wall clock, which may have been set back between them.
        duration=max(end - start, 0),
        flags=flags,
        name=span.name,
        attributes=_plain(span.attributes) or None,
        status_message=span.status.description or "",
        events=[_event(event) for event in span.events] or None,
        links=[_link(link) for link in span.links] or None,
        trace_state=context.trace_state.to_header() if context.trace_state else "",
        dropped=(span.dropped_attributes, span.dropped_events, span.dropped_links),
    )


def span_lane(record: Span) -> Lane:
    """Spans that failed go first."""
    return Lane.ERROR if record.status == _ERROR else Lane.ORDINARY


def log_record(readable: ReadableLogRecord, site: int) -> LogRecord:
    """A log record or an event; `site` is its scope's."""
    log = readable.log_record
    severity = log.severity_number
    return LogRecord(
        site=site,
        time=log.timestamp or 0,
        observed_time=log.observed_timestamp or 0,
        severity_number=0 if severity is None else severity.value,
        severity_text=log.severity_text or "",
        body=log.body,
        attributes=_plain(log.attributes) or None,
        trace_id=log.trace_id.to_bytes(16, "big") if log.trace_id else b"",
        span_id=log.span_id or 0,
        trace_flags=int(log.trace_flags or 0),
        event_name=log.event_name or "",
        dropped_attributes=readable.dropped_attributes,
    )


def _event(event: SdkEvent) -> Event:
    return Event(
        event.name,
        event.timestamp,
        _plain(event.attributes),
        dropped_attributes=event.dropped_attributes,
    )


def _link(link: SdkLink) -> Link:
    context = link.context
    return Link(
        context.trace_id.to_bytes(16, "big"),
        context.span_id,
        _plain(link.attributes),
        context.trace_state.to_header() if context.trace_state else "",
        int(context.trace_flags),
        context.is_remote,
        link.dropped_attributes,
    )


def _plain(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    return dict(attributes) if attributes else {}
