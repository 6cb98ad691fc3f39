"""Spans of handlers, linked to the connection whose message they handle, without a line of code.

A span processor of OpenTelemetry's SDK, for its provider and for tradespan's: apart from the
instrumentor, which does without the SDK.
"""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor

from tradespan.core import guard
from tradespan.instrument.libraries.received import received_from


class ConnectionLinks(SpanProcessor):
    """Links each span that has no parent to the connection whose message is being handled."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Add the link."""
        with guard.guarded("linking a span to its connection"):
            link = received_from() if span.parent is None else None
            if link is not None:
                span.add_link(link.context, link.attributes)
