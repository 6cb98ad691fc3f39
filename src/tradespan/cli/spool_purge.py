"""`tradespan spool purge`: delete what nobody needs any more."""

from __future__ import annotations

import argparse
import sys

import msgspec
from rich.text import Text

from tradespan.bootstrap.places import Place
from tradespan.cli.arguments import read_time
from tradespan.cli.exits import FAILED, OK, USAGE
from tradespan.cli.render import Column, format_count, make_console, plain, print_columns
from tradespan.cli.spool_parts import format_size, left, right
from tradespan.config import Config
from tradespan.forward.amends import Busy
from tradespan.forward.purge import Choice, Removable, find_removable, remove

SUMMARY = "delete what nobody needs any more"
DESCRIPTION = (
    "Delete the folders of runs that were delivered to the end, their function counts included;"
    " an agent does so by itself after a week. With --parked dead letters go, too, with --damaged"
    " files that are no segments, and delivered runs whose books do not balance. Segments, and runs"
    " that go on, are never touched. Asks before it deletes."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """What, and whether to ask."""
    add = parser.add_argument
    add(
        "--older-than",
        metavar="TIME",
        type=read_time,
        default=0.0,
        help="leave what is younger, such as 7d or 12h",
    )
    add("--parked", action="store_true", help="dead letters as well: their records are lost then")
    add("--damaged", action="store_true", help="set-aside files, and runs that do not balance")
    add("--dry-run", action="store_true", help="say what would go, and delete nothing")
    add("--yes", action="store_true", help="do not ask")


def run(namespace: argparse.Namespace, config: Config, place: Place) -> int:
    """Show what would go, ask, and delete it."""
    choice = Choice(namespace.older_than, namespace.parked, namespace.damaged)
    found = find_removable(place.folders(), choice)
    if not found:
        print(f"tradespan: nothing to delete in {place.root}", file=sys.stderr)
        return OK
    if not namespace.json:
        _show(found)
    if not namespace.dry_run and not namespace.yes and not _is_agreed():
        return USAGE if not sys.stdin.isatty() else FAILED
    gone = [False if namespace.dry_run else _remove(each) for each in found]
    if namespace.json:
        for each, is_gone in zip(found, gone, strict=True):
            print(msgspec.json.encode(_to_json(each, is_gone)).decode())
    elif not namespace.dry_run:
        freed = sum(each.size for each, is_gone in zip(found, gone, strict=True) if is_gone)
        print(f"deleted {sum(gone):,} of {len(found):,}, {format_size(freed)}")
    return OK if namespace.dry_run or all(gone) else FAILED


def _show(found: list[Removable]) -> None:
    console = make_console()
    print_columns(console, _columns(found))
    lost = sum(each.lost for each in found)
    total = f"{format_size(sum(each.size for each in found))} in all"
    says = (
        f"; {format_count(lost, 'record')} would be lost" if lost else "; no record would be lost"
    )
    console.print(Text(plain(total + says), style="yellow" if lost else ""))


def _columns(found: list[Removable]) -> list[Column]:
    return [
        left("What", [each.what for each in found]),
        left("Run", [each.folder.path.name for each in found], flexible=True),
        right("Size", [format_size(each.size) for each in found]),
        right("Records lost", [f"{each.lost:,}" for each in found], "yellow"),
        left("Why it is here", [each.note for each in found], flexible=True),
    ]


def _is_agreed() -> bool:
    if not sys.stdin.isatty():
        print(
            "tradespan: nothing was deleted: say --yes where nobody can be asked", file=sys.stderr
        )
        return False
    print("Delete? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _remove(each: Removable) -> bool:
    try:
        return remove(each)
    except Busy:
        reason = "its dead letters are being sent again"
    except OSError as error:
        reason = error.strerror or str(error)
    print(f"tradespan: {each.folder.path.name} stays: {reason}", file=sys.stderr)
    return False


def _to_json(each: Removable, is_gone: bool) -> dict[str, object]:
    return {
        "what": each.what,
        "run": each.folder.path.name,
        "bytes": each.size,
        "records_lost": each.lost,
        "why": each.note,
        "deleted": is_gone,
    }
