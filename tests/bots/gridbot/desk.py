"""The desk: callbacks on what venues say, the grid, and the calls that send orders out."""

from __future__ import annotations

import itertools
import queue
from collections import deque
from collections.abc import Callable
from typing import Any

from gridbot import books
from gridbot.books import LOCK, orders, tally
from gridbot.brains import Drift, Rubber
from gridbot.risk import gate

Msg = dict[str, Any]

SIZES = {"BTC-USD": 30, "ETH-USD": 700, "SOL-USD": 11_000}
LEVELS = 2
GAP_BP = 9
STALE_TICKS = 25
HORIZON = 20

out: queue.Queue[tuple[str, Any, Any] | None] = queue.Queue()
ids = itertools.count(1)
last_seq: dict[str, int] = {}
mids: dict[tuple[str, str], int] = {}
slots: dict[tuple[str, str, str, int], str] = {}
windows: dict[str, deque[int]] = {}
models = [Drift(), Rubber()]
pending: deque[tuple[int, Any, str, str, int]] = deque()
bias: dict[str, float] = {}


# what the venues say -----------------------------------------------------------------------------


def on_quote(q: Msg) -> None:
    tally["quotes"] += 1
    if q["seq"] != last_seq.get(q["venue"], 0) + 1:
        tally["gaps"] += 1
    last_seq[q["venue"]] = q["seq"]
    mid = (q["bid"] + q["ask"]) // 2
    mids[q["venue"], q["sym"]] = mid
    if q["venue"] == "KRK":
        books.marks[q["sym"]] = mid
        windows.setdefault(q["sym"], deque(maxlen=30)).append(mid)


def on_ack(m: Msg) -> None:
    with LOCK:
        orders[m["oid"]]["state"] = "OPEN"
        tally["acked"] += 1


def on_reject(m: Msg) -> None:
    with LOCK:
        orders[m["oid"]].update(state="DEAD", why=m["why"])
        tally["rejected"] += 1


def on_fill(m: Msg) -> None:
    with LOCK:
        if m["fid"] in books.seen_fills:
            tally["dup_fills"] += 1
            return
        books.seen_fills.add(m["fid"])
        o = orders[m["oid"]]
        o["filled_sz"] += m["sz"]
        books.book_fill(m["sym"], m["side"], m["px"], m["sz"], m["fee"])
        tally["fills"] += 1
        if o["state"] == "DEAD":
            tally["late_fills"] += 1
        elif o["filled_sz"] == o["sz"]:
            o["state"] = "DONE"
            tally["filled"] += 1
        else:
            o["state"] = "PARTIAL"
            tally["partials"] += 1


def on_cancelled(m: Msg) -> None:
    with LOCK:
        orders[m["oid"]].update(state="DEAD", why=m["why"])
        tally["cancelled"] += 1


def on_cancel_reject(m: Msg) -> None:
    with LOCK:
        orders[m["oid"]]["busy"] = False
        tally["cancel_rejected"] += 1


def on_replaced(m: Msg) -> None:
    with LOCK:
        orders[m["was"]].update(state="DEAD", why="REPLACED")
        orders[m["oid"]]["state"] = "OPEN"
        tally["replaced"] += 1


def on_replace_reject(m: Msg) -> None:
    with LOCK:
        old, new = orders[m["was"]], orders[m["oid"]]
        new.update(state="DEAD", why="REPLACE_REJECT")
        old["busy"] = False
        key = (old["venue"], old["sym"], old["side"], old["level"])
        if slots.get(key) == new["oid"]:
            slots[key] = old["oid"]
        tally["replace_rejected"] += 1


HANDLERS: dict[str, Callable[[Msg], None]] = {
    "ack": on_ack,
    "reject": on_reject,
    "fill": on_fill,
    "cancelled": on_cancelled,
    "cancel_reject": on_cancel_reject,
    "replaced": on_replaced,
    "replace_reject": on_replace_reject,
}


# what the desk says ------------------------------------------------------------------------------


