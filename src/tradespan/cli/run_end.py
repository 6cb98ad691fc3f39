"""What `tradespan run` says when the program has ended: what is where, what waits, what is lost."""

from __future__ import annotations

import re
import shlex
import sys
from typing import Any

from tradespan.bootstrap.addressees import (
    Addressee,
    join_counts,
    name_addressees,
    sink_of,
    tell_discarded,
)
from tradespan.bootstrap.folders import destinations
from tradespan.config import Config, format_duration
from tradespan.pages.orders import read_orders, tables_in
from tradespan.spool.deaths import printable
from tradespan.spool.folder import RunFolder
from tradespan.supervise import RunEnd

_OF_METRICS = ("otlp-metrics-",)
_MOST_NAMED = 5
"""Open orders."""
_TECHNICAL = re.compile(
    r"^(\S+:\d+: |\S+ cannot be written: )?(\w+(Error|Exception): )?(\[Errno -?\d+\] )?"
)


def print_rest(config: Config, folder: RunFolder, end: RunEnd) -> None:
    """Say what has not been delivered, and how to send it."""
    books = end.books
    inside = folder.path.is_relative_to(config.root)
    command = f"tradespan agent --once {shlex.quote(str(config.root if inside else folder.path))}"
    if books is None:
        print(
            f"tradespan: nobody has closed the books of this run; its records are in {folder.path};"
            f" send them with: {command}",
            file=sys.stderr,
        )
        return
    for place in name_addressees(destinations(config), books["sinks"]):
        for sentence in _tell(place, books, config, folder, command):
            print(f"tradespan: {sentence}", file=sys.stderr)
    for sentence in tell_discarded(books):
        print(f"tradespan: {sentence}", file=sys.stderr)


def _tell(
    place: Addressee, books: dict[str, Any], config: Config, folder: RunFolder, command: str
) -> list[str]:
    """What one place has not: what waits for it, what went, and what it refused."""
    sentences = []
    if waiting := _waiting(place, books):
        one = waiting.startswith("1 ") and "," not in waiting
        cause = _say_cause(place, books)
        sentences.append(
            f"{waiting} wait{'s' if one else ''} for {place.name}{cause} in {folder.path}; the next"
            f" run delivers {'it' if one else 'them'}, or: {command}"
        )
    sinks = [(part, sink_of(books, part) or {}) for part in place.parts]
    discarded = join_counts((part, sum(sink.get("discarded", {}).values())) for part, sink in sinks)
    if discarded:
        sentences.append(
            f"{discarded} for {place.name} discarded by the limits of the spool"
            " (spool.bytes, spool.age, spool.free)"
        )
    if parked := join_counts((part, sink.get("parked", 0)) for part, sink in sinks):
        sentences.append(
            f"{place.name} refused {parked}, kept in {folder.path}/parked; to send them again:"
            f" tradespan spool resend {shlex.quote(str(config.root))}"
        )
    if lost := join_counts((part, sink.get("unaccounted", 0)) for part, sink in sinks):
        sentences.append(f"{lost} for {place.name} LOST: see tradespan doctor")
    return sentences


def _waiting(place: Addressee, books: dict[str, Any]) -> str:
    """What waits. The agent's readings of metrics are told where nothing else waits: they wait
    along with what the program recorded, and one command sends both.
    """
    waiting = []
    for part in place.parts:
        sink = sink_of(books, part)
        # What could not be opened has no line in the books: all of its kind waits.
        count = _recorded(books, part.signal) if sink is None else sink["on_disk"]
        waiting.append((part, count))
    others = [(part, n) for part, n in waiting if not part.sink.startswith(_OF_METRICS)]
    return join_counts(others) or join_counts(waiting)


def _recorded(books: dict[str, Any], signal: str) -> int:
    """Records of a signal's kind, or all where that is not known."""
    kinds = {"traces": "span", "logs": "log", "metrics": "metric"}
    told: dict[str, int] = books.get("signals", {})
    count: int = told.get(kinds[signal], 0) if signal in kinds and told else books["recorded"]
    return count


def _say_cause(place: Addressee, books: dict[str, Any]) -> str:
    """Why it waits, without a program's words for it; empty if the agent did not tell."""
    causes = books.get("causes", {})
    told = [_TECHNICAL.sub("", causes[part.sink]) for part in place.parts if part.sink in causes]
    return f" ({told[0]})" if told and told[0] else ""


def print_open_orders(config: Config, folder: RunFolder) -> None:
    """Warn of orders that stand though the program has ended."""
    found = (read_orders(path) for path in tables_in(folder.path))
    waiting = [left for left in found if left is not None and left.is_waiting]
    rows = [row for left in waiting for row in left.rows]
    if not rows:
        return
    named = [printable(row.client_id) for row in rows[:_MOST_NAMED]]
    more = ", …" if len(rows) > _MOST_NAMED else ""
    count = "1 order is" if len(rows) == 1 else f"{len(rows):,} orders are"
    them = "it" if len(rows) == 1 else "them"
    root = "" if config.origin("root") == "default" else f" --root {shlex.quote(str(config.root))}"
    heir = f"the next run of {config.service_name} within"
    heir = f"{heir} {format_duration(config.orders.adopt_within)} takes {them} over"
    if not config.orders.adopt:
        heir = f"nobody takes {them} over (orders.adopt)"
    print(
        f"tradespan: {count} still open: {', '.join(named)}{more}; {heir};"
        f" see: tradespan orders{root}",
        file=sys.stderr,
    )


def print_end(config: Config, end: RunEnd) -> None:
    """Tell a person at a terminal what is where now, and how to look at it."""
    if end.books is not None:
        for place in name_addressees(destinations(config), end.books["sinks"]):
            sinks = [(part, sink_of(end.books, part) or {}) for part in place.parts]
            if there := join_counts((part, sink.get("accepted", 0)) for part, sink in sinks):
                print(f"tradespan: {there} {place.where}", file=sys.stderr)
    if config.store_path is not None:
        print(f"tradespan: {_closing_words(config, end)}", file=sys.stderr)


def _closing_words(config: Config, end: RunEnd) -> str:
    """Where to look at what was recorded, or how to record something."""
    spans = end.books is None or _recorded(end.books, "traces")
    if spans or config.include:
        return f"look at it with {_ui_command(config)}"
    return (
        "no call was recorded: no pattern says what to watch; give one before the program,"
        " as in: tradespan run -i 'bot\\..*' bot.py"
    )


def _ui_command(config: Config) -> str:
    default = config.origin("root") == "default" and config.origin("store.path") == "default"
    if default:
        return "tradespan ui"
    return f"tradespan ui --store {shlex.quote(str(config.store_path))}"
