"""`tradespan deaths`: which processes died, how, and in the middle of what."""

from __future__ import annotations

import argparse
import json
from typing import Any

from tradespan.cli.arguments import read_limit
from tradespan.cli.exits import OK, tell_nothing
from tradespan.cli.rooted import read_rooted
from tradespan.spool.deaths import name_calls, open_calls, open_orders, printable, say_death
from tradespan.spool.folder import run_folders
from tradespan.web.format import SECOND, format_age

_SHOWN_FAULT = 12
"""Lines of a fault handler's dump."""
_SHOWN_FRAMES = 5
_SHOWN_LOG = 5
_SHOWN_ORDERS = 10


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "deaths",
        help="list processes that died, and what they were doing",
        description="List processes that died: when, of what, and which calls ran then.",
    )
    add = parser.add_argument
    add("--root", metavar="DIR", help="the root whose runs to look through")
    add("--config", metavar="FILE", help="settings file")
    add(
        "-n",
        "--limit",
        metavar="N",
        type=read_limit,
        default=10,
        help="at most so many (default: 10)",
    )
    add("--json", action="store_true", help="one JSON object a line, with all fields")


def run(namespace: argparse.Namespace) -> int:
    """List them, the latest first."""
    config = read_rooted(namespace)
    notes = [note for folder in run_folders(config.root) for note in folder.deaths()]
    notes.sort(key=lambda note: float(note["time"]), reverse=True)
    for note in notes[: namespace.limit]:
        print(json.dumps(note) if namespace.json else "\n".join(describe(note)))
    if not notes:
        return tell_nothing(f"no process of a run below {config.root} died", filtered=False)
    return OK


def describe(note: dict[str, Any]) -> list[str]:
    """A death in a few lines."""
    lines = [
        f"{note.get('service') or note.get('run')} (process {note.get('pid')}) {say_death(note)}"
    ]
    if named := name_calls(note):
        lines.append(f"  in: {named}")
    lines += [f"  open: {say_order(each)}" for each in open_orders(note)[:_SHOWN_ORDERS]]
    traces = dict.fromkeys(str(call.get("trace_id")) for call in open_calls(note)[:3])
    lines += [f"  tradespan trace {trace}" for trace in traces]
    exception = note.get("exception")
    if isinstance(exception, dict):
        lines.append(f"  {exception.get('type')}: {exception.get('message')}")
        frames = exception.get("frames") or []
        lines += [f"    {frame[0]}:{frame[1]} in {frame[2]}" for frame in frames[-_SHOWN_FRAMES:]]
    lines += [f"  {line}" for line in (note.get("log") or [])[-_SHOWN_LOG:]]
    lines += [f"  {line}" for line in (note.get("fault") or [])[:_SHOWN_FAULT] if line]
    return lines


def say_order(told: dict[str, Any]) -> str:
    """`MOM-1, buy 0.5 BTC-USDT at binance, New, 3 m 07 s old`; the note may hold anything."""
    words = {key: printable(str(told.get(key) or "")) for key in told}
    what = " ".join(filter(None, (words.get(key, "") for key in ("side", "leaves", "symbol"))))
    venue, age = words.get("venue", ""), told.get("age")
    parts = [words.get("client_id", ""), f"{what} at {venue}" if venue else what]
    parts.append(words.get("state", ""))
    if isinstance(age, int | float) and 0 <= age < 1e10:
        parts.append(f"{format_age(int(age * SECOND))} old")
    return ", ".join(filter(None, parts))
