"""`tradespan conventions list`: what is declared, ours and yours."""

from __future__ import annotations

import argparse

import msgspec
from rich.text import Text

from tradespan.cli.conventions_catalog import KINDS, Entry, load_entries, to_json
from tradespan.cli.exits import OK, tell_nothing
from tradespan.cli.render import Column, make_console, plain, print_columns

SUMMARY = "list declared attributes, instruments, events and other names"
DESCRIPTION = (
    "List what is declared, by tradespan and in files of your own: attributes, instruments with"
    " their names in Prometheus, events, and the names that other documents have for them."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    add = parser.add_argument
    add("text", nargs="?", metavar="TEXT", default="", help="only names that this is found in")
    add("--kind", choices=KINDS, help="only these")


def run(namespace: argparse.Namespace) -> int:
    """List; say no if nothing matches."""
    entries = [
        entry
        for entry in load_entries(namespace.config)
        if namespace.kind in (None, entry.kind) and _matches(entry, namespace.text.lower())
    ]
    if not entries:
        return tell_nothing(f"no declared name contains {namespace.text!r}", filtered=True)
    if namespace.json:
        for entry in entries:
            print(msgspec.json.encode(to_json(entry)).decode())
        return OK
    columns = [
        Column("Kind", [Text(entry.kind, style="dim") for entry in entries]),
        Column("Name", [Text(plain(entry.name)) for entry in entries]),
        Column("Type", [Text(plain(entry.type)) for entry in entries]),
        Column("Meaning", [Text(plain(entry.brief)) for entry in entries], flexible=True),
    ]
    print_columns(make_console(), columns)
    return OK


def _matches(entry: Entry, text: str) -> bool:
    return any(text in name.lower() for name in entry.names)
