"""`tradespan spool status`: the books of each run, and whatever is the matter with them."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from tradespan.bootstrap.addressees import name_agents_sink
from tradespan.bootstrap.places import Place
from tradespan.bootstrap.spoolstatus import RootStatus, RunStatus, look_at
from tradespan.cli.exits import FAILED, OK
from tradespan.cli.render import Column, format_count, make_console, plain, print_columns
from tradespan.cli.spool_parts import counts, format_size, left, right, states
from tradespan.config import Config
from tradespan.forward.books import SinkBook
from tradespan.web.format import format_age

SUMMARY = "show what was recorded, and where it is now"
DESCRIPTION = (
    "For each run and each destination: recorded = accepted + parked + on disk + in memory"
    " + discarded + sampled + unaccounted. Exit status 1 if anything is unaccounted for."
)


class Line(NamedTuple):
    """One sink of one run."""

    run: RunStatus
    sink: str
    place: str
    """Where its records go, as people call it."""
    book: SinkBook | None
    first: bool
    """Whether the run's own facts stand on this line."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """It has none but DIR."""


def run(namespace: argparse.Namespace, config: Config, place: Place) -> int:
    """Show; say no if anything is unaccounted for, or books cannot be read."""
    status = look_at(place)
    if namespace.json:
        json.dump(status.to_json(), sys.stdout, indent=2)
        print()
    else:
        show(make_console(), status)
    return OK if status.good else FAILED


def show(console: Console, status: RootStatus) -> None:
    """Print the table, and a sentence for each thing that somebody should know."""
    agent = "no agent runs" if status.agent is None else f"agent: {status.agent.describe()}"
    console.print(Text(f"{plain(str(status.place.root))} · {agent}"), soft_wrap=True)
    if not status.runs:
        console.print("No run has been recorded here, or all are delivered and removed.")
        return
    print_columns(console, build_columns(list(_lines(status)), time.time()))
    for style, sentence in say(status):
        console.print(Text(plain(sentence), style=style), soft_wrap=True)


def _lines(status: RootStatus) -> Iterator[Line]:
    for run in status.runs:
        sinks = sorted(run.books.sinks.items(), reverse=True) if run.books else []
        # A receiver has a sink for each signal: one that nothing was recorded for says nothing.
        sinks = [each for each in sinks if each[1].says_something] or sinks[:1]
        places = run.places
        for number, (name, book) in enumerate(sinks):
            yield Line(run, name, places[name], book, number == 0)
        if not sinks:
            yield Line(run, "", "", None, first=True)


def build_columns(lines: list[Line], now: float) -> list[Column]:
    """The columns of the table; numbers that are 0 everywhere have none."""
    firsts = [line.run if line.first else None for line in lines]
    books = [line.run.books if line.first else None for line in lines]
    errors = [each.lanes["error"].recorded if each else None for each in books]
    return [
        left("Run", [run.folder.path.name if run else "" for run in firsts], flexible=True),
        states("State", [run.state if run else "" for run in firsts]),
        left("Writers", [_writers(run) if run else "" for run in firsts]),
        right("Recorded", [f"{each.recorded:,}" if each else "" for each in books]),
        *counts("Errors", errors),
        left("Destination", [line.place for line in lines]),
        right("Accepted", [f"{line.book.accepted:,}" if line.book else "" for line in lines]),
        *counts("Parked", [line.book.parked if line.book else None for line in lines], "yellow"),
        right("On disk", [f"{line.book.on_disk:,}" if line.book else "" for line in lines]),
        *counts("In memory", [each.in_memory if each else None for each in books], "yellow"),
        *counts("Sampled", [line.book.sampled if line.book else None for line in lines]),
        *counts("Discarded", [_discarded(line) for line in lines], "yellow"),
        *counts(
            "UNACCOUNTED",
            [line.book.unaccounted if line.book else None for line in lines],
            "bold red",
        ),
        right("Oldest", [_oldest(line, now) for line in lines]),
        right("Size", [format_size(run.size) if run else "" for run in firsts]),
    ]


def _writers(run: RunStatus) -> str:
    alive = [str(page.process_id) for page in run.pages if page.alive]
    if not alive:
        return f"{len(run.pages)} dead" if run.pages else "none"
    dead = f", {len(run.pages) - len(alive)} dead" if len(alive) < len(run.pages) else ""
    shown = " ".join(alive[:3]) + (f" +{len(alive) - 3}" if len(alive) > 3 else "")
    return f"{shown} alive{dead}"


def _discarded(line: Line) -> int:
    books = line.run.books
    if books is None or line.book is None:
        return 0
    return sum(books.discarded.values()) + sum(line.book.discarded.values())


def _oldest(line: Line, now: float) -> str:
    made = line.run.oldest.get(line.sink)
    if made is None or line.book is None or not line.book.on_disk:
        return ""
    return format_age(max(round(now * 1e9) - made, 0))


def say(status: RootStatus) -> Iterator[tuple[str, str]]:
    """(style, sentence): first what is lost, then what is wrong, then what waits for somebody."""
    for run in status.runs:
        yield from _say_of_books(run)
    for run in status.runs:
        yield from _say_of_files(run, status)
    if status.agent is not None:
        for name, told in status.agent.told.get("sinks", {}).items():
            if told.get("failing"):
                place = name_agents_sink(name, str(told.get("address", "")))
                yield "yellow", f"{place} does not accept: {told.get('last_error')}"
        for address, reason in status.agent.told.get("problems", {}).items():
            yield "yellow", f"{address} cannot be opened: {reason}"


def _say_of_books(run: RunStatus) -> Iterator[tuple[str, str]]:
    name = run.folder.path.name
    if run.books is None:
        yield "bold red", f"run {name}: its books cannot be read: {run.problem}"
        return
    places = run.places
    for sink, book in run.books.sinks.items():
        if book.unaccounted:
            count = format_count(book.unaccounted, "record")
            yield (
                "bold red",
                f"run {name}: {count} unaccounted for at {places[sink]}: recorded, and neither"
                " accepted nor parked, discarded, in memory or on disk",
            )
        for reason, number in book.discarded.items():
            count = format_count(number, "record")
            yield (
                "yellow",
                f"run {name}: {count} discarded before {places[sink]} took them: {reason}",
            )
    for reason, number in run.books.discarded.items():
        yield "yellow", f"run {name}: {format_count(number, 'record')} discarded: {reason}"


def _say_of_files(run: RunStatus, status: RootStatus) -> Iterator[tuple[str, str]]:
    name = run.folder.path.name
    refused: Counter[tuple[str, str]] = Counter()
    for letter in run.letters:
        refused[letter.sink, letter.reason] += letter.refused
    for (sink, reason), number in refused.items():
        place = run.places[sink]
        yield "yellow", f"run {name}: {place} refused {format_count(number, 'record')}: {reason}"
    if refused:
        yield "", f"  to send them again: tradespan spool resend {status.place.root}"
    for file, size in run.set_aside.items():
        yield "yellow", f"run {name}: {file} is no segment, set aside ({format_size(size)})"
