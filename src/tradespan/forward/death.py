"""The bot's death is told: what ran is closed as failed, once, and how it died is written down.

A process that ends as it should takes its in-flight table away. One that is there, and whose lock
is free, was left by a process that died, or that ended with calls under way. For each call in it a
record is written, in a segment of a writer whose identity is derived from the dead one's:

    1. the segment is made, under a hidden name
    2. the table is renamed to `….inflight.closed`
    3. the segment gets its name
    4. `death-<writer>.json` is written, and the table deleted

Whoever is killed in between is followed by one who goes on: up to 2 all is made anew, from 2 on the
segment is what it is. So each call is closed once.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from tradespan.core.guard import guarded
from tradespan.core.process import is_alive
from tradespan.core.records import Kind, Lane, Resource, Site, Span
from tradespan.declare.names import TRADESPAN_DEATH_CAUSE, TRADESPAN_DEATH_OPEN_ORDERS
from tradespan.forward.causes import Cause, find_cause
from tradespan.forward.openorders import describe_open_orders, find_open_orders
from tradespan.forward.traces_left import SLACK, Left, last_log_lines, read_left
from tradespan.pages.inflight import SUFFIX, InFlight, RunningCall, read_table
from tradespan.pages.locks import is_held
from tradespan.spool.deaths import count_orders, is_alarming
from tradespan.spool.folder import RunFolder, replace_json
from tradespan.spool.layout import MAX_PAYLOAD
from tradespan.spool.names import SegmentName
from tradespan.spool.whole import write_segment
from tradespan.wire.codec import decode_resource, decode_site, encode_record

logger = logging.getLogger("tradespan")

STATUS_MESSAGE = "process ended while running"
CLOSED = ".closed"
LATEST = "death.json"
"""In the root: the death that was told last."""
RETRY_AFTER = 5.0
"""Seconds between two tries where the disk does not take what is to be told."""
MOST_LISTED = 20
"""Open calls that a note names; it counts all."""
_ERROR = 2
_KEPT_FLAGS = 0xFF3C
"""Of a slot's or a start's: kind, remote parent, trace flags."""


class DeathWatch:
    """Closes what dead processes left open, in any number of folders."""

    def __init__(self, root: Path, now: Callable[[], float] = time.time) -> None:
        """`now`: unix seconds."""
        self._root = root
        self._now = now
        self._judged: set[str] = set()
        """Folders whose main process's end has been looked at."""
        self._again: dict[Path, float] = {}
        """When to try again what could not be closed: monotonic seconds."""

    def look(self, folder: RunFolder) -> None:
        """Look through a folder; costs little where nobody died."""
        left = False
        for path in tables(folder):
            if time.monotonic() < self._again.get(path, 0.0):
                left = True
                continue
            # One that is not there any more has ended in order meanwhile, and removed it.
            with guarded("a dead process's calls"), suppress(FileNotFoundError):
                self._again[path] = time.monotonic() + RETRY_AFTER
                if path.name.endswith(CLOSED):
                    self._finish(folder, path)
                elif not is_held(path) and not _is_awaited(folder, path):
                    self._bury(folder, path)
                del self._again[path]
            left = left or path in self._again
        if not left:
            self._judge_run(folder)

    def _bury(self, folder: RunFolder, path: Path) -> None:
        table = read_table(path)
        if table is None:
            logger.warning("%s is no in-flight table; set aside", path)
            path.rename(path.with_name(f"{path.name}.damaged"))
            return
        if table.alive:
            return
        if table.calls or table.overflow:
            self._close_calls(folder, table)
        path = path.rename(path.with_name(f"{path.name}{CLOSED}"))
        self._finish(folder, path)

    def _close_calls(self, folder: RunFolder, table: InFlight) -> None:
        left = read_left(folder, table)
        cause = self._cause(folder, table)
        end = end_of(folder, table, cause)
        orders = len(find_open_orders(folder, table.process_id, table.writer))
        spans = list(closing_spans(table, left, cause, end, orders))
        if not spans:
            return
        sites = {**left.sites, **_known_sites(table)}
        used = {span.site for span in spans}
        for unfinished in hidden_segments(folder, closing_writer(table.writer)):
            (folder.path / f".{unfinished}").unlink(missing_ok=True)
        write_segment(
            folder.path,
            SegmentName(end, closing_writer(table.writer), Lane.ERROR, 1),
            encode_record(_resource(table, left)),
            [encode_record(site) for number, site in sites.items() if number in used],
            [(Kind.SPAN, _fitting(span)) for span in spans],
        )

    def _finish(self, folder: RunFolder, path: Path) -> None:
        """From step 2 on: publish the segment, tell, clean up."""
        table = read_table(path)
        if table is not None:
            for name in hidden_segments(folder, closing_writer(table.writer)):
                (folder.path / f".{name}").rename(folder.path / str(name))
            cause = self._cause(folder, table)
            told_of = bool(cause.fault) or _is_main(folder, table.process_id)
            # Who said nothing and left orders has died, whatever ran.
            orders = find_open_orders(folder, table.process_id, table.writer)
            lost = bool(orders) and not table.ended_cleanly
            if table.calls or (cause.is_death and told_of) or lost:
                self._write_note(folder, table, cause)
            for leftover in (f"{table.process_id}.fault", f"exception-{table.process_id}.json"):
                (folder.path / leftover).unlink(missing_ok=True)
        path.unlink()

    def _cause(self, folder: RunFolder, table: InFlight) -> Cause:
        cleanly = table.ended_cleanly
        return find_cause(folder, table.process_id, cleanly=cleanly, now=self._now())

    def _write_note(self, folder: RunFolder, table: InFlight, cause: Cause) -> None:
        end = end_of(folder, table, cause)
        listed = [
            {
                "name": name_of(call, table),
                "trace_id": call.trace_id.hex(),
                "span_id": f"{call.span_id:016x}",
                "start": call.start,
                "thread": f"{call.thread:#x}",
                "durable": call.durable,
            }
            for call in sorted(table.calls, key=lambda call: call.start)[:MOST_LISTED]
        ]
        note = describe_death(folder, table.process_id, cause, end)
        note |= {"writer": table.writer, "open": listed, "open_count": len(table.calls)}
        orders = find_open_orders(folder, table.process_id, table.writer)
        note |= describe_open_orders(orders, end)
        note["log"] = last_log_lines(folder, table.writer)
        self._tell(folder, f"death-{table.writer}.json", note)

    def _judge_run(self, folder: RunFolder) -> None:
        """The main process may have died without a table: before its first call, or after all."""
        ended, key = folder.ended, str(folder.path)
        if ended is None:
            self._judged.discard(key)
            return
        process = ended.get("pid")
        if key in self._judged or not isinstance(process, int):
            return
        self._judged.add(key)
        with guarded("a dead process"):
            cause = find_cause(folder, process, cleanly=True, now=self._now())
            noted = any(note.get("pid") == process for note in folder.deaths())
            if cause.is_death and not noted:
                end = int((cause.time or self._now()) * 1e9)
                note = describe_death(folder, process, cause, end)
                note |= {"writer": "", "open": [], "open_count": 0}
                note |= describe_open_orders(find_open_orders(folder, process), end)
                self._tell(folder, f"death-{process}.json", note)
            for leftover in (f"{process}.fault", f"exception-{process}.json"):
                (folder.path / leftover).unlink(missing_ok=True)

    def _tell(self, folder: RunFolder, name: str, note: dict[str, Any]) -> None:
        replace_json(folder.path / name, note)
        if is_alarming(note):
            replace_json(self._root / LATEST, note)
        orders = f", {text}" if (text := count_orders(note)) else ""
        run, process, cause = folder.path.name, note["pid"], note["cause"]
        logger.info("%s: process %s died: %s%s", run, process, cause, orders)


