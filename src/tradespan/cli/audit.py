"""`tradespan audit`: what was done to safety, configuration and orders, and whether that is all."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import deque
from datetime import datetime
from typing import Any

from rich.text import Text

from tradespan.cli.arguments import read_limit, read_time
from tradespan.cli.exits import FAILED, OK, tell_nothing
from tradespan.cli.render import (
    Column,
    local_zone,
    make_console,
    plain,
    print_columns,
)
from tradespan.cli.rooted import read_rooted
from tradespan.core.moments import format_timestamp
from tradespan.signals.audit.reading import AuditReader

_MOST_DAMAGES = 20


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "audit",
        help="show what was done to safety, configuration and orders",
        description="Show the audit log, the oldest entry first, and check that it is whole: exit"
        " status 1 if entries are missing or were changed, or if none satisfies the filters.",
    )
    add = parser.add_argument
    add("--root", metavar="DIR", help="the root whose audit log to read")
    add("--config", metavar="FILE", help="settings file")
    add("--since", metavar="TIME", type=read_time, help="of the last so long only, such as 1d")
    add("--category", metavar="NAME", help="safety, configuration, order, risk …")
    add("--action", metavar="NAME", help="of this action only, such as KILL_SWITCH_TRIGGERED")
    add(
        "-n",
        "--limit",
        metavar="N",
        type=read_limit,
        default=1_000,
        help="the latest so many (default: 1000)",
    )
    add("--json", action="store_true", help="one JSON object a line, with all fields")


def run(namespace: argparse.Namespace) -> int:
    """Print the entries; then what is wrong with the files."""
    config = read_rooted(namespace)
    since = ""
    if namespace.since is not None:
        since = format_timestamp(time.time_ns() - int(namespace.since * 1e9))
    reader = AuditReader(config.root, since)
    wanted = {
        key: value
        for key in ("category", "action")
        if (value := getattr(namespace, key)) is not None
    }
    found = deque(
        (e for e in reader.entries() if all(e.get(k) == v for k, v in wanted.items())),
        maxlen=namespace.limit,
    )
    status = OK
    if not found:
        filtered = bool(wanted or since)
        told = "no entry that satisfies this" if filtered else "no entry yet"
        told = f"the audit log of {config.root} has {told}"
        status = tell_nothing(told, filtered=filtered)
    elif namespace.json:
        for entry in found:
            print(json.dumps(entry, ensure_ascii=False))
    else:
        _print_table(list(found))
    for damage in reader.damages[:_MOST_DAMAGES]:
        print(f"tradespan audit: {damage.file}:{damage.line}: {damage.what}", file=sys.stderr)
    if len(reader.damages) > _MOST_DAMAGES:
        more = len(reader.damages) - _MOST_DAMAGES
        print(f"tradespan audit: and {more} more places", file=sys.stderr)
    return FAILED if reader.damages else status


def _print_table(entries: list[dict[str, Any]]) -> None:
    zone = local_zone()

    def cells(key: str) -> list[Text]:
        return [Text(plain(str(entry.get(key) or ""))) for entry in entries]

    moments = [datetime.fromisoformat(entry["time"]).astimezone(zone) for entry in entries]
    columns = [
        Column(
            f"time ({moments[-1].tzname()})",
            [Text(f"{each:%Y-%m-%d %H:%M:%S}.{each.microsecond // 1000:03d}") for each in moments],
        ),
        Column("category", cells("category")),
        Column("action", cells("action")),
        Column("actor", cells("actor")),
        Column("service", cells("service")),
        Column("what", [Text(plain(describe(entry))) for entry in entries], flexible=True),
    ]
    print_columns(make_console(), columns)


def describe(entry: dict[str, Any]) -> str:
    """Reason, change and details of an entry in one line."""
    parts = [str(entry["reason"])] if entry.get("reason") else []
    before, after = entry.get("before"), entry.get("after")
    if before is not None:
        parts.append(f"{_say(before)} → {_say(after)}")
    elif after is not None:
        parts.append(_say(after))
    if entry.get("details"):
        parts.append(_say(entry["details"]))
    return "; ".join(parts)


def _say(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key}={_say(each)}" for key, each in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
