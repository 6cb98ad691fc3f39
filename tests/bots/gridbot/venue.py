"""The pretend venues: a seeded random walk, a resting book and the reports they send back.

Prices are whole ticks of 0.01 dollar, sizes whole lots of 0.0001 coin, so that price times size is
a whole number of millionths of a dollar.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

Msg = dict[str, Any]

SYMBOLS: dict[str, int] = {"BTC-USD": 6_000_000, "ETH-USD": 250_000, "SOL-USD": 15_000}
FEE_PPM: dict[str, tuple[int, int]] = {"KRK": (160, 260), "BNB": (75, 100)}
STEP_NS = 250_000_000
START_NS = 1_767_225_600_000_000_000


def open_venue(name: str, seed: int, emit: Callable[[Msg], None]) -> dict[str, Any]:
    """A venue is a dict; whatever it has to say goes through emit."""
    return {
        "name": name,
        "rng": random.Random(f"{name}/{seed}"),
        "mid": dict(SYMBOLS),
        "half": {s: max(1, p // 20_000) for s, p in SYMBOLS.items()},
        "resting": {},
        "late": [],
        "held": [],
        "seq": 0,
        "fills": 0,
        "emit": emit,
        "now": START_NS,
    }


def step(v: dict[str, Any], ts: int) -> list[Msg]:
    """Move every price once, match what rests, and return the new quotes."""
    rng: random.Random = v["rng"]
    v["now"] = ts
    late, v["late"] = v["late"], []
    held, v["held"] = v["held"], []
    for msg in held:
        v["emit"](msg)
    for o, sz in late:
        _fill(v, o, sz, o["px"], "M", ts)
    quotes: list[Msg] = []
    for sym, last in v["mid"].items():
        pull = (SYMBOLS[sym] - last) // 400
        mid = max(1000, last + pull + round(rng.gauss(0, last * 0.0004)))
        v["mid"][sym] = mid
        v["seq"] += 1
        half = v["half"][sym]
        quotes.append(
            {
                "venue": v["name"],
                "sym": sym,
                "bid": mid - half,
                "ask": mid + half,
                "seq": v["seq"],
                "ts": ts,
            }
        )
    for o in list(v["resting"].values()):
        mid, half = v["mid"][o["sym"]], v["half"][o["sym"]]
        crossed = o["px"] >= mid + half if o["side"] == "B" else o["px"] <= mid - half
        if crossed:
            left = o["left"]
            sz = left if rng.random() < 0.6 or left < 4 else rng.randrange(1, left)
            _fill(v, o, sz, o["px"], "M", ts)
    return quotes


def submit(v: dict[str, Any], o: Msg) -> None:
    """Take an order on, or refuse it."""
    rng: random.Random = v["rng"]
    ts = v["now"] + rng.randrange(2_000_000, 9_000_000)
    if rng.random() < 0.03:
        why = rng.choice(("RATE_LIMIT", "POST_ONLY", "NO_FUNDS"))
        v["emit"]({"type": "reject", "oid": o["oid"], "why": why, "ts": ts})
        return
    mine = {k: o[k] for k in ("oid", "sym", "side", "px", "sz")} | {"left": o["sz"]}
    v["emit"]({"type": "ack", "oid": o["oid"], "venue": v["name"], "ts": ts})
    if o["tif"] == "IOC":
        got = mine["left"] if rng.random() < 0.5 else mine["left"] // 2
        mid, half = v["mid"][o["sym"]], v["half"][o["sym"]]
        px = mid + half if o["side"] == "B" else mid - half
        _fill(v, mine, got, px, "T", ts + 1_000_000)
        if mine["left"]:
            v["emit"](
                {"type": "cancelled", "oid": o["oid"], "why": "IOC_REST", "ts": ts + 1_500_000}
            )
        return
    v["resting"][o["oid"]] = mine


def cancel(v: dict[str, Any], oid: str) -> None:
    """Take an order off; now and then it traded a moment before, and the fill comes late."""
    rng: random.Random = v["rng"]
    ts = v["now"] + rng.randrange(2_000_000, 9_000_000)
    o = v["resting"].pop(oid, None)
    if o is None:
        v["emit"]({"type": "cancel_reject", "oid": oid, "why": "TOO_LATE", "ts": ts})
        return
    v["emit"]({"type": "cancelled", "oid": oid, "why": "ASKED", "ts": ts})
    if rng.random() < 0.15 and o["left"] > 1:
        v["late"].append((o, o["left"] // 2))


def amend(v: dict[str, Any], oid: str, new: Msg) -> None:
    """Swap a resting order for another one with a new id."""
    rng: random.Random = v["rng"]
    ts = v["now"] + rng.randrange(2_000_000, 9_000_000)
    o = v["resting"].get(oid)
    if o is None or rng.random() < 0.04:
        v["emit"]({"type": "replace_reject", "oid": new["oid"], "was": oid, "ts": ts})
        return
    del v["resting"][oid]
    mine = {k: new[k] for k in ("oid", "sym", "side", "px", "sz")} | {"left": new["sz"]}
    v["resting"][new["oid"]] = mine
    v["emit"]({"type": "replaced", "oid": new["oid"], "was": oid, "px": new["px"], "ts": ts})


def _fill(v: dict[str, Any], o: Msg, sz: int, px: int, liq: str, ts: int) -> None:
    rng: random.Random = v["rng"]
    maker, taker = FEE_PPM[v["name"]]
    v["fills"] += 1
    o["left"] -= sz
    if not o["left"]:
        v["resting"].pop(o["oid"], None)
    msg = {
        "type": "fill",
        "fid": f"{v['name']}-f{v['fills']}",
        "oid": o["oid"],
        "venue": v["name"],
        "sym": o["sym"],
        "side": o["side"],
        "px": px,
        "sz": sz,
        "fee": px * sz * (maker if liq == "M" else taker) // 1_000_000,
        "liq": liq,
        "ts": ts,
    }
    if liq == "M" and rng.random() < 0.08:
        v["held"].append(msg)
        return
    v["emit"](msg)
    if rng.random() < 0.05:
        v["emit"](dict(msg))
