"""`tradespan spool resend`: dead letters go to their destination once more."""

from __future__ import annotations

import argparse
import sys

import msgspec
from rich.console import Console
from rich.text import Text

from tradespan.bootstrap.addressees import name_sinks
from tradespan.bootstrap.places import Place
from tradespan.bootstrap.resending import Resender, Resent
from tradespan.cli.exits import FAILED, OK
from tradespan.cli.progress import Progress
from tradespan.cli.render import Column, format_count, make_console, plain, print_columns
from tradespan.cli.spool_parts import format_size, left, right
from tradespan.config import Config
from tradespan.forward.letters import Letter, read_letters
from tradespan.forward.resend import Sent

SUMMARY = "send once more what a destination has refused"
DESCRIPTION = (
    "Send dead letters (parked/ in a run's folder) once more. What is accepted counts as accepted"
    " from then on and leaves the dead letters; what is refused again stays, with the new reason."
    " An agent may run meanwhile. Exit status 0 only if all of them went."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Of which sink, and whether really."""
    add = parser.add_argument
    add("--sink", metavar="NAME", help="of this destination alone, as `status` names it")
    add("--dry-run", action="store_true", help="say what would be sent, and send nothing")


def run(namespace: argparse.Namespace, config: Config, place: Place) -> int:
    """Send; say no if anything stays."""
    found = [(f, letter) for f in place.folders() for letter in read_letters(f)]
    chosen = [(f, letter) for f, letter in found if namespace.sink in (None, letter.sink)]
    if not chosen:
        return _say_nothing_to_send(namespace, place, [letter for _, letter in found])
    if namespace.dry_run:
        results = [Resent(folder, letter, Sent(0, letter.refused)) for folder, letter in chosen]
        _print(namespace, results, dry=True)
        return OK
    results = _send(namespace, config, place, len(chosen))
    if not results:  # somebody else has sent them meanwhile
        return _say_nothing_to_send(namespace, place, [])
    _print(namespace, results, dry=False)
    return OK if all(each.sent.refused == 0 for each in results) else FAILED


def _say_nothing_to_send(namespace: argparse.Namespace, place: Place, found: list[Letter]) -> int:
    names = ", ".join(sorted({letter.sink for letter in found}))
    if names:
        print(
            f"tradespan: no dead letter of {namespace.sink}; there are some of {names}",
            file=sys.stderr,
        )
        return FAILED
    print(f"tradespan: no dead letters in {place.root}: nothing was refused", file=sys.stderr)
    return OK


def _send(
    namespace: argparse.Namespace, config: Config, place: Place, letters: int
) -> list[Resent]:
    resender = Resender(config, namespace.sink)
    progress = Progress("sending", letters)
    results: list[Resent] = []
    try:
        for folder in place.folders():
            for result in resender.work(folder):
                results.append(result)
                progress.advance(1)
    finally:
        progress.close()
        resender.close()
    return results


def _print(namespace: argparse.Namespace, results: list[Resent], *, dry: bool) -> None:
    if namespace.json:
        for each in results:
            print(msgspec.json.encode(_to_json(each, dry=dry)).decode())
        return
    console = make_console()
    print_columns(console, _columns(results, dry=dry))
    _print_total(console, results, dry=dry)


def _columns(results: list[Resent], *, dry: bool) -> list[Column]:
    letters = [each.letter for each in results]
    columns = [
        left("Run", [each.folder.path.name for each in results], flexible=True),
        left("Destination", [_place(each) for each in results]),
        left("Sink", [letter.sink for letter in letters]),
        right("Refused", [f"{letter.refused:,}" for letter in letters]),
        right("Of", [f"{letter.records:,}" for letter in letters]),
        right("Size", [format_size(letter.size) for letter in letters]),
    ]
    if dry:
        return [*columns, left("Reason", [letter.reason for letter in letters], flexible=True)]
    return [
        *columns,
        right("Accepted now", [f"{each.sent.accepted:,}" for each in results], "green"),
        right("Still refused", [f"{each.sent.refused:,}" for each in results], "yellow"),
        left("Reason", [each.sent.reason for each in results], flexible=True),
    ]


def _place(result: Resent) -> str:
    destinations = result.folder.description.get("destinations", [])
    return name_sinks(destinations, [result.letter.sink])[result.letter.sink]


def _print_total(console: Console, results: list[Resent], *, dry: bool) -> None:
    records = sum(each.letter.records for each in results)
    accepted = sum(each.sent.accepted for each in results)
    stay = sum(each.sent.refused for each in results)
    if dry:
        line = f"would send {format_count(records, 'record')}; nothing was sent"
    else:
        line = f"{format_count(accepted, 'record')} accepted, {stay:,} stay"
    console.print(Text(plain(line)))


def _to_json(result: Resent, *, dry: bool) -> dict[str, object]:
    letter, sent = result.letter, result.sent
    return {
        "run": result.folder.path.name,
        "sink": letter.sink,
        "records": letter.records,
        "refused": letter.refused,
        "accepted": sent.accepted,
        "still_refused": sent.refused,
        "reason": letter.reason if dry else sent.reason,
        "dry_run": dry,
    }
