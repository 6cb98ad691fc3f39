"""The gate every order has to pass."""

from __future__ import annotations

from typing import Any

from gridbot import books

MAX_NOTIONAL = 400 * 1_000_000
MAX_POSITION = 1_500 * 1_000_000
MAX_LIVE = 40
BAND = 200


def gate(order: dict[str, Any]) -> tuple[bool, str]:
    """Say whether the order may go out, and if not, why."""
    mark = books.marks.get(order["sym"])
    if mark is None:
        return False, "no mark"
    if order["px"] * order["sz"] > MAX_NOTIONAL:
        return False, "too big"
    if abs(order["px"] - mark) * BAND > mark * 4:
        return False, "off market"
    signed = order["sz"] if order["side"] == "B" else -order["sz"]
    pos = books.position(order["sym"])
    if abs(pos + signed) > abs(pos) and abs(pos + signed) * mark > MAX_POSITION:
        return False, "position"
    if len(books.live_orders()) >= MAX_LIVE:
        return False, "too many"
    return True, ""
