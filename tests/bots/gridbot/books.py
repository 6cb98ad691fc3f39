"""What the bot knows of itself: orders, fills counted once, lots first in first out, and cash."""

from __future__ import annotations

import threading
from collections import deque
from decimal import Decimal
from typing import Any

LOCK = threading.RLock()
MICRO = Decimal(1_000_000)
START_CASH = 100_000 * 1_000_000

orders: dict[str, dict[str, Any]] = {}
seen_fills: set[str] = set()
lots: dict[str, deque[list[int]]] = {}
marks: dict[str, int] = {}
money: dict[str, int] = {"cash": START_CASH, "rpl": 0, "fees": 0}
traded: dict[str, dict[str, int]] = {}
tally: dict[str, int] = dict.fromkeys(
    (
        "submitted",
        "acked",
        "filled",
        "fills",
        "dup_fills",
        "late_fills",
        "partials",
        "rejected",
        "blocked",
        "cancel_asked",
        "cancelled",
        "cancel_rejected",
        "replace_asked",
        "replaced",
        "replace_rejected",
        "quotes",
        "gaps",
        "cycles",
    ),
    0,
)

LIVE = ("SENT", "OPEN", "PARTIAL")


def position(sym: str) -> int:
    """Net lots held, negative when short."""
    return sum(sz for sz, _ in lots.get(sym, ()))


def live_orders() -> list[dict[str, Any]]:
    return [o for o in orders.values() if o["state"] in LIVE]


def book_fill(sym: str, side: str, px: int, sz: int, fee: int) -> int:
    """Book one fill and return what it realised, in millionths of a dollar."""
    signed = sz if side == "B" else -sz
    queue = lots.setdefault(sym, deque())
    realised = 0
    while signed and queue and (queue[0][0] > 0) != (signed > 0):
        held, cost = queue[0]
        part = min(abs(held), abs(signed))
        sign = 1 if held > 0 else -1
        realised += sign * part * (px - cost)
        signed += sign * part
        queue[0][0] -= sign * part
        if not queue[0][0]:
            queue.popleft()
    if signed:
        queue.append([signed, px])
    money["cash"] -= (sz if side == "B" else -sz) * px + fee
    money["rpl"] += realised
    money["fees"] += fee
    t = traded.setdefault(sym, {"qty": 0, "turnover": 0, "fills": 0})
    t["qty"] += sz
    t["turnover"] += sz * px
    t["fills"] += 1
    return realised


def value_account() -> dict[str, Decimal]:
    """The account in dollars, at the last prices seen."""
    with LOCK:
        upl = sum(sz * (marks[s] - px) for s, q in lots.items() for sz, px in q)
        held = sum(position(s) * marks[s] for s in lots)
        equity = money["cash"] + held
        assert equity == START_CASH + money["rpl"] + upl - money["fees"]
        return {
            "equity": equity / MICRO,
            "cash": money["cash"] / MICRO,
            "upl": upl / MICRO,
            "rpl": money["rpl"] / MICRO,
            "fees": money["fees"] / MICRO,
        }