def new_order(venue: str, sym: str, side: str, px: int, sz: int, ts: int, **more: Any) -> Msg:
    o: Msg = {
        "oid": f"g{next(ids)}",
        "venue": venue,
        "sym": sym,
        "side": side,
        "px": px,
        "sz": sz,
        "filled_sz": 0,
        "state": "SENT",
        "tif": "GTC",
        "busy": False,
        "born": 0,
        "level": 0,
        "ts": ts,
    }
    return o | more


def send(o: Msg) -> str | None:
    """Ask the gate, note the order down and hand it to the gateway."""
    with LOCK:
        ok, _why = gate(o)
        if not ok:
            tally["blocked"] += 1
            return None
        orders[o["oid"]] = o
        tally["submitted"] += 1
    out.put(("submit", o["venue"], o))
    return str(o["oid"])


def pull(oid: str, ts: int) -> None:
    with LOCK:
        o = orders[oid]
        o.update(busy=True, pulled=ts)
        tally["cancel_asked"] += 1
    out.put(("cancel", o["venue"], oid))


def move(oid: str, px: int, ts: int) -> str:
    """Cancel and replace: the new order has an id of its own and the size that was left."""
    with LOCK:
        old = orders[oid]
        left = old["sz"] - old["filled_sz"]
        new = new_order(
            old["venue"], old["sym"], old["side"], px, left, ts, level=old["level"], was=oid
        )
        new["born"] = old["born"]
        orders[new["oid"]] = new
        old["busy"] = True
        tally["replace_asked"] += 1
    out.put(("amend", old["venue"], (oid, new)))
    return str(new["oid"])


# the grid ----------------------------------------------------------------------------------------


def decide(batch: Msg) -> int:
    """One turn of the desk; returns how many things it asked for."""
    ts, n, asked = batch["ts"], batch["n"], 0
    for q in batch["quotes"]:
        on_quote(q)
    think(n)
    for (venue, sym), mid in mids.items():
        gap = max(2, mid * GAP_BP // 10_000)
        lean = -books.position(sym) * gap // (SIZES[sym] * 6)
        lean += round(bias.get(sym, 0.0) * gap)
        for side in "BS":
            for level in range(1, LEVELS + 1):
                px = mid + lean + (-gap if side == "B" else gap) * level
                px = min(px, mid - 3) if side == "B" else max(px, mid + 3)
                asked += tend((venue, sym, side, level), px, gap, n, ts)
        over = abs(books.position(sym)) - SIZES[sym] * 2
        if over > 0 and n % 10 == 0 and venue == "BNB":
            side = "S" if books.position(sym) > 0 else "B"
            px = mid + (mid // 500 if side == "B" else -(mid // 500))
            sz = min(over, SIZES[sym])
            asked += send(new_order(venue, sym, side, px, sz, ts, tif="IOC")) is not None
    tally["cycles"] += 1
    return asked


def tend(slot: tuple[str, str, str, int], px: int, gap: int, n: int, ts: int) -> int:
    """Keep one place of the grid filled with one order near its price."""
    venue, sym, side, level = slot
    o = orders.get(slots.get(slot, ""))
    if o is None or o["state"] in ("DONE", "DEAD"):
        o = new_order(venue, sym, side, px, SIZES[sym], ts, level=level, born=n)
        oid = send(o)
        if oid:
            slots[slot] = oid
        return oid is not None
    if o["busy"] or o["state"] == "SENT":
        return 0
    if n - o["born"] > STALE_TICKS:
        pull(o["oid"], ts)
        return 1
    if abs(o["px"] - px) > 2 * gap:
        slots[slot] = move(o["oid"], px, ts)
        return 1
    return 0


def think(n: int) -> None:
    """Let the models guess now and then, and tell them later how it went."""
    while pending and pending[0][0] <= n:
        _, model, ident, sym, then = pending.popleft()
        now = books.marks[sym]
        model.settle(ident, "UP" if now > then else "DN" if now < then else "EQ")
    if n % 8 == 0:
        for sym, window in windows.items():
            if len(window) < 30:
                continue
            total = 0.0
            for model in models:
                g = model.guess(sym, list(window))
                pending.append((n + HORIZON, model, g["id"], sym, window[-1]))
                total += (g["p"] - 0.5) * (1 if g["dir"] == "UP" else -1)
            bias[sym] = total
