"""A run in a few lines: what was recorded, and where it is now."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tradespan.bootstrap.addressees import (
    Addressee,
    Part,
    join_counts,
    name_addressees,
    say_records,
    sink_of,
    tell_discarded,
)
from tradespan.core.errors import StoreError
from tradespan.declare.names import TRADESPAN_SIGNAL, TradespanSignal
from tradespan.store.store import Store

_STATES = (
    ("on_disk", "on disk, not delivered yet"),
    ("parked", "refused and kept as dead letters"),
    ("sampled", "left out by sampling"),
    ("unaccounted", "LOST, and nobody knows why"),
)


def summarise(
    store: Path | None, books: dict[str, Any] | None, destinations: Iterable[tuple[str, str]]
) -> str:
    """Spans, orders, fills and errors of a store; and what each destination of a run has.

    `books`: `drained.json`; None if nobody closed them. `destinations`: as in `run.json`.
    """
    lines = []
    if store is not None:
        try:
            lines.append(_count(store))
        except StoreError as error:
            lines.append(str(error))
    return "\n".join([*lines, *tell_books(books, destinations)])


def _count(path: Path) -> str:
    store = Store.open(path, readonly=True)
    try:
        totals = store.summary()
        signals = store.counts_by_attribute(TRADESPAN_SIGNAL)
    finally:
        store.close()
    orders = signals.get(TradespanSignal.ORDER_SUBMITTED, 0)
    fills = signals.get(TradespanSignal.ORDER_FILLED, 0)
    return (
        f"{totals.spans:,} spans in {totals.traces:,} traces · {orders:,} orders · {fills:,} fills"
        f" · {totals.errors:,} errors"
    )


def tell_books(books: dict[str, Any] | None, destinations: Iterable[tuple[str, str]]) -> list[str]:
    """A line for each place that has, or should have, some of what was recorded; what is neither
    there nor known to be elsewhere is called lost.
    """
    if books is None:
        return ["the books of this run were not closed: what it recorded is on disk"]
    told = [_tell(each, books) for each in name_addressees(destinations, books["sinks"])]
    lines = [line for line in told if line] or [f"{say_records(books['recorded'])}, sent nowhere"]
    if books["in_memory"]:
        lines.append(f"{say_records(books['in_memory'])} in the memory of processes that live on")
    return lines + tell_discarded(books)


def _tell(place: Addressee, books: dict[str, Any]) -> str:
    """One line: what arrived, then everything that did not; empty if nothing was for it."""
    sinks: list[tuple[Part, dict[str, Any]]] = []
    closed = []
    for part in place.parts:
        sink = sink_of(books, part)
        if sink is None:
            closed.append(part)
        else:
            sinks.append((part, sink))
    said = []
    for state, words in _STATES:
        if counts := join_counts((part, sink.get(state, 0)) for part, sink in sinks):
            said.append(f"{counts} {words}")
    reasons = sorted({reason for _, sink in sinks for reason in sink.get("discarded", {})})
    for reason in reasons:
        counts = join_counts((part, sink["discarded"].get(reason, 0)) for part, sink in sinks)
        if counts:
            said.append(f"{counts} discarded: {reason}")
    if closed and books["recorded"]:
        said.append("it could not be opened, all for it is on disk")
    there = join_counts((part, sink["accepted"]) for part, sink in sinks)
    if not there and not said:
        return ""
    return "; ".join([f"{there or 'nothing'} {place.where}", *said])
