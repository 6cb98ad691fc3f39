"""Destinations as people call them: a place, and what of a run's records goes there.

In the books each signal's receiver is a sink of its own, under a short name that nobody has heard
of: `otlp-logs-7ce2e7e9`. To whoever ran the program, it is `http://localhost:4318`, which takes
spans, log lines and readings of metrics.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from tradespan.bootstrap.receivers import STORE, read_kind, sink_name
from tradespan.spool.folder import LOG_FILE

_NOUNS = {
    "traces": ("span", "spans"),
    "logs": ("log line", "log lines"),
    "metrics": ("reading of metrics", "readings of metrics"),
}
_RECORDS = ("record", "records")


class Part(NamedTuple):
    """One sink of a place."""

    sink: str
    """Its name in the books, unless it could not be opened."""
    noun: tuple[str, str]
    """What it takes, one of it and many."""
    signal: str
    """One of `settings.SIGNALS`; empty if it is not known."""

    def say(self, records: int) -> str:
        """So many of what it takes: `1,810 spans`."""
        return f"{records:,} {self.noun[records != 1]}"


class Addressee(NamedTuple):
    """A place that records go to."""

    name: str
    preposition: str
    """Things are `in` a file, and `at` a receiver."""
    parts: list[Part]

    @property
    def where(self) -> str:
        """As a sentence about what is there ends."""
        return f"{self.preposition} {self.name}"


def name_addressees(
    destinations: Iterable[tuple[str, str]], sinks: Iterable[str] = ()
) -> list[Addressee]:
    """The places of a run's destinations (`[kind, address]`), each once, in their order.

    `sinks`: those that the books know; one that is no destination's stands under its own name.
    """
    found: dict[str, Addressee] = {}
    known = set()
    for kind, address in destinations:
        name, signal = _name(kind, address)
        part = Part(sink_name(kind, address), _NOUNS.get(signal, _RECORDS), signal)
        known.add(part.sink)
        preposition = "in" if kind in (STORE, LOG_FILE) else "at"
        found.setdefault(name, Addressee(name, preposition, [])).parts.append(part)
    for sink in sinks:
        if sink not in known:
            found[sink] = Addressee(sink, "at", [Part(sink, _RECORDS, "")])
    return list(found.values())


def _name(kind: str, address: str) -> tuple[str, str]:
    """A place's name, and the signal that goes there."""
    if kind == STORE:
        return f"the store {address}", "traces"
    if kind == LOG_FILE:
        return address, "logs"
    otlp = read_kind(kind)
    if otlp is None:
        return address, ""
    return address.removesuffix(f"/v1/{otlp.signal}"), otlp.signal


def name_sinks(destinations: Iterable[Any], sinks: Iterable[str] = ()) -> dict[str, str]:
    """Each sink as people call it: `http://localhost:4318 (spans)`; the store is `store`.

    `destinations`: those of a run's description, which may come from another version of us.
    `sinks`: those that the books know; one that is no destination's keeps its name.
    """
    pairs = [(str(each[0]), str(each[1])) for each in destinations if len(each) == 2]
    return {
        part.sink: STORE if part.sink == STORE else _with_signal(place.name, part)
        for place in name_addressees(pairs, sinks)
        for part in place.parts
    }


def name_agents_sink(sink: str, address: str) -> str:
    """The same of a sink that an agent tells of, which names no kind."""
    if sink == STORE:
        return f"the store {address}"
    kind, _, rest = sink.partition("-")
    if kind == LOG_FILE:
        return address
    signal = rest.partition("-")[0]
    signal = signal if signal in _NOUNS else "traces"
    part = Part(sink, _NOUNS[signal], signal)
    return _with_signal(address.removesuffix(f"/v1/{signal}"), part)


def _with_signal(place: str, part: Part) -> str:
    return f"{place} ({part.noun[1]})" if part.signal and place != part.sink else place


def join_counts(parts: Iterable[tuple[Part, int]]) -> str:
    """What is not 0 of it: `1,810 spans, 6 log lines`; empty if all is."""
    return ", ".join(part.say(records) for part, records in parts if records)


def sink_of(books: dict[str, Any], part: Part) -> dict[str, Any] | None:
    """A part's line in the books (as JSON); None: it was never opened."""
    found: dict[str, Any] | None = books["sinks"].get(part.sink)
    return found


def say_records(count: int) -> str:
    """Of any kind: `1 record`, `1,810 records`."""
    return f"{count:,} {_RECORDS[count != 1]}"


def tell_discarded(books: dict[str, Any]) -> list[str]:
    """A sentence for each reason for which the program's own process discarded records."""
    counts: dict[str, int] = books.get("discarded", {})
    return [
        f"{say_records(count)} discarded before anybody had"
        f" {'it' if count == 1 else 'them'}: {reason}"
        for reason, count in sorted(counts.items())
        if count
    ]
