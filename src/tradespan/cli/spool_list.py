"""`tradespan spool list`: the segments of a root, or the records in them."""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from tradespan.bootstrap.couriers import read_cursors
from tradespan.bootstrap.places import Place
from tradespan.cli.arguments import read_limit
from tradespan.cli.exits import OK, tell_nothing
from tradespan.cli.progress import Progress
from tradespan.cli.render import (
    Column,
    format_count,
    format_time,
    local_zone,
    make_console,
    plain,
    print_columns,
)
from tradespan.cli.spool_parts import counts, format_size, left, right, states
from tradespan.config import Config
from tradespan.core.delivery import Cursor
from tradespan.core.errors import SpoolError, TradespanError
from tradespan.core.moments import format_timestamp
from tradespan.core.records import Lane, LogRecord, MetricReading, Span
from tradespan.spool.folder import RunFolder
from tradespan.spool.names import SegmentName
from tradespan.spool.survey import Record, Survey, read_records, survey_segment

SUMMARY = "list the segments, or the records in them"
DESCRIPTION = (
    "The segments that lie on disk, newest last: who writes them, what is in them, and which"
    " destinations have taken them to their end. A segment is deleted once all have."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Records instead of segments."""
    add = parser.add_argument
    add("--records", action="store_true", help="the records themselves, one a line")
    add(
        "-n",
        "--limit",
        metavar="N",
        type=read_limit,
        help="at most the N newest segments, or records",
    )


@dataclass(frozen=True, slots=True)
class Listed:
    """A segment, and how far each sink is in it."""

    folder: RunFolder
    survey: Survey
    passed: dict[str, bool]
    """Sink → whether it has taken all of it."""

    def to_json(self) -> dict[str, Any]:
        """As plain values; times in nanoseconds UTC."""
        survey = self.survey
        return {
            "run": self.folder.path.name,
            "segment": str(survey.name),
            "lane": lane_of(survey.name),
            "writer": survey.name.writer,
            "ordinal": survey.name.ordinal,
            "state": survey.state,
            "pid": survey.process_id,
            "alive": survey.alive,
            "service": survey.service,
            "records": survey.records,
            "bytes": survey.size,
            "first": survey.first,
            "last": survey.last,
            "damaged_bytes": survey.damaged_bytes,
            "unknown_frames": survey.unknown_frames,
            "problem": survey.problem,
            "passed": self.passed,
        }


def run(namespace: argparse.Namespace, config: Config, place: Place) -> int:
    """List."""
    found = [(folder, name) for folder in place.folders() for name in folder.segments()]
    found.sort(key=lambda pair: pair[1])
    if not found:
        told = f"no segment lies in {place.root}: all is delivered"
        return tell_nothing(told, filtered=False)
    if namespace.records:
        return print_records(namespace, [folder.path / str(name) for folder, name in found])
    chosen = found[-namespace.limit :] if namespace.limit else found
    listed = survey_all(chosen)
    if namespace.json:
        for each in listed:
            print(msgspec.json.encode(each.to_json()).decode())
    else:
        print_columns(make_console(), build_columns(listed))
    return OK


def survey_all(found: list[tuple[RunFolder, SegmentName]]) -> list[Listed]:
    """Read segments to their end."""
    paths = [folder.path / str(name) for folder, name in found]
    progress = Progress("reading", sum(map(size_of, paths)))
    cursors: dict[Path, dict[str, Cursor]] = {}
    listed = []
    try:
        for (folder, _), path in zip(found, paths, strict=True):
            if folder.path not in cursors:
                cursors[folder.path] = known_cursors(folder)
            survey = survey_segment(path, progress.advance)
            # Of an open segment nobody can have taken all: more may come.
            passed = {
                sink: survey.state != "open" and cursor.positions.get(path.name, 0) >= survey.size
                for sink, cursor in cursors[folder.path].items()
            }
            listed.append(Listed(folder, survey, passed))
    finally:
        progress.close()
    return listed


def known_cursors(folder: RunFolder) -> dict[str, Cursor]:
    """A run's cursors; none where its store cannot be read, which `status` tells."""
    try:
        return read_cursors(folder)
    except TradespanError:
        return {}


def size_of(path: Path) -> int:
    """Bytes of a file; 0 if it is gone."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def lane_of(name: SegmentName) -> str:
    """`ordinary` or `error`."""
    return Lane(name.lane).name.lower()


def build_columns(listed: list[Listed]) -> list[Column]:
    """The columns of the table."""
    surveys = [each.survey for each in listed]
    zone = local_zone()
    firsts = [format_time(s.first, zone) if s.first is not None else "" for s in surveys]
    lasts = [format_time(s.last, zone) if s.last is not None else "" for s in surveys]
    return [
        left("Segment", [str(s.name) for s in surveys], flexible=True),
        left("Lane", [lane_of(s.name) for s in surveys]),
        states("State", ["unreadable" if s.problem else s.state for s in surveys]),
        left("Writer", [f"{s.process_id} {'alive' if s.alive else 'dead'}" for s in surveys]),
        right("Records", [_records(s) for s in surveys]),
        right("Size", [format_size(s.size) for s in surveys]),
        *counts("Damaged", [s.damaged_bytes for s in surveys], "bold red"),
        left("First", firsts),
        left("Last", lasts),
        left(
            "Taken by", [" ".join(s for s, all_ in each.passed.items() if all_) for each in listed]
        ),
    ]


def _records(survey: Survey) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in survey.records.items()) or "0"


def print_records(namespace: argparse.Namespace, paths: list[Path]) -> int:
    """The records, oldest segment first; with a limit, those that were written last."""
    records = _all_records(paths)
    if namespace.limit:
        # From the newest segment back, until there are enough.
        kept: list[tuple[Path, Record]] = []
        for path in reversed(paths):
            kept = [*_all_records([path]), *kept]
            if len(kept) >= namespace.limit:
                break
        records = iter(kept[-namespace.limit :])
    zone = local_zone()
    printed = 0
    for path, record in records:
        printed += 1
        if namespace.json:
            print(msgspec.json.encode(record_to_json(path, record)).decode())
        else:
            time = record.time
            when = format_time(time, zone) if time is not None else "-"
            print(f"{when}  {record.kind:6}  {plain(describe(record))}")
    if not printed:
        told = f"{format_count(len(paths), 'segment')}, no record in it"
        return tell_nothing(told, filtered=False)
    return OK


def _all_records(paths: list[Path]) -> Iterator[tuple[Path, Record]]:
    for path in paths:
        try:
            yield from zip(itertools.repeat(path), read_records(path))
        except (OSError, SpoolError) as error:
            print(f"tradespan: {error}", file=sys.stderr)


def describe(record: Record) -> str:
    """Name and ids of a record on one line."""
    content = record.content
    if isinstance(content, LogRecord):
        words = [content.event_name or content.severity_text, str(content.body or "")[:200]]
        words += [content.trace_id.hex()] if content.trace_id else []
        return "  ".join(filter(None, words))
    if isinstance(content, MetricReading):
        return f"{content.points:,} points"
    if not isinstance(content, Span):
        return f"#{record.raw.sequence}  {len(record.raw.payload):,} bytes"
    name = content.name or record.site.name or "(no name)"
    words = [name, content.trace_id.hex(), f"{content.span_id:016x}"]
    words += ["error"] if content.status == 2 else []
    words += ["open"] if content.is_open else []
    return "  ".join(words)


def record_to_json(path: Path, record: Record) -> dict[str, Any]:
    """As plain values."""
    content = record.content
    told: dict[str, Any] = {
        "segment": path.name,
        "sequence": record.raw.sequence,
        "kind": record.kind,
        "time": None if record.time is None else format_timestamp(record.time),
        "bytes": len(record.raw.payload),
    }
    if isinstance(content, Span):
        told |= {
            "name": content.name or record.site.name,
            "trace_id": content.trace_id.hex(),
            "span_id": f"{content.span_id:016x}",
            "parent_id": f"{content.parent_id:016x}" if content.parent_id else None,
            "duration_ns": content.duration,
            "status": ("unset", "ok", "error")[min(content.status, 2)],
            "open": content.is_open,
        }
    return told
