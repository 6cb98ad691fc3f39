"""How a trace's row grows as its spans arrive: in any order, over many batches.

The row must be the same as if all spans had come at once. Sums, earliest and latest are; the root
is the hard part. It is the earliest *free* span, one whose parent is not stored, and a new span may
be that parent. With R the row's root so far and N the earliest new free span:

1. N is earlier than R: N, because R was the earliest of the old ones.
2. Else, if R is still free: R.
3. Else look through the whole trace. Parents start before their children, so this takes clocks
   that disagree: a trace of a million spans is not searched once a batch.
4. Parents in a circle: no span is free, and the earliest of all is the root.

A running span counts as any other. Its end has the same start and parent, so that it changes the
sums and the latest end, and of the root no more than the row.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import NamedTuple

from tradespan.core.records import Span
from tradespan.store.encode import find_exception, to_signed
from tradespan.store.queries import QUERIES

ERROR = 2
"""`Span.status` of a failed span."""


class Root(NamedTuple):
    """What decides about a root; compared by time, then by id, so that order of arrival is not."""

    start: int
    span_id: int
    """Signed."""
    parent_id: int
    """Signed; 0: none."""
    row: int
    """`span.id`."""


@dataclass(slots=True)
class Trace:
    """One trace while a batch is stored: its row so far, and the spans that are new."""

    trace_id: bytes
    id: int
    start: int
    end: int
    spans: int = 0
    errors: int = 0
    running: int = 0
    exception: str | None = None
    exception_time: int | None = None
    exception_span: int | None = None
    root: Root | None = None
    """As stored; None: the trace is new."""
    new: list[Root] = field(default_factory=list)

    def add(self, span: Span, row: int) -> None:
        """Take in a new span, or the end of one whose start `drop_start` was told of."""
        span_id = to_signed(span.span_id)
        self.new.append(Root(span.start, span_id, to_signed(span.parent_id), row))
        if self.root is not None and self.root.span_id == span_id:
            self.root = self.new[-1]
        self.start = min(self.start, span.start)
        self.end = max(self.end, span.end)
        self.spans += 1
        if span.is_open:
            self.running += 1
        elif span.status == ERROR:
            self.errors += 1
            self._add_exception(span, span_id)

    def drop_start(self) -> None:
        """A running span's row goes, for its end has arrived and is added next.

        It starts when its end says and has the same parent, so that no bound and no root can be
        wrong for it.
        """
        self.spans -= 1
        self.running -= 1

    def _add_exception(self, span: Span, span_id: int) -> None:
        found = find_exception(span)
        if found is None:
            return
        time, text = found
        if self.exception_time is None or self.exception_span is None:
            earlier = True
        else:
            earlier = (time, span_id) < (self.exception_time, self.exception_span)
        if earlier:
            self.exception, self.exception_time, self.exception_span = text, time, span_id

    def columns(self, root: Root) -> tuple[int | str | bytes | None, ...]:
        """The values of `insert-trace` and `update-trace`."""
        return (
            root.row,
            self.start,
            self.end - self.start,
            self.spans,
            self.errors,
            self.running,
            self.exception,
            self.exception_time,
            self.exception_span,
            self.trace_id,
            self.id,
        )


def choose_root(connection: sqlite3.Connection, trace: Trace) -> Root:
    """The trace's root, now that its new spans are stored."""
    new = sorted(trace.new)
    parents = {span.span_id for span in new}
    if trace.root is None:
        free = (span for span in new if span.parent_id == 0 or span.parent_id not in parents)
        return next(free, new[0])
    old = trace.root
    for span in new:
        if span > old:
            break
        if not _is_stored(connection, trace.id, span.parent_id, parents):
            return span
    if not _is_stored(connection, trace.id, old.parent_id, parents):
        return old
    return Root(*connection.execute(QUERIES["find-root"], (trace.id,)).fetchone())


def _is_stored(connection: sqlite3.Connection, trace: int, span_id: int, new: set[int]) -> bool:
    if span_id == 0:
        return False
    if span_id in new:
        return True
    (found,) = connection.execute(QUERIES["has-span"], (trace, span_id)).fetchone()
    return bool(found)
