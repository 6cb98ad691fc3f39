"""A span of ours as the SDK's `ReadableSpan`: what its processors and exporters take.

Stack traces are rendered as in our own records: without source lines, which may have changed.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.resources import Resource as SdkResource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationInfo, InstrumentationScope
from opentelemetry.trace import Link, SpanContext, TraceFlags, TraceState

from tradespan.core.records import Failure, Resource
from tradespan.instrument.span import Extras, Span
from tradespan.wire.attributes import captured_attributes
from tradespan.wire.exceptions import exception_attributes
from tradespan.wire.sites import SITES

_PLAIN = Extras()


def readable_span(span: Span, resource: SdkResource) -> ReadableSpan:
    """What the SDK would have given for a span that has ended."""
    extras = _PLAIN if span.extras is None else span.extras
    site = SITES.site(span.site)
    info, scope = _scope(span.site)
    captured = captured_attributes(site, span)  # type: ignore[arg-type]
    attributes = {**site.attributes, **captured, **(span.held or {})}
    return ReadableSpan(
        name=span.name,
        context=span.get_span_context(),
        parent=span.parent if extras.parent is None else extras.parent,
        resource=resource,
        attributes=_bounded(attributes, extras.dropped_attributes),
        events=_bounded_list(map(_event, extras.events or ()), extras.dropped_events),
        links=_bounded_list(map(_link, extras.links or ()), extras.dropped_links),
        kind=span.kind,
        instrumentation_info=info,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=scope,
    )


def sdk_resource(resource: Resource) -> SdkResource:
    """A resource of ours as the SDK's."""
    return SdkResource(resource.attributes, resource.schema_url)


@lru_cache(maxsize=1_000)
def _scope(number: int) -> tuple[InstrumentationInfo, InstrumentationScope]:
    """A site's instrumentation scope, in the form that is in use and in the deprecated one."""
    site = SITES.site(number)
    name = site.scope_name, site.scope_version, site.scope_schema_url
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        info = InstrumentationInfo(*name)
    return info, InstrumentationScope(*name, site.scope_attributes)


def _bounded(attributes: Mapping[str, Any], dropped: int) -> BoundedAttributes:
    bounded = BoundedAttributes(attributes=attributes)
    bounded.dropped = dropped
    return bounded


def _bounded_list(items: Iterable[Any], dropped: int) -> Any:
    bounded = BoundedList.from_seq(None, items)
    bounded.dropped = dropped
    return bounded


def _event(event: list[Any]) -> Event:
    name, time, attributes, failure, dropped = event
    if failure is not None:
        attributes = exception_attributes(msgspec.convert(failure, Failure)) | attributes
    return Event(name, _bounded(attributes, dropped), time)


def _link(link: list[Any]) -> Link:
    trace_key, span_id, attributes, state, flags, remote, dropped = link
    context = SpanContext(
        int.from_bytes(trace_key, "big"),
        span_id,
        is_remote=remote,
        trace_flags=TraceFlags(flags),
        trace_state=TraceState.from_header([state]) if state else None,
    )
    return Link(context, _bounded(attributes, dropped))
