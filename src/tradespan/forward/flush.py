"""The agent forces segments onto the disk, as `spool.fsync` says (spool/FORMAT.md, rule 19)."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

from tradespan.core.guard import guarded
from tradespan.core.plainfiles import READ
from tradespan.spool.folder import RunFolder
from tradespan.spool.names import SegmentName

_EVERY = 1.0
"""Seconds between two looks. What was deleted meanwhile need not be written at all."""

Paths = list[Path]


def flush_file(path: Path) -> None:
    """Wait until the disk has a file or folder; nothing if it is gone.

    Raises:
        OSError: It cannot be written.
    """
    with suppress(FileNotFoundError):
        descriptor = os.open(path, READ)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class Flusher:
    """A chore of the agent (`forward.agent.Chore`). A thread of its own waits for the disk."""

    def __init__(
        self,
        mode: Literal["closed", "interval"],
        *,
        flush: Callable[[Path], None] = flush_file,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`closed`: a segment that is there still a second after another one followed it.

        `interval`: those, and every second the ones that are written now.
        """
        self._mode = mode
        self._flush = flush
        self._now = now
        self._looked = float("-inf")
        self._seen: set[Path] = set()
        """Segments of the last look that were finished then."""
        self._done: set[Path] = set()
        self._thread: threading.Thread | None = None

    def work(self, folders: list[RunFolder]) -> None:
        """Look once a second, unless the disk is behind."""
        now = self._now()
        if now - self._looked < _EVERY or (self._thread and self._thread.is_alive()):
            return
        self._looked = now
        due: dict[Path, Paths] = {}
        finished: set[Path] = set()
        for folder in folders:
            newest, old = _split(folder.segments())
            paths = {folder.path / str(name) for name in old}
            finished |= paths
            due[folder.path] = sorted(paths & self._seen - self._done)
            if self._mode == "interval":
                due[folder.path] += [folder.path / str(name) for name in newest]
        self._seen = finished
        self._done &= finished
        due = {path: files for path, files in due.items() if files}
        if due:
            self._thread = threading.Thread(
                target=self._write, args=(due,), name="tradespan-flush", daemon=True
            )
            self._thread.start()

    def wait(self, timeout: float) -> bool:
        """Whether all that was due has been written."""
        if self._thread is not None:
            self._thread.join(timeout)
        return self._thread is None or not self._thread.is_alive()

    def _write(self, due: dict[Path, Paths]) -> None:
        for folder, files in due.items():
            with guarded("fsync"):
                for path in files:
                    self._flush(path)
                # A file without a name is found by nobody.
                self._flush(folder)
                self._done.update(path for path in files if path in self._seen)


def _split(names: list[SegmentName]) -> Iterator[list[SegmentName]]:
    """The segment of each row that is written now, and those before it."""
    newest: dict[str, SegmentName] = {}
    for name in names:
        known = newest.get(name.row)
        if known is None or name.ordinal > known.ordinal:
            newest[name.row] = name
    yield list(newest.values())
    yield [name for name in names if newest[name.row] != name]
