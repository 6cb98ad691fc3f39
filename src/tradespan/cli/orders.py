"""`tradespan orders`: which orders stand, whose they are, and what became of one."""

from __future__ import annotations

import argparse
import json
import sys
import time
from itertools import pairwise
from typing import Any

from rich.console import Console
from rich.text import Text

from tradespan.cli.arguments import read_limit
from tradespan.cli.exits import FAILED, OK
from tradespan.cli.orders_reading import (
    LEFT,
    RUNS,
    Happening,
    Order,
    ended_orders,
    open_orders,
    read_happenings,
    read_tables,
)
from tradespan.cli.render import (
    RUNNING_STYLE,
    Column,
    format_count,
    format_duration,
    format_time,
    local_zone,
    make_console,
    name_zone,
    plain,
    print_columns,
    print_line,
)
from tradespan.cli.rooted import explain_run, read_rooted
from tradespan.config import Config
from tradespan.spool.folder import RunFolder, run_folders
from tradespan.web.format import SECOND, format_age

DEFAULT_LIMIT = 100
_FAILED_STYLE = "bold red"
_LEFT_STYLE = "yellow"
_WIDEST = 170
"""Columns of a terminal from which on whole trace ids are shown."""


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "orders",
        help="list open orders, and show what became of one",
        description="List the orders that stand, of programs that run and of those that ended or"
        " died; with an order's id, show its journey.",
        epilog="Exit status 1 if an order that was asked for is not known.",
    )
    add = parser.add_argument
    add("client_id", metavar="CLIENT_ID", nargs="?", help="the journey of this order")
    add("--all", action="store_true", help="those that are over too, as far as anything tells")
    add("--run", metavar="NAME", help="open ones of one run only: its folder's end")
    add("--root", metavar="DIR", help="the root whose runs to look at")
    add("--store", metavar="FILE", help="the store (default: the root's)")
    add("--config", metavar="FILE", help="settings file")
    add(
        "-n", "--limit", metavar="N", type=read_limit, default=DEFAULT_LIMIT,
        help=f"at most so many, the latest (default: {DEFAULT_LIMIT})",
    )  # fmt: skip
    add("--json", action="store_true", help="one JSON object a line, with all fields")


def run(namespace: argparse.Namespace) -> int:
    """List them, or show one."""
    further = {} if namespace.store is None else {"store": namespace.store}
    config = read_rooted(namespace, **further)
    folders = list(run_folders(config.root))
    if namespace.run is not None:
        folders = [each for each in folders if each.path.name.endswith(namespace.run)]
        if not folders:
            print(f"tradespan: {explain_run(config.root, namespace.run)}", file=sys.stderr)
            return FAILED
    now = time.time_ns()
    if namespace.client_id is not None:
        return _show_one(namespace, config, folders, now)
    return _show_all(namespace, config, folders, now)


# ── the list ────────────────────────────────────────────────────────────────────────────────────


def _show_all(
    namespace: argparse.Namespace, config: Config, folders: list[RunFolder], now: int
) -> int:
    tables = list(read_tables(folders))
    orders = open_orders(tables, now)
    if namespace.all:
        happenings = read_happenings(config.root, config.store_path)
        known = {order.client_id for order in orders}
        orders = ended_orders(happenings, (left for _, left in tables), known) + orders
    shown = orders[-namespace.limit :]
    if namespace.json:
        for order in shown:
            print(json.dumps(order.to_json(), ensure_ascii=False))
    elif not orders:
        more = "" if namespace.all else "; --all looks for those that are over"
        print(f"No order {'is known' if namespace.all else 'stands'} below {config.root}{more}.")
    else:
        console = make_console()
        print_columns(console, _columns(shown, console))
        _print_sum(console, orders, len(shown))
    return OK


def _columns(orders: list[Order], console: Console) -> list[Column]:
    zone = local_zone()

    def cells(key: str) -> list[Text]:
        return [Text(plain(str(order.facts.get(key) or ""))) for order in orders]

    begun = [int(order.facts.get("submitted") or 0) for order in orders]
    zone_name = name_zone(begun[-1], zone)
    times = [Text(format_time(each, zone) if each else "") for each in begun]
    columns = [
        Column("Order", [Text(plain(order.client_id)) for order in orders], flexible=True),
        Column("Side", cells("side")),
        Column("Leaves", cells("leaves"), right=True),
        Column("Symbol", cells("symbol")),
        Column("Venue", cells("venue"), flexible=True),
        Column("State", [_tell_state(order) for order in orders]),
        Column("Age", [_tell_age(order) for order in orders], right=True),
        Column("Whose", [_tell_whose(order) for order in orders], flexible=True),
    ]
    if console.width >= _WIDEST:
        columns.insert(1, Column(f"Since ({zone_name})", times))
        columns.insert(4, Column("Price", cells("price"), right=True))
        columns.insert(4, Column("Quantity", cells("quantity"), right=True))
        traces = [Text(str(order.facts.get("trace_id") or ""), style="dim") for order in orders]
        columns.append(Column("Trace", traces))
    return columns


def _tell_state(order: Order) -> Text:
    state = str(order.facts.get("state") or order.facts.get("last") or "")
    return Text(plain(state), style="red" if state.lower().endswith("rejected") else "")


