"""Where `tradespan orders` finds orders: open-order tables, log lines, the audit log, the store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from tradespan.cli.logs_reading import Line, find_files, read_all
from tradespan.core.orders import OpenOrder
from tradespan.declare.names import (
    TRADING_EXECUTION_PRICE,
    TRADING_EXECUTION_QUANTITY,
    TRADING_EXECUTION_TYPE,
    TRADING_ORDER_CLIENT_ID,
    TRADING_ORDER_CUMULATIVE_QUANTITY,
    TRADING_ORDER_ID,
    TRADING_ORDER_LEAVES_QUANTITY,
    TRADING_ORDER_PRICE,
    TRADING_ORDER_QUANTITY,
    TRADING_ORDER_REJECT_CODE,
    TRADING_ORDER_REJECT_REASON,
    TRADING_ORDER_SIDE,
    TRADING_ORDER_STATUS,
    TRADING_ORDER_TYPE,
    TRADING_SYMBOL,
    TRADING_VENUE,
)
from tradespan.forward.openorders import describe_order
from tradespan.pages.orders import LeftOrders, last_sign, read_orders, tables_in
from tradespan.signals.audit.reading import AuditReader
from tradespan.spool.folder import RunFolder
from tradespan.store.rows import SpanDetail, TraceFilter
from tradespan.store.store import Store

RUNS, LEFT, ENDED = "runs", "left", "ended"
"""Whose an order is: a process's that lives, nobody's, or it is over."""
_ID_KEYS = (TRADING_ORDER_CLIENT_ID, "client_order_id", "client_id")
_FACTS: Mapping[str, str] = {
    TRADING_ORDER_ID: "order_id",
    TRADING_SYMBOL: "symbol",
    TRADING_VENUE: "venue",
    TRADING_ORDER_SIDE: "side",
    TRADING_ORDER_TYPE: "type",
    TRADING_ORDER_STATUS: "state",
    TRADING_ORDER_QUANTITY: "quantity",
    TRADING_ORDER_PRICE: "price",
    TRADING_ORDER_CUMULATIVE_QUANTITY: "cumulative",
    TRADING_ORDER_LEAVES_QUANTITY: "leaves",
}
"""Attribute → field of an order."""
_LASTING = (
    "order_id", "symbol", "venue", "strategy", "account", "side", "type", "quantity", "price",
    "pair_id", "trace_id", "span_id",
)  # fmt: skip
"""Fields of an order that its end does not change."""
_SHOWN: Mapping[str, str] = {
    TRADING_EXECUTION_TYPE: "",
    TRADING_ORDER_STATUS: "",
    TRADING_EXECUTION_QUANTITY: "traded ",
    TRADING_EXECUTION_PRICE: "at ",
    TRADING_ORDER_CUMULATIVE_QUANTITY: "in all ",
    TRADING_ORDER_LEAVES_QUANTITY: "leaves ",
    TRADING_ORDER_REJECT_CODE: "",
    TRADING_ORDER_REJECT_REASON: "",
}
"""Attribute → what stands before it in a line of a journey."""


class Happening(NamedTuple):
    """One thing that is known of an order."""

    time: int
    """Nanoseconds, UTC."""
    what: str
    client_id: str
    source: str
    """`event`, `call` or `audit`."""
    took: int | None
    """Nanoseconds of a call; None: it has no duration."""
    failed: bool
    facts: dict[str, Any]
    """Attributes, by name."""
    trace_id: str
    """32 hex digits; empty: none."""
    service: str

    @property
    def text(self) -> str:
        """What it says, in a line."""
        parts = [f"{word}{self.facts[key]}" for key, word in _SHOWN.items() if key in self.facts]
        return ", ".join(dict.fromkeys(parts))


@dataclass
class Order:
    """An order, as far as anybody knows."""

    client_id: str
    whose: str = ENDED
    facts: dict[str, Any] = field(default_factory=dict)
    """As `describe_order` gives them."""
    service: str = ""
    run: str = ""
    """Name of the run's folder; empty where it is not known."""
    process_id: int = 0
    taken_from: int = 0
    """Process id of the one that it was taken over from; 0: it was not."""
    since: int = 0
    """Nanoseconds, UTC: when its process was alive last, for one that is left."""

    def to_json(self) -> dict[str, Any]:
        """One object, for `--json`."""
        own = {
            "whose": self.whose,
            "service": self.service,
            "run": self.run,
            "pid": self.process_id,
            "taken_from": self.taken_from or None,
            "last_sign": self.since or None,
        }
        return {"client_id": self.client_id, **self.facts, **own}


def read_tables(folders: Iterable[RunFolder]) -> Iterator[tuple[RunFolder, LeftOrders]]:
    """The tables of all processes, those of the living too."""
    for folder in folders:
        for path in tables_in(folder.path):
            left = read_orders(path)
            if left is not None:
                yield folder, left


def open_orders(tables: Iterable[tuple[RunFolder, LeftOrders]], now: int) -> list[Order]:
    """The orders that stand, the oldest first. `now`: nanoseconds, UTC."""
    known = list(tables)
    taken = {
        (left.heir, row.client_id): left.process_id
        for _, left in known
        if left.adopted
        for row in left.rows
    }
    found = [
        (row, _to_order(row, folder, left, taken, now))
        for folder, left in known
        if not left.adopted
        for row in left.rows
    ]
    found.sort(key=lambda each: (each[0].submitted, each[0].client_id))
    return [order for _, order in found]


