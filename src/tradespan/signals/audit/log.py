"""The audit log's files: `<root>/audit/2026-03-01.jsonl`, one entry a line, one file a day (UTC).

Every process appends by one `write` a line (O_APPEND), so that entries of several do not mix, and
an entry is in the page cache when the call returns. Each process generation numbers its entries and
puts the hash of the one before into the next, so that a missing or changed one shows
(`tradespan audit`). Nobody waits for anybody: who finds another thread writing leaves its entry to
that one.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
from opentelemetry.trace import get_current_span

from tradespan.capture.attributes import clean_attribute
from tradespan.core import guard
from tradespan.core.forks import after_fork_in_child
from tradespan.core.moments import format_timestamp
from tradespan.core.records import Lane
from tradespan.signals.lines import declare_scope, write_line
from tradespan.signals.severity import number_of
from tradespan.signals.slot import SIGNALS
from tradespan.signals.summaries import summarise, summarise_data
from tradespan.spool.folder import private_folder
from tradespan.spool.writer import SpoolWriter

FOLDER: Final = "audit"
FILE: Final = re.compile(r"(\d{4}-\d{2}-\d{2})\.jsonl")
MOST_WAITING: Final = 1_000
"""Entries kept in memory while the disk takes none."""
_LONGEST_WRITE: Final = 1.0
"""Seconds; a file that hangs for longer stays open."""
_SCOPE: Final = "tradespan.audit"
_EVENT: Final = "tradespan.audit.entry"
_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_HASH: Final = b',"hash":"%s"}\n'


class AuditLog:
    """Appends to the files of one root; before `begin` and after `end` to none."""

    def __init__(self) -> None:
        self._spool: SpoolWriter | None = None
        self._folder = Path()
        self._age = 0.0
        self._service = ""
        self._without_orders = False
        self._pending: deque[tuple[int, dict[str, Any]]] = deque()
        """How many were lost before it, and the entry."""
        self._lost = 0
        self._lock = threading.Lock()
        self._day, self._file, self._is_torn = "", -1, False
        self._writer, self._sequence, self._previous = b"", 0, ""
        after_fork_in_child(self._begin_afresh)

    def begin(
        self, root: Path, spool: SpoolWriter, *, service: str, age: float, without_orders: bool
    ) -> None:
        """Append below `root` from now on.

        Args:
            root: Folder of the runs, the store and the audit log.
            spool: Whose identity the entries carry.
            service: The service's name.
            age: Seconds that entries are kept at least; 0: for ever.
            without_orders: Leave out events of orders, as in a backtest, where none is real.
        """
        self.end()
        with guard.guarded("audit log"):
            self._folder = private_folder(root / FOLDER)
            self._age, self._service, self._without_orders = age, service, without_orders
            self._spool = spool

    def end(self) -> None:
        """Append no more."""
        self._spool = None
        # Never under the hands of who writes: the number would be another file's by then.
        if self._lock.acquire(timeout=_LONGEST_WRITE):
            try:
                self._close()
            finally:
                self._lock.release()

    def append(
        self,
        category: str,
        action: str,
        *,
        actor: str = "",
        reason: str = "",
        before: Any = None,
        after: Any = None,
        details: Mapping[str, Any] | None = None,
    ) -> bool:
        """Append an entry; secrets in it are hidden. Never raises.

        Returns:
            Whether it is in the file, or will be. False: tradespan is not configured.
        """
        spool = self._spool
        if spool is None:
            return False
        try:
            context = get_current_span().get_span_context()
            entry = {
                "time": format_timestamp(spool.clock.wall()),
                "category": category,
                "action": action,
                "actor": actor or _user(),
                "reason": clean_attribute("", reason, None),
                "before": clean("before", before),
                "after": clean("after", after),
                "details": {
                    key: clean_attribute(key, value, None)
                    for key, value in summarise_data(dict(details or {})).items()
                },
                "service": self._service,
                "pid": os.getpid(),
                "trace_id": f"{context.trace_id:032x}" if context.trace_id else "",
                "span_id": f"{context.span_id:016x}" if context.span_id else "",
            }
            if len(self._pending) >= MOST_WAITING:
                self._write_pending(spool)
            if len(self._pending) >= MOST_WAITING:
                self._lost += 1  # the gap in the numbers will tell
                return False
            lost, self._lost = self._lost, 0
            self._pending.append((lost, entry))
            self._write_pending(spool)
        except Exception as error:  # noqa: BLE001 - the host comes first
            guard.report("audit log", error)
            return False
        return True

    def note_event(self, action: str, actor: str, data: Any, category: str) -> None:
        """Append what an event of the bus says."""
        if category == "order" and self._without_orders:
            return
        details = summarise_data(data)
        self.append(
            category,
            action,
            actor=actor,
            reason=str(details.pop("reason", "")),
            before=details.pop("before", None),
            after=details.pop("after", None),
            details=details,
        )

    def note_settings(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """Append how tradespan is configured: key, value (secrets masked) and origin of what is not
        as by default.
        """
        held = {key: f"{value} ({origin})" for key, value, origin in rows}
        self.append("configuration", "configure", after=held)

    def _write_pending(self, spool: SpoolWriter) -> None:
        # Released before each look: an entry that comes in between is seen by one of the two.
        while self._pending and self._lock.acquire(blocking=False):
            try:
                if not self._write_next(spool):
                    return
            finally:
                self._lock.release()

    def _write_next(self, spool: SpoolWriter) -> bool:
        if not self._pending:
            return True
        if spool.identity != self._writer:
            self._writer, self._sequence, self._previous = spool.identity, 0, ""
        lost, entry = self._pending[0]
        sequence = self._sequence + lost + 1
        chained = {
            **entry,
            "writer": self._writer.hex(),
            "sequence": sequence,
            "previous": self._previous,
        }
        body = msgspec.json.encode(chained)
        digest = hash_of(body)
        line = body[:-1] + _HASH % digest.encode()
        try:
            self._open(entry["time"][:10])
            written = os.write(self._file, b"\n" + line if self._is_torn else line)
        except OSError as error:
            guard.report("audit log", error)
            return False
        self._is_torn = written < len(line)
        if self._is_torn:
            return False
        self._pending.popleft()
        self._sequence, self._previous = sequence, digest
        return True

    def _open(self, day: str) -> None:
        if day == self._day and self._file >= 0:
            return
        self._close()
        self._file = os.open(self._folder / f"{day}.jsonl", _FLAGS, 0o600)
        self._day = day
        self._remove_old(date.fromisoformat(day))

    def _remove_old(self, today: date) -> None:
        if not self._age:
            return
        try:
            oldest = (today - timedelta(seconds=self._age)).isoformat()
        except OverflowError:  # before the year 1
            return
        for path in self._folder.iterdir():
            found = FILE.fullmatch(path.name)
            if found and found[1] < oldest:
                with suppress(OSError):  # another process was quicker
                    path.unlink()

    def _close(self) -> None:
        file, self._file, self._day = self._file, -1, ""
        if file >= 0:
            os.close(file)

    def _begin_afresh(self) -> None:
        # What waits is the parent's to write; its lock may be held by a thread that is not here.
        self._lock, self._pending, self._lost = threading.Lock(), deque(), 0


def audit(
    action: str,
    *,
    category: str = "safety",
    actor: str = "",
    reason: str = "",
    before: Any = None,
    after: Any = None,
    severity: str = "info",
    **details: Any,
) -> bool:
    """Put on record that somebody did something: in the audit log, and as an event in the lane of
    errors, which is discarded last. Never raises.

    Args:
        action: What was done: `raise_position_limit`.
        category: `safety`, `configuration`, `order`, or your own.
        actor: Who did it; this process's user if left out.
        reason: Why.
        before: What it was, such as the limit's old value.
        after: What it is now.
        severity: `debug`, `info`, `warning`, `error`, `critical` or `emergency`.
        details: More facts. Secrets are hidden, by name and by look.

    Returns:
        Whether it is safe. False: tradespan is not configured, or the disk takes nothing.
    """
    attributes = {
        "tradespan.audit.action": action,
        "tradespan.audit.category": category,
        "tradespan.audit.actor": actor or _user(),
        "tradespan.audit.reason": reason,
        "tradespan.audit.before": _say(before),
        "tradespan.audit.after": _say(after),
        **{key: summarise(value) for key, value in details.items()},
    }
    written = write_line(
        declare_scope(_SCOPE),
        action,
        time=time.time_ns() if SIGNALS.spool is None else SIGNALS.spool.clock.wall(),
        severity=number_of(severity),
        severity_text=severity,
        attributes={key: value for key, value in attributes.items() if value != ""},
        event_name=_EVENT,
        lane=Lane.ERROR,
    )
    kept = AUDIT.append(
        category, action, actor=actor, reason=reason, before=before, after=after, details=details
    )
    return written and kept


def hash_of(body: bytes) -> str:
    """Of an entry's line without its hash, as a JSON object: SHA-256, in hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def clean(name: str, value: Any) -> Any:
    """A value in short, with its secrets hidden."""
    return None if value is None else clean_attribute(name, summarise(value), None)


def _say(value: Any) -> str:
    if value is None:
        return ""
    short = summarise(value)
    return short if isinstance(short, str) else msgspec.json.encode(short).decode()


@cache
def _user() -> str:
    """Asked once, in `configure()`: the answer may come over a network."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except (KeyError, OSError):  # a container's user may have no name
        return f"user {os.geteuid()}"


AUDIT: Final = AuditLog()
"""The process's own."""
