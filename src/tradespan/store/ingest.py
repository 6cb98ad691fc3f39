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

    Returns:
        How many spans were new; a span is known by its trace's id and its own.
    """
    arrivals = collect_arrivals(dimensions, batch)
    known = {trace.trace_id: trace for trace in find_traces(connection, arrivals)}
    drop_known_spans(connection, arrivals, known)
    new = add_spans(connection, arrivals, known)
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
            group.setdefault(span.span_id, Arrival(span, sites.number(span), resource))
    return arrivals


def find_traces(connection: sqlite3.Connection, ids: Iterable[bytes]) -> Iterator[Trace]:
    """Those of the traces that are stored, as they are."""
    rest = iter(ids)
    while some := list(islice(rest, LOOKUPS)):
        query = QUERIES["find-traces"].replace("{places}", ", ".join("?" * len(some)))
        for row in connection.execute(query, some):
            (
                trace_id, number, start, duration, spans, errors,
                exception, exception_time, exception_span, *root,
            ) = row  # fmt: skip
            yield Trace(
                trace_id=trace_id,
                id=number,
                start=start,
                end=start + duration,
                spans=spans,
                errors=errors,
                exception=exception,
                exception_time=exception_time,
                exception_span=exception_span,
                root=Root(*root),
            )


def drop_known_spans(
    connection: sqlite3.Connection, arrivals: Arrivals, known: dict[bytes, Trace]
) -> None:
    """Take out of the arrivals what is stored already: a batch may come twice, or in part."""
    for trace_id, trace in known.items():
        group = arrivals[trace_id]
        ids = to_json([to_signed(span_id) for span_id in group])
        stored = {
            span_id
            for (span_id,) in connection.execute(QUERIES["find-known-spans"], (trace.id, ids))
        }
        if stored:
            arrivals[trace_id] = {k: v for k, v in group.items() if to_signed(k) not in stored}


def add_spans(connection: sqlite3.Connection, arrivals: Arrivals, known: dict[bytes, Trace]) -> int:
    """Insert the spans, let their traces grow, keep the sums; returns how many spans."""
    spans, traces, errors, last_end, last_span, last_trace = read_total(connection)
    first_span, grown, created = last_span, [], []
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
            rows.append(make_row(arrival, last_span, trace.id))
        errors += trace.errors
        last_end = trace.end if last_end is None else max(last_end, trace.end)
    connection.executemany(QUERIES["insert-span"], rows)
    for name, changed in (("insert-trace", created), ("update-trace", grown)):
        values = [trace.columns(choose_root(connection, trace)) for trace in changed]
        connection.executemany(QUERIES[name], values)
    new = last_span - first_span
    sums = (spans + new, traces + len(created), errors, last_end, last_span, last_trace)
    connection.execute(QUERIES["write-total"], sums)
    return new


def make_row(arrival: Arrival, number: int, trace: int) -> tuple[Column, ...]:
    """The values of `insert-span`."""
    span = arrival.span
    return (
        number,
        trace,
        to_signed(span.span_id),
        to_signed(span.parent_id),
        arrival.site,
        arrival.resource,
        span.start,
        span.duration,
        span.flags,
        *encode_columns(span),
    )


def read_total(connection: sqlite3.Connection) -> tuple[int, int, int, int | None, int, int]:
    """Spans, traces, failed spans, latest end, highest span and trace number."""
    spans, traces, errors, last_end, last_span, last_trace = connection.execute(
        QUERIES["read-total"]
    ).fetchone()
    return spans, traces, errors, last_end, last_span, last_trace


def read_cursor(connection: sqlite3.Connection, folder: str) -> Cursor:
    """The cursor of one run's folder; an empty one if there is none."""
    row = connection.execute(QUERIES["read-cursor"], (folder,)).fetchone()
    return Cursor() if row is None else Cursor.from_json(from_json(row[0]))


def write_cursor(connection: sqlite3.Connection, folder: str, cursor: Cursor) -> None:
    """Replace the cursor of one run's folder."""
    connection.execute(QUERIES["write-cursor"], (folder, to_json(cursor.to_json())))