def describe_death(folder: RunFolder, process: int, cause: Cause, end: int) -> dict[str, Any]:
    """What a note says of any death."""
    return {
        "pid": process,
        "main": _is_main(folder, process),
        "run": folder.path.name,
        "service": str(folder.description.get("service", "")),
        "time": end / 1e9,
        "cause": cause.text,
        "how": cause.how,
        "signal": cause.signal,
        "exit_code": cause.exit_code,
        "out_of_memory": cause.out_of_memory,
        "core_dumped": cause.core_dumped,
        "peak_memory": cause.peak_memory,
        "exception": cause.exception,
        "fault": cause.fault,
    }


# ── what is closed, and how ─────────────────────────────────────────────────────────────────────


def closing_writer(writer: str) -> str:
    """Whose records the closing ones are: always the same for a dead writer."""
    return hashlib.blake2b(f"{writer} closed".encode(), digest_size=16).hexdigest()


def closing_spans(
    table: InFlight, left: Left, cause: Cause, end: int, orders: int = 0
) -> list[Span]:
    """The records that close what was open: of its slots, and of starts that had none.

    `orders`: how many stood.
    """
    attributes: dict[str, Any] = {TRADESPAN_DEATH_CAUSE: cause.text}
    if cause.exit_code is not None:
        attributes["process.exit.code"] = cause.exit_code
    if orders:
        attributes[TRADESPAN_DEATH_OPEN_ORDERS] = orders
    spans = {}
    for call in table.calls:
        key = call.trace_id, call.span_id
        if key not in left.ended:
            spans[key] = left.starts.get(key) or _span_of(call, table, left)
    for key, start in left.starts.items():
        if key not in left.ended:
            spans.setdefault(key, start)
    return [
        msgspec.structs.replace(
            span,
            duration=max(end - span.start, 0),
            flags=span.flags & _KEPT_FLAGS | _ERROR,
            status_message=STATUS_MESSAGE,
            attributes={**(span.attributes or {}), **attributes},
        )
        for span in spans.values()
    ]


