"""A span's name and attributes, put together from its site and its record."""

from __future__ import annotations

from tradespan.core.records import AttributeValue, Event, Site, Span
from tradespan.declare.names import TRADESPAN_ARGS_TEMPLATE, TRADESPAN_RESULT
from tradespan.wire.exceptions import exception_attributes

ARGUMENT_PREFIX = f"{TRADESPAN_ARGS_TEMPLATE}."
RESULT = TRADESPAN_RESULT


def span_name(site: Site, span: Span) -> str:
    """The span's own name, or its site's."""
    return span.name if span.name is not None else site.name


def span_attributes(site: Site, span: Span) -> dict[str, AttributeValue]:
    """The site's attributes, captured arguments and result, then the span's own, which win."""
    merged = dict(site.attributes)
    merged.update(captured_attributes(site, span))
    if span.attributes:
        merged.update(span.attributes)
    return merged


def captured_attributes(site: Site, span: Span) -> dict[str, AttributeValue]:
    """Captured arguments and result under their attribute names; what is None was not captured."""
    captured: dict[str, AttributeValue] = {}
    if span.arguments:
        for parameter, value in zip(site.parameters, span.arguments, strict=False):
            if value is not None:
                captured[ARGUMENT_PREFIX + parameter] = value
    if span.result is not None:
        captured[RESULT] = span.result
    return captured


def event_attributes(event: Event) -> dict[str, AttributeValue]:
    """An event's attributes; those of a captured exception are rendered, the event's own win."""
    if event.failure is None:
        return dict(event.attributes)
    return exception_attributes(event.failure) | event.attributes
