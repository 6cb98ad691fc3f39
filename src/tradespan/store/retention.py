"""Deleting what is old, in steps short enough that nobody waits."""

from __future__ import annotations

import sqlite3

from tradespan.store.ingest import read_total
from tradespan.store.queries import QUERIES

TRACES_PER_STEP = 1_000


def purge_traces(connection: sqlite3.Connection, older_than_ns: int, limit: int) -> int:
    """Delete whole traces that ended before a moment, oldest first; at most `limit` spans.

    Of a trace with more spans than that, some are deleted, and its row says how many are left;
    its root goes last. A trace that is still growing is kept whole: its end is recent.

    A running span goes as any other: one whose process died has no end to wait for.

    Returns:
        How many spans were deleted.
    """
    total = read_total(connection)
    old = connection.execute(QUERIES["old-traces"], (older_than_ns, TRACES_PER_STEP)).fetchall()
    deleted = deleted_traces = deleted_errors = deleted_running = 0
    for number, root, trace_spans, trace_errors, trace_running in old:
        room = limit - deleted
        if trace_spans <= room:
            connection.execute(QUERIES["delete-spans"], (number,))
            connection.execute(QUERIES["delete-trace"], (number,))
            deleted += trace_spans
            deleted_traces += 1
            deleted_errors += trace_errors
            deleted_running += trace_running
            continue
        if deleted == 0:
            deleted, deleted_errors, deleted_running = _thin_trace(connection, number, root, room)
        break
    left = total._replace(
        spans=total.spans - deleted,
        traces=total.traces - deleted_traces,
        errors=total.errors - deleted_errors,
        running=total.running - deleted_running,
    )
    connection.execute(QUERIES["write-total"], left)
    return deleted


def _thin_trace(
    connection: sqlite3.Connection, number: int, root: int, limit: int
) -> tuple[int, int, int]:
    """Delete up to `limit` spans of a trace but its root; (spans, failed, running) deleted."""
    rows = connection.execute(QUERIES["some-spans"], (number, root, limit)).fetchall()
    failed = sum(status == "ERR" for _, status, _ in rows)
    running = sum(running for _, _, running in rows)
    connection.executemany(QUERIES["delete-span"], [(row,) for row, _, _ in rows])
    connection.execute(QUERIES["shrink-trace"], (len(rows), failed, running, number))
    return len(rows), failed, running
