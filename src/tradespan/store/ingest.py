"""Storing a batch: new spans, the rows of their traces, the sums and the cursor, all or nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from tradespan.core.delivery import Batch, Cursor
from tradespan.core.records import Span
from tradespan.store.dimensions import Dimensions, SliceSites
from tradespan.store.encode import encode_columns, from_json, to_json, to_signed
from tradespan.store.growth import Root, Trace, choose_root
from tradespan.store.queries import QUERIES

LOOKUPS = 500
"""Traces looked up by one statement."""
STATUS_BITS = 0b11
"""Of `Span.flags`."""


class Total(NamedTuple):
    """The row of `total`."""

    spans: int
    traces: int
    errors: int
    running: int
    last_end: int | None
    last_span: int
    last_trace: int


class Arrival(NamedTuple):
    """A span of the batch with the numbers of its shared facts."""

    span: Span
    site: int
    resource: int


Column = int | str | None
Arrivals = dict[bytes, dict[int, Arrival]]
"""Trace id → span id → arrival; so a span that a batch holds twice is there once."""


def store_batch(
    connection: sqlite3.Connection,
    dimensions: Dimensions,
    batch: Batch[Span],
    cursor: Cursor | None,
) -> int:
    """Store what is new of a batch and the cursor, if there is one, in the caller's transaction.

    A span is known by its trace's id and its own. The end of a running one replaces it whole; a
    start is stored only as long as there is no end. So neither order nor repetition matters.

    Returns:
        How many spans were new, or have ended.
    """
    arrivals = collect_arrivals(dimensions, batch)
    known = {trace.trace_id: trace for trace in find_traces(connection, arrivals)}
    ended = drop_known_spans(connection, arrivals, known)
    connection.executemany(QUERIES["delete-span"], ended)
    new = add_spans(connection, arrivals, known, len(ended))
    if cursor is not None:
        write_cursor(connection, batch.folder, cursor)
    return new


def collect_arrivals(dimensions: Dimensions, batch: Batch[Span]) -> Arrivals:
    """The batch's spans by trace, each once."""
    arrivals: Arrivals = {}
    for part in batch.slices:
        resource = dimensions.number_resource(part.origin.resource)
        sites = SliceSites(dimensions, part.sites)
        for span in part.records:
            group = arrivals.get(span.trace_id)
            if group is None:
                group = arrivals[span.trace_id] = {}
            other = group.get(span.span_id)
            if other is None or (other.span.is_open and not span.is_open):
                group[span.span_id] = Arrival(span, sites.number(span), resource)
    return arrivals


def find_traces(connection: sqlite3.Connection, ids: Iterable[bytes]) -> Iterator[Trace]:
    """Those of the traces that are stored, as they are."""
    rest = iter(ids)
    while some := list(islice(rest, LOOKUPS)):
        query = QUERIES["find-traces"].replace("{places}", ", ".join("?" * len(some)))
        for row in connection.execute(query, some):
            (
                trace_id, number, start, duration, spans, errors, running,
                exception, exception_time, exception_span, *root,
            ) = row  # fmt: skip
            yield Trace(
                trace_id=trace_id,
                id=number,
                start=start,
                end=start + duration,
                spans=spans,
                errors=errors,
                running=running,
                exception=exception,
                exception_time=exception_time,
                exception_span=exception_span,
                root=Root(*root),
            )


def drop_known_spans(
    connection: sqlite3.Connection, arrivals: Arrivals, known: dict[bytes, Trace]
) -> list[tuple[int]]:
    """Take out of the arrivals what is stored already: a batch may come twice, or in part.

    Returns:
        Rows of running spans whose end is among the arrivals.
    """
    ended: list[tuple[int]] = []
    for trace_id, trace in known.items():
        group = arrivals[trace_id]
        ids = {to_signed(span_id): span_id for span_id in group}
        stored = connection.execute(QUERIES["find-known-spans"], (trace.id, to_json(list(ids))))
        for row, signed, running in stored:
            if running and not group[ids[signed]].span.is_open:
                ended.append((row,))
                trace.drop_start()
            else:
                del group[ids[signed]]
    return ended


def add_spans(
    connection: sqlite3.Connection, arrivals: Arrivals, known: dict[bytes, Trace], ended: int
) -> int:
    """Insert the spans, let their traces grow, keep the sums; returns how many spans.

    `ended`: how many of them take the place of their starts, which are gone already.
    """
    total = read_total(connection)
    errors, last_end, last_span, last_trace = total.errors, *total[-3:]
    started, grown, created = 0, [], []
    rows: list[tuple[Column, ...]] = []
    for trace_id, group in arrivals.items():
        if not group:
            continue
        trace = known.get(trace_id)
        if trace is None:
            first = next(iter(group.values())).span
            last_trace += 1
            trace = Trace(trace_id, last_trace, first.start, first.end)
            created.append(trace)
        else:
            grown.append(trace)
        errors -= trace.errors
        for arrival in group.values():
            last_span += 1
            trace.add(arrival.span, last_span)
            started += arrival.span.is_open
            rows.append(make_row(arrival, last_span, trace.id))
        errors += trace.errors
        last_end = trace.end if last_end is None else max(last_end, trace.end)
    connection.executemany(QUERIES["insert-span"], rows)
    for name, changed in (("insert-trace", created), ("update-trace", grown)):
        values = [trace.columns(choose_root(connection, trace)) for trace in changed]
        connection.executemany(QUERIES[name], values)
    new = last_span - total.last_span
    sums = Total(
        spans=total.spans + new - ended,
        traces=total.traces + len(created),
        errors=errors,
        running=total.running + started - ended,
        last_end=last_end,
        last_span=last_span,
        last_trace=last_trace,
    )
    connection.execute(QUERIES["write-total"], sums)
    return new


def make_row(arrival: Arrival, number: int, trace: int) -> tuple[Column, ...]:
    """The values of `insert-span`."""
    span = arrival.span
    # What has not ended has not failed, whatever was said of it so far.
    flags = span.flags & ~STATUS_BITS if span.is_open else span.flags
    return (
        number,
        trace,
        to_signed(span.span_id),
        to_signed(span.parent_id),
        arrival.site,
        arrival.resource,
        span.start,
        span.duration,
        flags,
        *encode_columns(span),
    )


def read_total(connection: sqlite3.Connection) -> Total:
    """The sums over everything."""
    return Total(*connection.execute(QUERIES["read-total"]).fetchone())


def read_cursor(connection: sqlite3.Connection, folder: str) -> Cursor:
    """The cursor of one run's folder; an empty one if there is none."""
    row = connection.execute(QUERIES["read-cursor"], (folder,)).fetchone()
    return Cursor() if row is None else Cursor.from_json(from_json(row[0]))


def write_cursor(connection: sqlite3.Connection, folder: str, cursor: Cursor) -> None:
    """Replace the cursor of one run's folder."""
    connection.execute(QUERIES["write-cursor"], (folder, to_json(cursor.to_json())))
