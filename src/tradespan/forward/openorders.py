"""The orders that a dead process left open, for the story of its death."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from tradespan.core.orders import OpenOrder
from tradespan.pages.orders import LeftOrders, read_orders, tables_in
from tradespan.spool.deaths import printable
from tradespan.spool.folder import RunFolder

MOST_LISTED = 20
"""Orders that a note names; it counts all."""


def find_open_orders(folder: RunFolder, process: int, writer: str = "") -> list[OpenOrder]:
    """What stood when a process died, the earliest first, also if another has it by now.

    `writer`: 32 hex digits; empty where nobody knows them: the latest of that process id.
    """
    found = [read_orders(path) for path in tables_in(folder.path, folder.entries())]
    own = [each for each in found if each is not None and _is_of(each, process, writer)]
    return max(own, key=lambda left: left.created).rows if own else []


def _is_of(left: LeftOrders, process: int, writer: str) -> bool:
    return not left.alive and (left.writer == writer if writer else left.process_id == process)


def describe_open_orders(rows: list[OpenOrder], end: int) -> dict[str, Any]:
    """What a note says of them. `end`: nanoseconds, UTC."""
    return {
        "orders_count": len(rows),
        "orders": [describe_order(row, end) for row in rows[:MOST_LISTED]],
    }


def describe_order(row: OpenOrder, now: int) -> dict[str, Any]:
    """An order as JSON. `now`: nanoseconds, UTC; the age is in seconds."""
    words = row._asdict()
    ids = {
        "trace_id": row.trace_id.hex() if any(row.trace_id) else "",
        "span_id": f"{row.span_id:016x}" if row.span_id else "",
    }
    told = {key: printable(word) for key, word in words.items() if isinstance(word, str)}
    numbers = {"submitted": row.submitted, "changed": row.changed}
    age = max(now - row.submitted, 0) / 1e9 if row.submitted > 0 else None
    return {**told, "leaves": leaves_of(row), **numbers, "age": age, **ids}


def leaves_of(row: OpenOrder) -> str:
    """How much of an order still stands, exactly; empty where its quantity is not known."""
    try:
        left = Decimal(row.quantity) - Decimal(row.cumulative or "0")
    except InvalidOperation:
        return ""
    return f"{left:f}" if left.is_finite() else ""
