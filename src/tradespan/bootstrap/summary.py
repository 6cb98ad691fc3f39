"""A run in a few lines: what was recorded, and whether the books balance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tradespan.core.errors import StoreError
from tradespan.declare.names import TRADESPAN_SIGNAL, TradespanSignal
from tradespan.store.store import Store


def summarise(store: Path | None, books: dict[str, Any] | None) -> str:
    """Spans, orders, fills and errors of a store, and the accounting line of a run."""
    lines = []
    if store is not None:
        try:
            lines.append(_count(store))
        except StoreError as error:
            lines.append(str(error))
    lines.append(accounting_line(books))
    return "\n".join(lines)


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


def accounting_line(books: dict[str, Any] | None) -> str:
    """`recorded = delivered + …` for each destination."""
    if books is None:
        return "the books of this run were not closed"
    lines = []
    by_the_bot = sum(books["discarded"].values())
    for name, sink in sorted(books["sinks"].items(), reverse=True):
        discarded = by_the_bot + sum(sink.get("discarded", {}).values())
        others, sampled = sink.get("others", 0), sink.get("sampled", 0)
        lines.append(
            f"recorded {books['recorded']:,} = delivered {sink['accepted']:,} ({name})"
            f" + parked {sink['parked']:,} + on disk {sink['on_disk']:,}"
            f" + in memory {books['in_memory']:,} + discarded {discarded:,}"
            + (f" + of other signals {others:,}" if others else "")
            + (f" + sampled out {sampled:,}" if sampled else "")
            + f" + unaccounted {sink['unaccounted']:,}"
        )
    return "\n".join(lines) or f"recorded {books['recorded']:,}, delivered to nobody"
