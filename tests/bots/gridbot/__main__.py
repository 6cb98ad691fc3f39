"""Run the bot against its pretend venues and print its own books as one line of JSON."""

from __future__ import annotations

import argparse
import json
import queue
import threading
from decimal import Decimal
from typing import Any

from gridbot import books, desk, venue

market: queue.Queue[dict[str, Any] | None] = queue.Queue()
reports: queue.Queue[dict[str, Any] | None] = queue.Queue()


def market_thread(venues: dict[str, dict[str, Any]], ticks: int) -> None:
    ts = venue.START_NS
    for n in range(1, ticks + 1):
        ts += venue.STEP_NS
        quotes = [q for v in venues.values() for q in venue.step(v, ts)]
        reports.join()
        market.put({"n": n, "ts": ts, "quotes": quotes})
        for q in (market, desk.out, reports):
            q.join()


def decision_thread() -> None:
    while (batch := market.get()) is not None:
        desk.decide(batch)
        if batch["n"] % 20 == 0:
            books.value_account()
        market.task_done()


def gateway_thread(venues: dict[str, dict[str, Any]]) -> None:
    while (job := desk.out.get()) is not None:
        what, name, arg = job
        if what == "submit":
            venue.submit(venues[name], arg)
        elif what == "cancel":
            venue.cancel(venues[name], arg)
        else:
            venue.amend(venues[name], *arg)
        desk.out.task_done()


def fills_thread() -> None:
    while (msg := reports.get()) is not None:
        desk.HANDLERS[msg["type"]](msg)
        reports.task_done()


def summary(ticks: int, seed: int) -> dict[str, Any]:
    dollars = {k: str(v) for k, v in books.value_account().items()}
    per_symbol = {
        s: {
            "fills": t["fills"],
            "qty": str(Decimal(t["qty"]) / 10_000),
            "turnover": str(t["turnover"] / books.MICRO),
            "position": str(Decimal(books.position(s)) / 10_000),
        }
        for s, t in sorted(books.traded.items())
    }
    return {
        "ticks": ticks,
        "seed": seed,
        **books.tally,
        "open": len(books.live_orders()),
        "symbols": per_symbol,
        "account": dollars,
        "models": {
            m.name: {"predictions": m.n, "settled": m.settled, "right": m.right}
            for m in desk.models
        },
    }


def main() -> None:
    args = argparse.ArgumentParser(prog="gridbot")
    args.add_argument("--ticks", type=int, default=2000)
    args.add_argument("--seed", type=int, default=1)
    opts = args.parse_args()
    venues = {n: venue.open_venue(n, opts.seed, reports.put) for n in ("KRK", "BNB")}
    workers = [
        threading.Thread(target=decision_thread, name="decision"),
        threading.Thread(target=gateway_thread, args=(venues,), name="gateway"),
        threading.Thread(target=fills_thread, name="fills"),
    ]
    feeder = threading.Thread(target=market_thread, args=(venues, opts.ticks), name="market")
    for t in [*workers, feeder]:
        t.start()
    feeder.join()
    for q in (market, desk.out, reports):
        q.put(None)
    for t in workers:
        t.join()
    print(json.dumps(summary(opts.ticks, opts.seed)))


if __name__ == "__main__":
    main()
