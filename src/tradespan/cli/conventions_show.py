"""`tradespan conventions show`: all that is declared of one name."""

from __future__ import annotations

import argparse
import sys

import msgspec
from rich.console import Console
from rich.text import Text

from tradespan.cli.conventions_catalog import Entry, load_entries, to_json
from tradespan.cli.exits import FAILED, OK
from tradespan.cli.render import make_console, plain
from tradespan.conventions.tables import hint

SUMMARY = "say all that is declared of a name"
DESCRIPTION = (
    "Say what an attribute, an instrument, an event or a signal is declared as. NAME may also be"
    " the name in Prometheus, that of FIX's field or its tag, or one that another document has."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    parser.add_argument("name", metavar="NAME", help="trading.order.side, TRADE_FILLED …")


def run(namespace: argparse.Namespace) -> int:
    """Show; say no if it is not declared."""
    entries = load_entries(namespace.config)
    name = namespace.name
    found = [entry for entry in entries if entry.name == name]
    found = found or [entry for entry in entries if name in entry.names]
    found = found or [e for e in entries if name in map(str, e.fix.values())]
    if not found:
        near = hint(name, [each for entry in entries for each in entry.names])
        print(f"tradespan: {name} is not declared{near}", file=sys.stderr)
        return FAILED
    if namespace.json:
        for entry in found:
            print(msgspec.json.encode(to_json(entry)).decode())
        return OK
    console = make_console()
    for entry in found:
        show(console, entry)
    return OK


def show(console: Console, entry: Entry) -> None:
    """Print one name."""
    console.print(Text(plain(f"{entry.name}  {entry.kind}, {entry.type}"), style="bold"))
    console.print(Text(plain(f"    {entry.brief}")), soft_wrap=True)
    facts = {"Prometheus": entry.prometheus, "also": ", ".join(entry.aliases), **entry.facts}
    for label, text in facts.items():
        if text:
            console.print(Text(plain(f"    {label}: {text}")), soft_wrap=True)