def _span_of(call: RunningCall, table: InFlight, left: Left) -> Span:
    named = call.name or (None if call.site in table.sites or call.site in left.sites else "?")
    return Span(
        site=call.site,
        trace_id=call.trace_id,
        span_id=call.span_id,
        parent_id=call.parent_id,
        start=call.start,
        duration=0,
        flags=call.flags,
        name=named,
    )


def _fitting(span: Span) -> bytes:
    payload = encode_record(span)
    if len(payload) <= MAX_PAYLOAD:
        return payload
    # It was as long as can be before it got its end.
    return encode_record(msgspec.structs.replace(span, arguments=None))


def _known_sites(table: InFlight) -> dict[int, Site]:
    known = {}
    for number, payload in table.sites.items():
        with suppress(msgspec.DecodeError):  # bytes of a file
            site = decode_site(payload)
            if site.number == number:
                known[number] = site
    return known


def name_of(call: RunningCall, table: InFlight) -> str:
    """What a call's span is named; `?` where its declaration is not in the table."""
    if call.name:
        return call.name
    with suppress(KeyError, msgspec.DecodeError):
        return decode_site(table.sites[call.site]).name or "?"
    return "?"


def _resource(table: InFlight, left: Left) -> Resource:
    with suppress(msgspec.DecodeError):
        return decode_resource(table.resource)
    return left.resource or Resource({})


def end_of(folder: RunFolder, table: InFlight, cause: Cause) -> int:
    """When a process died, as near as anybody knows: its supervisor, or its last sign of life."""
    starts = [call.start for call in table.calls]
    if cause.time is not None:
        return max(int(cause.time * 1e9), *starts, 0) if starts else int(cause.time * 1e9)
    signs = [table.created, *starts]
    signs += [table.last] if table.last < time.time_ns() + int(SLACK * 1e9) else []
    for entry in folder.entries():
        name = SegmentName.parse(entry)
        own = entry.startswith((table.writer, f"{table.process_id}.fault"))
        if own or (name is not None and name.writer == table.writer):
            with suppress(OSError):
                # A rename does not change it, nor does reading.
                signs.append((folder.path / entry).stat().st_mtime_ns)
    return max(signs)


# ── files ───────────────────────────────────────────────────────────────────────────────────────


def tables(folder: RunFolder) -> list[Path]:
    """The folder's in-flight tables, those of the living too."""
    return [
        folder.path / entry
        for entry in folder.entries()
        if entry.endswith((SUFFIX, SUFFIX + CLOSED)) and not entry.startswith(".")
    ]


def hidden_segments(folder: RunFolder, writer: str) -> list[SegmentName]:
    """Segments of a writer that were made and not published."""
    names = (SegmentName.parse(entry[1:]) for entry in folder.entries() if entry[:1] == ".")
    return [name for name in names if name is not None and name.writer == writer]


def held_back(folder: RunFolder, names: frozenset[str]) -> frozenset[str]:
    """Those of a folder's segments that may still be needed to tell of a death.

    All of a process that died and was not told of; of one that lives, those in which the start of a
    durable call stands that runs.
    """
    if not names:
        return names
    held: set[str] = set()
    for path in tables(folder):
        writer = path.name.partition(".")[0]
        own = {name for name in names if f"-{writer}-" in name}
        if not own:
            continue
        if path.name.endswith(CLOSED) or not is_held(path):
            held |= own
        elif (table := read_table(path)) is not None:
            starts = [call.start for call in table.calls if call.durable]
            held |= {name for name in own if starts and _spans_any(folder.path / name, starts)}
    return frozenset(held)


def _spans_any(path: Path, starts: list[int]) -> bool:
    name, slack = SegmentName.parse(path.name), int(SLACK * 1e9)
    try:
        until = path.stat().st_mtime_ns + slack
    except OSError:
        return False
    return name is not None and any(name.created - slack <= start <= until for start in starts)


def _is_main(folder: RunFolder, process: int) -> bool:
    return folder.description.get("pid") == process or (folder.ended or {}).get("pid") == process


def _is_awaited(folder: RunFolder, path: Path) -> bool:
    """Whether a supervisor lives who will say in a moment how this process ended."""
    told = folder.description
    supervisor, start = told.get("supervisor"), told.get("supervisor_start")
    if folder.ended is not None or not isinstance(supervisor, int) or not isinstance(start, int):
        return False
    table = read_table(path)
    return table is not None and table.process_id == told.get("pid") and is_alive(supervisor, start)
