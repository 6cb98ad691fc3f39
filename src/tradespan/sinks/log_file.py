"""Writes log records and events as lines of JSON: each once, whatever ends the agent when.

Before a batch is written, a journal beside the file says where it begins, how long it is, and the
cursor that stands once it is there. So a successor knows: if all of it is in the file, it goes on
behind it; if a part of it is, that part is cut off, and written anew. The cursor itself is kept in
the run's folder as for other sinks, before the next batch begins.

    .bot.jsonl.journal    the batch written last
    .bot.jsonl.lock       held by who writes: agents of several roots may name the same file

A full disk means: later again. Nobody waits for it but this file.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tradespan.core.delivery import Accepted, Batch, Cursor, CursorKeeper, Outcome, Retry
from tradespan.core.errors import SpoolUnavailable
from tradespan.core.forks import after_fork_in_child
from tradespan.core.records import LogRecord
from tradespan.sinks.rotation import GrowingFile, Rotation
from tradespan.spool.folder import RootLock, read_json, replace_json
from tradespan.wire.log_lines import encode_line, line_fields


@dataclass(frozen=True, slots=True)
class Journal:
    """The batch that was written last, or was about to be."""

    folder: str
    inode: int
    start: int
    length: int
    cursor: Mapping[str, Any]
    """The folder's, once the batch is there."""

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "folder": self.folder,
            "inode": self.inode,
            "start": self.start,
            "length": self.length,
            "cursor": self.cursor,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Journal | None:
        """From `to_json`; None if it is something else."""
        try:
            inode, start, length = (int(content[key]) for key in ("inode", "start", "length"))
            return cls(str(content["folder"]), inode, start, length, dict(content["cursor"]))
        except (KeyError, TypeError, ValueError):
            return None


class LogFileSink:
    """Sink of one file, and keeper of its cursors. For one courier."""

    def __init__(
        self, name: str, path: Path, cursors: CursorKeeper, rotation: Rotation | None = None
    ) -> None:
        self.name = name
        self._path = path
        self._file = GrowingFile(path, rotation or Rotation())
        self._cursors = cursors
        self._lock = RootLock(path.parent, f".{path.name}.lock")
        self._journal_path = path.with_name(f".{path.name}.journal")
        self._journal: Journal | None = None
        self._written = 0
        """Bytes of the journal's batch that are in the file."""
        self._working = threading.Lock()
        """The agent's main thread may ask for a cursor while the courier's writes."""
        after_fork_in_child(self._abandon)

    def deliver(self, batch: Batch[LogRecord]) -> Outcome:
        """Append a batch's lines, in the order of their times."""
        try:
            with self._working:
                if not self._is_ours():
                    return Retry(f"{self._path} is written by another process")
                self._file.ready()
                self._write(batch, render_batch(batch))
        except (OSError, SpoolUnavailable) as error:
            return Retry(f"{self._path} cannot be written: {error}")
        return Accepted()

    def _is_ours(self) -> bool:
        """Whether we hold the file's lock; what an earlier process left is settled first."""
        if self._lock.held:
            return True
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._lock.try_acquire():
            return False
        self._journal = Journal.from_json(read_json(self._journal_path) or {})
        self._settle()
        return True

    def _settle(self) -> None:
        """Find out how far the journal's batch has come; cut off a part of it."""
        journal, self._written = self._journal, 0
        if journal is None:
            return
        size = self._size_of(journal.inode)
        if size is not None and size >= journal.start + journal.length:
            self._written = journal.length
        elif size is not None and size > journal.start:
            self._file.ready()
            if self._file.inode == journal.inode:
                self._file.cut(journal.start)

    def _size_of(self, inode: int) -> int | None:
        """The size of the file that the journal speaks of, whatever its name is by now."""
        with os.scandir(self._path.parent) as entries:
            for entry in entries:
                if entry.name.startswith(self._path.stem) and entry.inode() == inode:
                    return entry.stat(follow_symlinks=False).st_size
        return None

    def _write(self, batch: Batch[LogRecord], data: bytes) -> None:
        journal = self._journal
        ahead = None if batch.ahead is None else batch.ahead.to_json()
        begun = (
            journal is not None
            and 0 < self._written < journal.length == len(data)
            and (journal.folder, journal.cursor) == (batch.folder, ahead)
            and self._file.inode == journal.inode
        )
        if not begun:
            self._begin(batch.folder, ahead or {}, len(data))
        rest = memoryview(data)[self._written :]
        self._written += self._file.append(rest)
        if self._written < len(data):
            raise OSError(f"the disk took {self._written:,} of {len(data):,} bytes")

    def _begin(self, folder: str, ahead: Mapping[str, Any], length: int) -> None:
        """Settle the batch before, rotate if it is time, and say what comes."""
        self._save_journal()
        if self._file.is_due(length):
            self._file.rotate()
        journal = Journal(folder, self._file.inode, self._file.size, length, ahead)
        replace_json(self._journal_path, journal.to_json())
        self._journal, self._written = journal, 0

    def _save_journal(self) -> None:
        """See to it that nobody needs the journal: the cursor is kept, or nothing was written."""
        journal = self._journal
        if journal is None:
            return
        if self._written < journal.length:
            if self._written and self._file.inode == journal.inode:
                self._file.cut(journal.start)
        elif journal.cursor and Path(journal.folder).is_dir():
            self._cursors.save(journal.folder, self._newer(journal))
        self._journal = None

    def _newer(self, journal: Journal) -> Cursor:
        """Of the journal's cursor and the one that is kept, the one that has taken more.

        The kept one moves on, too, where records of other kinds were passed over.
        """
        kept, written = self._cursors.load(journal.folder), Cursor.from_json(journal.cursor)
        behind = kept.accepted + kept.parked < written.accepted + written.parked
        return written if behind else kept

    def load(self, folder: str) -> Cursor:
        """The cursor of one run's folder, behind what is in the file."""
        with self._working:
            if self._path.parent.is_dir():
                self._is_ours()
            journal = self._journal
            if journal is None or journal.folder != folder or self._written < journal.length:
                return self._cursors.load(folder)
            return self._newer(journal)

    def save(self, folder: str, cursor: Cursor) -> None:
        """Replace the cursor.

        Raises:
            OSError: The folder cannot be written.
        """
        self._cursors.save(folder, cursor)

    def close(self) -> None:
        """Close the file, and let the next one have it."""
        self._file.end()
        self._lock.release()

    def _abandon(self) -> None:
        self._file.abandon()
        self._lock.abandon()


def render_batch(batch: Batch[LogRecord]) -> bytes:
    """The batch's lines, by time: its records come lane by lane."""
    lines: list[tuple[int, bytes]] = []
    for part in batch.slices:
        resource = part.origin.resource.attributes
        for record in part.records:
            scope = part.sites[record.site].scope_name if record.site else ""
            line = encode_line(line_fields(record, scope, resource))
            lines.append((record.observed_time or record.time, line))
    lines.sort(key=lambda line: line[0])
    return b"".join(line for _, line in lines)
