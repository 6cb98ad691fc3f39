"""`tradespan conventions live`: which recorded telemetry deviates from the declarations."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from tradespan.bootstrap.folders import choose_root
from tradespan.bootstrap.places import Place, find_place
from tradespan.cli.conventions_check import say_what
from tradespan.cli.exits import FAILED, OK, USAGE
from tradespan.cli.logs_reading import find_files as find_log_files
from tradespan.cli.logs_reading import read_current
from tradespan.cli.progress import Progress
from tradespan.cli.render import format_count, make_console, plain
from tradespan.cli.rooted import read_rooted
from tradespan.cli.spool_list import size_of
from tradespan.config import Config
from tradespan.conventions.additions import find_files, read_additions
from tradespan.conventions.findings import Finding, Level
from tradespan.conventions.known import Known
from tradespan.conventions.live import LiveCheck
from tradespan.conventions.telemetry import (
    check_log_line,
    check_pages,
    check_segment,
    check_store,
)
from tradespan.core.errors import SpoolUnavailable, StoreError
from tradespan.spool.folder import RUNS
from tradespan.store.store import Store

SUMMARY = "find recorded telemetry that deviates from what is declared"
DESCRIPTION = (
    "Read what programs recorded, segments, metric pages, the store and the log files that are"
    " being written, and report what deviates from the declarations:"
    " unknown names, wrong types and units, labels that are not allowed,"
    " NaN. Each kind once, counted, with an example. What is in two places"
    " counts twice. Exit status 1 on violations."
)

_STYLES = {Level.VIOLATION: "bold red", Level.IMPROVEMENT: "yellow", Level.INFORMATION: "dim"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    add = parser.add_argument
    add("--root", metavar="DIR", help="the root whose runs and store to read")
    add("--run", "--spool", metavar="RUN", help="one run only: its folder, or its name")
    add("--store", metavar="FILE", help="the store, or none (default: the root's; none with --run)")


def run(namespace: argparse.Namespace) -> int:
    """Look; say no on violations."""
    config = choose_root(read_rooted(namespace))
    known = Known.ours()
    files = find_files(config.conventions, config.file)
    if files:
        registry, problems = read_additions(files)
        if problems:
            for problem in problems:
                print(f"tradespan conventions live: {plain(str(problem))}", file=sys.stderr)
            print(f"tradespan: {say_what(files, registry, problems)}", file=sys.stderr)
            return USAGE
        known.add(registry)
    check = LiveCheck(known)
    notes = look(check, find_run(config, namespace.run), find_store(config, namespace))
    if namespace.run is None:
        look_at_logs(check, config.root)
    for note in notes:
        print(f"tradespan: {plain(note)}", file=sys.stderr)
    if not any(check.looked_at.values()):
        where = namespace.run or config.root
        print(f"tradespan: nothing is recorded in {where}", file=sys.stderr)
        return FAILED
    if namespace.json:
        print(msgspec.json.encode(to_json(check)).decode())
    else:
        show(make_console(), check)
    return FAILED if check.findings.count(Level.VIOLATION) else OK


def find_run(config: Config, name: str | None) -> Place | None:
    """The root, or the run that was named; None where no program has recorded anything."""
    if name is None:
        try:
            return find_place(config.root)
        except SpoolUnavailable:  # it may hold nothing but a store
            return None
    below = config.root / RUNS / name
    return find_place(below if below.is_dir() else Path(name))


def find_store(config: Config, namespace: argparse.Namespace) -> Path | None:
    """The store to read; None: none."""
    if namespace.store == "none" or (namespace.store is None and namespace.run is not None):
        return None
    path = config.store_path if namespace.store is None else Path(namespace.store)
    return path if path is not None and (path.exists() or namespace.store) else None


def look(check: LiveCheck, place: Place | None, store: Path | None) -> list[str]:
    """Look at all of it; sentences about what cannot be read."""
    notes: list[str] = []
    folders = place.folders() if place is not None else []
    segments = [folder.path / str(name) for folder in folders for name in folder.segments()]
    progress = Progress("reading segments", sum(map(size_of, segments)))
    try:
        for path in segments:
            size = size_of(path)
            notes += filter(None, [check_segment(path, check)])
            progress.advance(size)
    finally:
        progress.close()
    for folder in folders:
        notes += check_pages(folder, check)
    if store is not None:
        notes += look_at_store(check, store)
    return notes


def look_at_logs(check: LiveCheck, root: Path) -> None:
    """Look at the log files that are being written; what was rotated is left out."""
    files = find_log_files(root)
    progress = Progress("reading log files", sum(map(size_of, files)))
    try:
        for path in files:
            for _, raw, fields in read_current(path):
                check_log_line(fields, check)
                progress.advance(len(raw))
    finally:
        progress.close()


def look_at_store(check: LiveCheck, path: Path) -> list[str]:
    """Look at all spans of a store; a sentence if it cannot be read."""
    try:
        with Store.open(path, readonly=True) as store:
            progress = Progress("reading the store", store.summary().spans, unit="spans")
            try:
                check_store(store, check, progress.advance)
            finally:
                progress.close()
    except StoreError as error:
        return [str(error)]
    return []


def show(console: Console, check: LiveCheck) -> None:
    """Print what deviates, worst first, and one line about all."""
    for finding in check.findings.ranked():
        console.print(Text(plain(headline(finding)), style=_STYLES[finding.level]), soft_wrap=True)
        near = f"; did you mean {finding.near}?" if finding.near else ""
        console.print(Text(plain(f"    {finding.message}{near}")), soft_wrap=True)
        console.print(Text(plain(f"    first: {finding.example}"), style="dim"), soft_wrap=True)
    if check.findings.further:
        console.print(f"{check.findings.further:,} further deviations of other kinds")
    console.print(f"{say_looked_at(check)}: {say_verdict(check)}", soft_wrap=True)


def headline(finding: Finding) -> str:
    """`violation  trading.order.sid  unknown_attribute, 12 times`."""
    times = "once" if finding.count == 1 else f"{finding.count:,} times"
    return f"{finding.level.name.lower()}  {finding.name}  {finding.rule}, {times}"


def say_looked_at(check: LiveCheck) -> str:
    """`1,204 spans, 33 log lines, 210 series`."""
    looked = check.looked_at
    words = {"span": "span", "log": "log line", "metric": "point"}
    return ", ".join(format_count(looked[kind], word) for kind, word in words.items())


def say_verdict(check: LiveCheck) -> str:
    """How many of each level."""
    findings = check.findings
    counts = [(level.name.lower(), findings.count(level)) for level in Level]
    told = [format_count(count, name) for name, count in counts if count]
    return ", ".join(told) or "nothing deviates"


def to_json(check: LiveCheck) -> dict[str, Any]:
    """As plain values."""
    findings: Sequence[Finding] = check.findings.ranked()
    return {
        "looked_at": check.looked_at,
        "levels": {level.name.lower(): check.findings.count(level) for level in Level},
        "findings": [finding.to_json() for finding in findings],
        "further": check.findings.further,
    }