def _tell_age(order: Order) -> Text:
    """How long it stands, or took."""
    age = order.facts.get("age")
    if age is None:
        return Text("")
    text = format_age(int(age * SECOND)) if order.whose in (RUNS, LEFT) or age >= 60 else ""
    return Text(text or format_duration(int(age * SECOND)))


def _tell_whose(order: Order) -> Text:
    process = f" (process {order.process_id})" if order.process_id else ""
    name = plain(f"{order.service}{process}")
    if order.whose == RUNS:
        taken = f", taken over from process {order.taken_from}" if order.taken_from else ""
        return Text(f"{name}{taken}", style=RUNNING_STYLE)
    if order.whose == LEFT:
        at = format_time(order.since, local_zone())[:19]
        return Text(f"{name}, gone since {at}", style=_LEFT_STYLE)
    return Text(f"{name}, over", style="dim")


def _print_sum(console: Console, orders: list[Order], shown: int) -> None:
    counts = {whose: sum(order.whose == whose for order in orders) for whose in (RUNS, LEFT)}
    standing = f"{format_count(sum(counts.values()), 'open order')}"
    left = f", {counts[LEFT]:,} of them left by programs that are gone" if counts[LEFT] else ""
    left += ", which nobody has taken over" if left else ""
    over = len(orders) - sum(counts.values())
    ended = f", {over:,} over" if over else ""
    cut = f"; the latest {shown:,} are shown, more with --limit" if shown < len(orders) else ""
    told = f"{standing}{left}{ended}{cut}; tradespan orders ORDER shows one's journey"
    print_line(console, Text(told, style="dim"))


# ── one journey ─────────────────────────────────────────────────────────────────────────────────


def _show_one(
    namespace: argparse.Namespace, config: Config, folders: list[RunFolder], now: int
) -> int:
    wanted = namespace.client_id
    tables = list(read_tables(folders))
    happenings = read_happenings(config.root, config.store_path, wanted)
    known = [each for each in open_orders(tables, now) if each.client_id == wanted]
    if not known:
        over = ended_orders(happenings, (left for _, left in tables), set())
        known = [each for each in over if each.client_id == wanted]
    if not known:
        print(
            f"tradespan: no order {plain(wanted)} is known below {config.root}: neither an open"
            " one, nor log lines, audit entries or calls of it; tradespan orders --all lists what"
            " is known",
            file=sys.stderr,
        )
        return FAILED
    if namespace.json:
        for order in known:
            print(json.dumps({"source": "order", **order.to_json()}, ensure_ascii=False))
        for each, leg in zip(happenings, _legs(happenings), strict=True):
            told = {**each._asdict(), "after": leg}
            print(json.dumps(told, ensure_ascii=False, default=str))
        return OK
    console = make_console()
    for order in known:
        _print_heading(console, order)
    if happenings:
        print_columns(console, _timeline(happenings, console))
    return OK


def _print_heading(console: Console, order: Order) -> None:
    facts = {key: plain(str(value)) for key, value in order.facts.items() if value}
    amount = " ".join(filter(None, (facts.get(k, "") for k in ("side", "quantity", "symbol"))))
    price = f" {facts['type']}" if "type" in facts else ""
    price += f" at {facts['price']}" if "price" in facts else ""
    venue = f" on {facts['venue']}" if "venue" in facts else ""
    left = f"leaves {facts['leaves']}" if "leaves" in facts else ""
    venues = f"the venue's id {facts['order_id']}" if "order_id" in facts else ""
    parts = [f"{amount}{price}{venue}", _tell_state(order).plain, left, venues]
    told = ", ".join(filter(None, (part.strip() for part in parts)))
    print_line(console, Text(plain(order.client_id), style="bold"), f"  {told}")
    lasted = "old" if order.whose in (RUNS, LEFT) else "from first to last"
    print_line(console, "  ", _tell_whose(order), f", {_tell_age(order).plain} {lasted}")


def _timeline(happenings: list[Happening], console: Console) -> list[Column]:
    zone = local_zone()
    times = [each.time for each in happenings]
    legs = [Text("" if leg is None else format_duration(leg)) for leg in _legs(happenings)]
    digits = 32 if console.width >= _WIDEST or not console.is_terminal else 8
    return [
        Column(f"Time ({name_zone(times[0], zone)})", [Text(format_time(t, zone)) for t in times]),
        Column("After", legs, right=True),
        Column("What", [_tell_what(each) for each in happenings]),
        Column("Took", [_tell_took(each) for each in happenings], right=True),
        Column("Details", [Text(plain(each.text)) for each in happenings], flexible=True),
        Column("Trace", [Text(plain(each.trace_id[:digits]), style="dim") for each in happenings]),
    ]


def _legs(happenings: list[Happening]) -> list[int | None]:
    """Nanoseconds since what happened before; None for the first."""
    return [None, *(after.time - before.time for before, after in pairwise(happenings))]


def _tell_what(each: Happening) -> Text:
    style = _FAILED_STYLE if each.failed else "" if each.source == "call" else "cyan"
    return Text(plain(each.what), style=style)


def _tell_took(each: Happening) -> Text:
    if each.took is not None:
        return Text(format_duration(each.took))
    return Text("runs" if each.source == "call" else "", style=RUNNING_STYLE)
