"""`tradespan traces`: list recorded traces."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from tradespan.bootstrap.folders import check_root
from tradespan.cli.arguments import read_limit, read_time
from tradespan.cli.exits import FAILED, OK, tell_nothing
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
    shorten_process,
    to_datetime,
)
from tradespan.config import load_config
from tradespan.core.moments import format_timestamp
from tradespan.store.rows import TraceFilter, TracePage, TraceRow, age
from tradespan.store.store import Store

DEFAULT_LIMIT = 50
SHORT_ID = 8
"""Digits of a trace id in a terminal that has no room for 32; `tradespan trace` takes them."""
NARROW, WIDE, WIDEST = 76, 120, 170
"""Columns of a terminal from which on the list has data, every column, and whole trace ids."""

STATUS_STYLES = {"OK": "green", "ERR": "bold red", "RUNNING": RUNNING_STYLE}


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "traces",
        help="list recorded traces",
        description="List recorded traces, newest first. All filters given must hold.",
        epilog="""
        --search takes words, found in names, values and exceptions; symbol=AAPL for attributes and
        arguments; status:err, status:running, duration:>10ms, name:REGEX, group:NAME, service:NAME.
        """,
    )
    add_store_options(parser)
    add = parser.add_argument
    add("--errors", action="store_true", help="only traces in which something failed")
    add("--name", metavar="REGEX", help="a function or span whose name this is found in")
    add("--since", metavar="TIME", type=read_time, help="started at most this long ago: 10m, 2h")
    add("--group", metavar="NAME", help="a process group that took part")
    add("--service", metavar="NAME", help="a service that took part")
    add("--search", metavar="TEXT", help="what the UI's search box takes; see below")
    add(
        "-n", "--limit", metavar="N", type=read_limit, default=DEFAULT_LIMIT,
        help=f"at most so many (default: {DEFAULT_LIMIT})",
    )  # fmt: skip
    add("--json", action="store_true", help="one JSON object a line, with all fields")


def add_store_options(parser: argparse.ArgumentParser) -> None:
    """The options that say which store to read."""
    parser.add_argument("--store", metavar="FILE", help="the store (default: the root's)")
    parser.add_argument("--root", metavar="DIR", help="the root whose store to read")
    parser.add_argument("--config", metavar="FILE", help="settings file")


def run(namespace: argparse.Namespace) -> int:
    """List the traces that match."""
    wanted = read_filter(namespace, now := time.time_ns())
    filtered = replace(wanted, limit=TraceFilter().limit) != TraceFilter()
    path = find_store(namespace)
    if path is None:
        # A store that was named, or that is not kept, can show nothing ever.
        return FAILED if filtered or namespace.store else OK
    with Store.open(path, readonly=True) as store:
        page = store.traces(wanted)
        if not page.rows:
            return tell_nothing(explain_nothing(store, namespace, wanted), filtered=filtered)
    page = replace(page, rows=[age(row, now) for row in page.rows])
    if namespace.json:
        print_json(page.rows)
    else:
        print_page(make_console(), page, local_zone())
    return OK


def find_store(namespace: argparse.Namespace) -> Path | None:
    """The store that the options and settings name; None, with a word about it, if there is none.

    Raises:
        ConfigurationError: A setting cannot be used.
        SpoolUnavailable: The root can be none, such as a file.
    """
    given = {name: getattr(namespace, name) for name in ("store", "root")}
    config = load_config(
        {name: value for name, value in given.items() if value is not None},
        config_file=namespace.config,
        command_line=True,
    )
    path = config.store_path
    if path is not None and path.exists():
        return path
    check_root(config)
    if path is None:
        told = f"no store is kept ({config.origin('store.path')}); --store names one"
    else:
        told = f"no store at {path}: run `tradespan run …` first, or name one with --store"
    print(f"tradespan: {told}", file=sys.stderr)
    return None


def read_filter(namespace: argparse.Namespace, now: int) -> TraceFilter:
    """What the options ask for; `now` in nanoseconds."""
    return TraceFilter(
        since=None if namespace.since is None else now - round(namespace.since * 1e9),
        errors=namespace.errors,
        name=namespace.name,
        text=namespace.search or "",
        group=namespace.group,
        service=namespace.service,
        limit=namespace.limit,
    )


def explain_nothing(store: Store, namespace: argparse.Namespace, wanted: TraceFilter) -> str:
    """Why no trace is shown: which filter alone leaves none."""
    if store.summary().traces == 0:
        return f"the store {store.path} is empty: nothing has been recorded yet"
    alone = {
        "--errors": TraceFilter(errors=wanted.errors),
        f"--name {namespace.name}": TraceFilter(name=wanted.name),
        "--since": TraceFilter(since=wanted.since),
        f"--group {namespace.group}": TraceFilter(group=wanted.group),
        f"--service {namespace.service}": TraceFilter(service=wanted.service),
        f"--search {namespace.search}": TraceFilter(text=wanted.text),
    }
    given = {option: each for option, each in alone.items() if each != TraceFilter()}
    empty = [
        option for option, each in given.items() if not store.traces(replace(each, limit=1)).rows
    ]
    total = format_count(store.summary().traces, "trace")
    if not empty:
        return f"none of {total} satisfies all of {', '.join(given)}"
    return f"none of {total} satisfies {' nor '.join(empty)}{_hint(store, namespace, wanted)}"


def _hint(store: Store, namespace: argparse.Namespace, wanted: TraceFilter) -> str:
    """What could have been meant, if it is known."""
    for option, value, known in (
        ("--group", namespace.group, store.groups()),
        ("--service", namespace.service, store.services()),
    ):
        if value is not None and value not in known:
            return f"; {option} can be {', '.join(known) or 'nothing yet'}"
    newest = store.traces(TraceFilter(limit=1)).rows[0]
    if wanted.since is not None and newest.start < wanted.since:
        return f"; the newest began at {format_timestamp(newest.start)}"
    return ""


def print_json(rows: Sequence[TraceRow]) -> None:
    """One object a line; `time` is `start` as ISO text, `duration` of what runs its age."""
    for row in rows:
        fields = {"time": format_timestamp(row.start), **asdict(row)}
        print(msgspec.json.encode(fields).decode())


def print_page(console: Console, page: TracePage, zone: tzinfo) -> None:
    """The list as a table, and in a terminal a line about what is not in it."""
    rows = page.rows
    print_columns(console, build_columns(rows, zone, console.width))
    if console.is_terminal:
        total = f"{page.total:,}{'+' if page.capped else ''}"
        more = f"{len(rows):,} of {total} traces, newest first; more with --limit"
        every = f"{format_count(len(rows), 'trace')}, newest first"
        shown = f"{more if page.next else every}; tradespan trace ID shows one"
        print_line(console, Text(shown, style="dim"))


def build_columns(rows: Sequence[TraceRow], zone: tzinfo, width: int) -> list[Column]:
    """The columns of the UI's list, or for a narrow terminal those that matter most."""
    wide = width >= WIDE
    today = datetime.now(zone).date()
    dated = any(to_datetime(row.start, zone).date() != today for row in rows)
    processes = [shorten_process(row.process, max(width // 5, 16)) for row in rows]
    failures = [Text(plain(row.exception), style="red") for row in rows]
    data = [Text(plain(row.data)) for row in rows]
    times = [Text(format_time(row.start, zone, date=dated)) for row in rows]
    columns = [
        Column(f"Time ({name_zone(rows[0].start, zone)})", times),
        Column("Process", [Text(plain(process)) for process in processes], flexible=True),
        Column("Status", [tell_status(row) for row in rows]),
        Column("Duration", [tell_duration(row) for row in rows], right=True),
    ]
    if wide:
        groups = Column("Group", [Text(plain(row.group), style="dim") for row in rows])
        columns.insert(2, groups)
        columns.append(Column("Spans", [Text(f"{row.spans:,}") for row in rows], right=True))
        columns.append(Column("Data", data, flexible=True))
        if any(failures):
            columns.append(Column("Exception", failures, flexible=True))
    elif width >= NARROW:
        cells = [failure or fallback for failure, fallback in zip(failures, data, strict=True)]
        columns.append(Column("Exception or data", cells, flexible=True))
    digits = 32 if width >= WIDEST else SHORT_ID
    columns.append(Column("Trace", [Text(row.trace_id[:digits], style="dim") for row in rows]))
    return columns


def tell_status(row: TraceRow) -> Text:
    """`OK`, `ERR`, `running`, or `ERR, running`."""
    style = STATUS_STYLES[row.status]
    if not row.running:
        return Text(row.status, style=style)
    if not row.errors:
        return Text("running", style=style)
    return Text.assemble(("ERR", style), ", ", ("running", RUNNING_STYLE))


def tell_duration(row: TraceRow) -> Text:
    """How long it took, or has been running."""
    return Text(format_duration(row.duration), style=RUNNING_STYLE if row.running else "")
