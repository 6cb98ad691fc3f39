"""Rows of the tables as what a reader wants to see."""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from tradespan.core.records import AttributeValue, Site, SourceFile, Span
from tradespan.declare.names import (
    TRADING_CURRENCY,
    TRADING_EVENT_TIME,
    TRADING_STRATEGY,
    TRADING_VENUE,
)
from tradespan.store.encode import decode_source, from_json, to_hex, to_json, to_line
from tradespan.store.queries import QUERIES
from tradespan.store.rows import SpanDetail, SpanEvent, SpanLink, TraceRow
from tradespan.wire.attributes import span_attributes

KINDS = ("INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
STATUSES = ("UNSET", "OK", "ERROR", "UNSET")

SHOWN_VALUES = 2
"""Arguments named in a list's `data`; the others are counted."""
VALUE_LENGTH = 40
MAPPED = "trading."
SHOWN_LAST = (TRADING_STRATEGY, TRADING_VENUE, TRADING_CURRENCY)
"""The same on every row of most lists."""
NOT_SHOWN = (TRADING_EVENT_TIME,)


class SiteRow(NamedTuple):
    """A row of `site` with its scope, its JSON read."""

    name: str
    process: str
    group: str
    attributes: dict[str, AttributeValue]
    parameters: tuple[str, ...]
    scope: str
    source: SourceFile | None


class ResourceRow(NamedTuple):
    """A row of `resource`."""

    service: str
    attributes: dict[str, AttributeValue]


def to_trace_row(row: Sequence[Any]) -> TraceRow:
    """A row of `list-traces`."""
    (
        number, trace_id, span_id, name, process, group, service, start, duration, spans, errors,
        exception, parameters, arguments, attributes, running,
    ) = row  # fmt: skip
    return TraceRow(
        row_id=number,
        trace_id=trace_id.hex(),
        span_id=to_hex(span_id),
        name=name,
        process=process,
        group=group,
        service=service,
        start=start,
        duration=duration,
        status="ERR" if errors else "RUNNING" if running else "OK",
        spans=spans,
        errors=errors,
        data=describe_data(parameters, arguments, attributes),
        exception=exception or "",
        running=running,
    )


def describe_data(parameters: str, arguments: str | None, attributes: str | None) -> str:
    """What a call was about, shortened: `symbol='AAPL' quantity=300 +2`.

    What a `[[map]]` table has named comes first: it was named because it matters.

    Args:
        parameters: JSON array of names.
        arguments: JSON array of values in the same order, null where not captured.
        attributes: JSON object: what is shown of a span without captured arguments.
    """
    held = from_json(attributes) if attributes is not None else {}
    mapped = [name for name in held if name.startswith(MAPPED) and name not in NOT_SHOWN]
    mapped.sort(key=lambda name: name in SHOWN_LAST)
    shown = [(name.removeprefix(MAPPED), repr(held[name])) for name in mapped]
    if arguments is not None:
        pairs = zip(from_json(parameters), from_json(arguments), strict=False)
        # Captured texts are in the form of `repr` already: 'AAPL', Decimal('300').
        shown += [(name, str(value)) for name, value in pairs if value is not None]
    if not shown:
        shown = [(name, repr(value)) for name, value in held.items()]
    words = [f"{name}={to_line(text, VALUE_LENGTH)}" for name, text in shown]
    more = len(words) - SHOWN_VALUES
    return " ".join([*words[:SHOWN_VALUES], f"+{more}"] if more > 0 else words)


def read_spans(
    connection: sqlite3.Connection, number: int, trace_id: str, limit: int
) -> list[SpanDetail]:
    """The spans of one trace, by start, parents before children; the earliest `limit` of them."""
    rows = connection.execute(QUERIES["read-spans"], (number, limit)).fetchall()
    sites = _read_sites(connection, {row[5] for row in rows})
    resources = _read_resources(connection, {row[6] for row in rows})
    details = [_to_detail(trace_id, row, sites, resources) for row in rows]
    return order_spans(details)


def sweep_spans(
    connection: sqlite3.Connection, after: int, limit: int
) -> tuple[list[SpanDetail], int]:
    """Spans in the order they were stored, and the number to go on from; see `Store.sweep`."""
    rows = connection.execute(QUERIES["sweep-spans"], (after, limit)).fetchall()
    sites = _read_sites(connection, {row[7] for row in rows})
    resources = _read_resources(connection, {row[8] for row in rows})
    details = [_to_detail(row[1].hex(), row[2:], sites, resources) for row in rows]
    return details, rows[-1][0] if rows else after


def order_spans(spans: Sequence[SpanDetail]) -> list[SpanDetail]:
    """By start, but a parent always before its children, also where clocks disagree.

    Of spans that are each other's parents, the earliest comes first.
    """
    places = {span.span_id: place for place, span in enumerate(spans)}
    children: dict[int, list[int]] = {}
    ready: list[tuple[int, int]] = []
    for place, span in enumerate(spans):
        parent = places.get(span.parent_id)
        if parent is None:
            ready.append((span.start, place))
        else:
            children.setdefault(parent, []).append(place)
    heapq.heapify(ready)
    waiting = iter(sorted(range(len(spans)), key=lambda place: (spans[place].start, place)))
    done: set[int] = set()
    ordered: list[SpanDetail] = []
    while len(ordered) < len(spans):
        if not ready:  # a circle: let its earliest go first
            place = next(place for place in waiting if place not in done)
        else:
            place = heapq.heappop(ready)[1]
        if place in done:
            continue
        done.add(place)
        ordered.append(spans[place])
        for child in children.get(place, ()):
            heapq.heappush(ready, (spans[child].start, child))
    return ordered


def _to_detail(
    trace_id: str,
    row: Sequence[Any],
    sites: dict[int, SiteRow],
    resources: dict[int, ResourceRow],
) -> SpanDetail:
    (
        span_id, parent_id, start, duration, flags, site_number, resource_number, arguments, result,
        attributes, events, links, status_message, running,
    ) = row  # fmt: skip
    site, resource = sites[site_number], resources[resource_number]
    span = Span(
        site=site_number,
        trace_id=bytes.fromhex(trace_id),
        span_id=span_id,
        parent_id=parent_id,
        start=start,
        duration=duration,
        flags=flags,
        arguments=_read_json(arguments),
        result=_read_json(result),
        attributes=_read_json(attributes),
    )
    facts = Site(site_number, "", attributes=site.attributes, parameters=site.parameters)
    return SpanDetail(
        trace_id=trace_id,
        span_id=to_hex(span_id),
        parent_id=to_hex(parent_id) if parent_id else "",
        name=site.name,
        process=site.process,
        group=site.group,
        service=resource.service,
        kind=KINDS[span.kind] if span.kind < len(KINDS) else "INTERNAL",
        start=start,
        duration=duration,
        status=STATUSES[span.status],
        status_message=status_message or "",
        attributes=span_attributes(facts, span),
        events=[
            SpanEvent(event["name"], event["time"], event["attributes"])
            for event in _read_json(events) or ()
        ],
        links=[
            SpanLink(link["trace_id"], link["span_id"], link["attributes"])
            for link in _read_json(links) or ()
        ],
        resource=resource.attributes,
        scope=site.scope,
        running=bool(running),
        source=site.source,
    )


def _read_json(text: str | None) -> Any:
    return None if text is None else from_json(text)


def _read_sites(connection: sqlite3.Connection, numbers: Iterable[int]) -> dict[int, SiteRow]:
    rows = connection.execute(QUERIES["read-sites"], (to_json(sorted(numbers)),))
    return {
        number: SiteRow(
            name,
            process,
            group,
            from_json(attributes),
            tuple(from_json(parameters)),
            f"{scope} {version}".strip(),
            decode_source(source),
        )
        for number, name, process, group, attributes, parameters, scope, version, source in rows
    }


def _read_resources(
    connection: sqlite3.Connection, numbers: Iterable[int]
) -> dict[int, ResourceRow]:
    rows = connection.execute(QUERIES["read-resources"], (to_json(sorted(numbers)),))
    return {
        number: ResourceRow(service, from_json(attributes)) for number, service, attributes in rows
    }
