"""Tests of each hop between a bot and its destinations, for `tradespan doctor`."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from tradespan.bootstrap.addressees import name_agents_sink, name_sinks
from tradespan.bootstrap.couriers import BY_NAME, build_otlp_sink, read_books
from tradespan.bootstrap.folders import choose_root, name_origin
from tradespan.bootstrap.places import Holder, Place
from tradespan.bootstrap.receivers import lacks_grpc, otlp_receivers, read_kind
from tradespan.config import Config
from tradespan.core import native
from tradespan.core.delivery import Accepted, Batch
from tradespan.core.errors import SpoolUnavailable, TradespanError
from tradespan.forward.books import Books
from tradespan.spool.folder import private_folder, run_folders, say_why
from tradespan.spool.governed import read_governed, say_governed
from tradespan.spool.ways import MMAP, choose_way
from tradespan.store.store import Store

_SHOWN_RUNS = 5
_ANSWER_WITHIN = 3.0
"""Seconds that a receiver has to answer the doctor."""
_SILENT = 15.0
"""Seconds without a word of an agent, which says one twice a second."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One hop, tested."""

    hop: str
    good: bool
    says: str
    facts: dict[str, Any] = field(default_factory=dict)


def diagnose(config: Config) -> list[Finding]:
    """Test every hop; changes nothing but a file that it makes and deletes."""
    config = choose_root(config)
    return [
        check_spool(config),
        check_agent(config),
        check_store(config),
        *check_receiver(config),
        *check_runs(config),
        *check_governors(config),
    ]


def check_spool(config: Config) -> Finding:
    """Whether segments can be made, and by which way they are written."""
    try:
        private_folder(config.root)
        with tempfile.TemporaryFile(dir=config.root) as probe:
            os.posix_fallocate(probe.fileno(), 0, config.spool.segment_first)
    except SpoolUnavailable as error:
        told = SpoolUnavailable(error.directory, error.reason, name_origin(config))
        return Finding("spool", False, str(told))
    except OSError as error:
        reason = say_why(config.root, error)
        told = SpoolUnavailable(config.root, reason, name_origin(config))
        return Finding("spool", False, str(told))
    free = shutil.disk_usage(config.root).free
    says = f"{config.root} is writable, {free / 1e9:,.1f} GB free; "
    way = choose_way(config.root)
    by = way.name if way.name == MMAP else f"{way.name}, because {way.why}"
    says += f"records go by {by}, {native.describe()}"
    facts = {"free_bytes": free, "way": way.name, "why": way.why, "hot_path": native.describe()}
    return Finding("spool", True, says, facts)


def check_agent(config: Config) -> Finding:
    """Whether somebody forwards, and is at work. Nobody is fine: `run` starts one."""
    holder = Place(config.root).holder()
    if holder is None:
        return Finding("agent", True, "none runs now; `tradespan run` starts one")
    facts = {"pid": holder.pid, "since": holder.since}
    wrong = list(_find_wrong(holder))
    if not wrong:
        return Finding("agent", True, holder.describe(), facts)
    return Finding("agent", False, f"{holder.describe()}, but {'; '.join(wrong)}", facts)


def _find_wrong(holder: Holder) -> Iterator[str]:
    """What an agent itself says is the matter with it, or that it says nothing."""
    told = holder.told.get("time")
    silent = time.time() - told if isinstance(told, int | float) else 0.0
    if silent > _SILENT:
        yield f"it has said nothing for {silent:.0f} s: stopped, or its disk is full"
        return
    for name, sink in holder.told.get("sinks", {}).items():
        if sink.get("failing"):
            place = name_agents_sink(name, str(sink.get("address", "")))
            yield f"{place} does not accept: {sink.get('last_error')}"
    for address, reason in holder.told.get("problems", {}).items():
        yield f"{address} cannot be opened: {reason}"


def check_store(config: Config) -> Finding:
    """Whether the store opens."""
    path = config.store_path
    if path is None:
        return Finding("store", True, "none (switched off)")
    if not path.exists():
        return Finding("store", True, f"{path} is not there yet; the first run makes it")
    try:
        store = Store.open(path, readonly=True)
    except TradespanError as error:
        return Finding("store", False, str(error))
    try:
        totals = store.summary()
    finally:
        store.close()
    says = f"{path} holds {totals.spans:,} spans in {totals.traces:,} traces"
    return Finding("store", True, says, {"spans": totals.spans, "traces": totals.traces})


def check_receiver(config: Config) -> Iterator[Finding]:
    """Whether the OTLP receivers answer, each for each signal, by an empty request."""
    if lacks_grpc(config):
        yield Finding("receiver", False, lacks_grpc(config))
        return
    receivers = otlp_receivers(config)
    if not receivers:
        yield Finding("receiver", True, "none (no endpoint is set)")
    for kind, address in receivers:
        told = read_kind(kind)
        assert told is not None
        with closing(build_otlp_sink(config, kind, address, timeout=_ANSWER_WITHIN)) as sink:
            outcome = sink.deliver(Batch("", BY_NAME[told.signal].kind, []))
        good = isinstance(outcome, Accepted)
        says = f"takes {told.signal}"
        if not isinstance(outcome, Accepted):
            says = f"does not take {told.signal}: {outcome.reason}"
        yield Finding("receiver", good, f"{address} {says}")


def check_runs(config: Config) -> Iterator[Finding]:
    """The books of the latest runs, and whatever does not balance in any."""
    folders = list(run_folders(config.root))
    for place, folder in enumerate(reversed(folders)):
        try:
            books = read_books(folder)
        except TradespanError as error:
            yield Finding(f"run {folder.path.name}", False, f"its books cannot be read: {error}")
            continue
        lost = sum(sink.unaccounted for sink in books.sinks.values())
        if place >= _SHOWN_RUNS and not lost:
            continue
        places = name_sinks(folder.description.get("destinations", []), books.sinks)
        facts = {"books": books.to_json(), "places": places}
        said = describe_books(books, places)
        yield Finding(f"run {folder.path.name}", lost == 0, said, facts)


def check_governors(config: Config) -> Iterator[Finding]:
    """What is watched less than asked for, in the latest runs, and why."""
    for folder in list(run_folders(config.root))[: -_SHOWN_RUNS - 1 : -1]:
        for told in read_governed(folder)[:_SHOWN_RUNS]:
            if said := say_governed(told):
                yield Finding(f"governor {folder.path.name}", True, said, {"governor": told})


def describe_books(books: Books, places: dict[str, str]) -> str:
    """One line of a run's books; `places`: sink → as people call it."""
    parts = [f"recorded {books.recorded:,}"]
    sinks = {name: sink for name, sink in books.sinks.items() if sink.says_something}
    for name, sink in (sinks or books.sinks).items():
        line = f"{places[name]}: delivered {sink.accepted:,}"
        for word, count in (
            ("parked", sink.parked),
            ("on disk", sink.on_disk),
            ("of other signals", sink.others),
            *sorted((f"discarded ({reason})", n) for reason, n in sink.discarded.items()),
            ("sampled", sink.sampled),
            ("UNACCOUNTED", sink.unaccounted),
        ):
            line += f", {word} {count:,}" if count else ""
        parts.append(line)
    if books.discarded:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in books.discarded.items())
        parts.append(f"discarded: {reasons}")
    return " · ".join(parts)