def _to_order(
    row: OpenOrder,
    folder: RunFolder,
    left: LeftOrders,
    taken: Mapping[tuple[str, str], int],
    now: int,
) -> Order:
    return Order(
        row.client_id,
        RUNS if left.alive else LEFT,
        describe_order(row, now),
        left.service,
        folder.path.name,
        left.process_id,
        taken.get((left.writer, row.client_id), 0),
        0 if left.alive else last_sign(left),
    )


def ended_orders(
    happenings: Iterable[Happening], tables: Iterable[LeftOrders], known: set[str]
) -> list[Order]:
    """What is told of orders that stand no more, the oldest first; `known`: those that do.

    `tables`: those whose orders another process took over; it has seen their end.
    """
    orders: dict[str, Order] = {}
    times: dict[str, tuple[int, int]] = {}
    for left in tables:
        for row in left.rows:
            if left.adopted and row.client_id not in known:
                facts = describe_order(row, row.submitted)
                facts = {key: facts[key] for key in _LASTING} | {"last": "taken over"}
                orders[row.client_id] = Order(row.client_id, facts=facts, service=left.service)
                times[row.client_id] = row.submitted, left.adopted
    for each in sorted(happenings, key=lambda each: each.time):
        if each.client_id in known:
            continue
        order = orders.setdefault(each.client_id, Order(each.client_id))
        order.service = order.service or each.service
        first, last = times.get(each.client_id, (each.time, 0))
        times[each.client_id] = min(first, each.time), max(each.time + (each.took or 0), last)
        told = {name: str(each.facts[key]) for key, name in _FACTS.items() if key in each.facts}
        order.facts |= told | ({} if TRADING_ORDER_STATUS in each.facts else {"last": each.what})
        order.facts["trace_id"] = order.facts.get("trace_id") or each.trace_id
    for client_id, (first, last) in times.items():
        facts = {"submitted": first, "changed": last, "age": (last - first) / 1e9}
        orders[client_id].facts |= facts
    return sorted(orders.values(), key=lambda order: order.facts["submitted"])


def read_happenings(
    root: Path, store: Path | None, client_id: str | None = None
) -> list[Happening]:
    """All that log lines, the store and the audit log say of an order, or of all; by time."""
    found = list(_of_lines(read_all(find_files(root), root, None)))
    # The audit log has events too, and longer than the files of log lines.
    logged = {each.client_id for each in found}
    found += (each for each in _of_audit(root) if each.client_id not in logged)
    if store is not None and store.exists():
        with Store.open(store, readonly=True) as opened:
            found += _of_store(opened, client_id)
    if client_id is not None:
        found = [each for each in found if each.client_id == client_id]
    return sorted(found, key=lambda each: each.time)


def _of_lines(lines: Iterable[Line]) -> Iterator[Happening]:
    for stamp, _, fields in lines:
        data = fields.get("data")
        if isinstance(data, dict) and (client_id := _id_of(data)):
            what = str(fields.get("event") or fields.get("message") or "")
            yield _told(stamp, what, client_id, "event", data, fields)


def _of_audit(root: Path) -> Iterator[Happening]:
    for entry in AuditReader(root).entries():
        details = entry.get("details")
        if isinstance(details, dict) and (client_id := _id_of(details)):
            what = str(entry.get("action", ""))
            yield _told(str(entry["time"]), what, client_id, "audit", details, entry)


def _told(
    stamp: str,
    what: str,
    client_id: str,
    source: str,
    data: dict[str, Any],
    fields: Mapping[str, Any],
) -> Happening:
    return Happening(
        to_nanoseconds(stamp),
        what,
        client_id,
        source,
        None,
        str(fields.get("level", "")) in {"ERROR", "CRITICAL"},
        data,
        str(fields.get("trace_id") or ""),
        str(fields.get("service") or ""),
    )


def _of_store(store: Store, client_id: str | None) -> Iterator[Happening]:
    if client_id is None:
        for lot in store.sweep():
            yield from _of_spans(lot)
        return
    quoted = client_id.replace("\\", "\\\\").replace('"', '\\"')
    wanted = TraceFilter(text=f'{TRADING_ORDER_CLIENT_ID}="{quoted}"', limit=1_000)
    for row in store.traces(wanted).rows:
        yield from _of_spans(store.trace(row.trace_id))


def _of_spans(spans: Iterable[SpanDetail]) -> Iterator[Happening]:
    for span in spans:
        client_id = span.attributes.get(TRADING_ORDER_CLIENT_ID)
        if isinstance(client_id, str) and client_id:
            yield Happening(
                span.start,
                span.name,
                client_id,
                "call",
                None if span.running else span.duration,
                span.status == "ERROR",
                dict(span.attributes),
                span.trace_id,
                span.service,
            )


def _id_of(data: Mapping[str, Any]) -> str:
    found = (data.get(key) for key in _ID_KEYS)
    return next((str(each) for each in found if isinstance(each, str | int) and each), "")


def to_nanoseconds(stamp: str) -> int:
    """A time stamp of ISO 8601 in nanoseconds, UTC; 0 if it is none."""
    try:
        moment = datetime.fromisoformat(stamp)
        return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1_000
    except (ValueError, OverflowError, OSError):
        return 0
