"""What became of dead letters after their sink had refused them: sent again by hand, or deleted.

A sink's cursor says how many records it parked, and the agent alone writes cursors. What somebody
does with the dead letters later stands in a file of its own, `amends.json`, and the books add both.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tradespan.core.delivery import Cursor
from tradespan.forward.parking import PARKED
from tradespan.spool.folder import AMENDS, RunFolder, read_json, replace_json

PURGED = "purged"
"""Reason of records that somebody deleted with their dead letter."""


class Busy(Exception):
    """Somebody else works on the dead letters of this run."""


class Amend(NamedTuple):
    """Records that left one sink's dead letter."""

    resent: int = 0
    purged: int = 0

    def settle(self, cursor: Cursor) -> tuple[int, int, int]:
        """(accepted, parked, purged) of a sink. What was never parked cannot have left."""
        resent = min(self.resent, cursor.parked)
        purged = min(self.purged, cursor.parked - resent)
        return cursor.accepted + resent, cursor.parked - resent - purged, purged


def read_amends(folder: RunFolder) -> dict[str, Amend]:
    """Sink → what left its dead letter; empty if nothing ever did."""
    sinks = (read_json(folder.path / AMENDS) or {}).get("sinks")
    if not isinstance(sinks, dict):
        return {}
    return {
        str(name): Amend(_count(told, "resent"), _count(told, "purged"))
        for name, told in sinks.items()
        if isinstance(told, dict)
    }


def _count(told: Mapping[str, object], key: str) -> int:
    value = told.get(key)
    return value if isinstance(value, int) and value > 0 else 0


class Amender:
    """Writes one run's amends. Who has one holds the lock of the run's dead letters."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        # Counted, and then not deleted because we were killed: not again.
        for path in self._settled():
            delete_files([path])

    def settle(self, sink: str, files: list[Path], *, resent: int = 0, purged: int = 0) -> None:
        """Count records as gone, then delete their files (none: there is something left in them).

        Raises:
            OSError: The folder cannot be written: nothing is counted then, and nothing deleted.
        """
        amends = read_amends(self._folder)
        before = amends.get(sink, Amend())
        amends[sink] = Amend(before.resent + resent, before.purged + purged)
        names = [str(path.relative_to(self._folder.path)) for path in files]
        content = {
            "sinks": {name: amend._asdict() for name, amend in amends.items()},
            "settled": names,
        }
        replace_json(self._folder.path / AMENDS, content)
        delete_files(files)

    def _settled(self) -> list[Path]:
        """Files that a killed process counted, and could not delete any more."""
        told = (read_json(self._folder.path / AMENDS) or {}).get("settled")
        within = self._folder.path / PARKED
        names = [name for name in told if isinstance(name, str)] if isinstance(told, list) else []
        paths = [self._folder.path / name for name in names]
        # A name out of a file must not lead to somewhere else.
        return [path for path in paths if path.parent.parent == within and ".." not in path.parts]


def delete_files(paths: list[Path]) -> None:
    """Delete files, and their folder and the one above once these are empty."""
    for path in paths:
        path.unlink(missing_ok=True)
    for folder in {path.parent for path in paths}:
        try:
            folder.rmdir()
            folder.parent.rmdir()
        except OSError:
            pass


@contextmanager
def amending(folder: RunFolder) -> Iterator[Amender]:
    """Hold the lock of a run's dead letters: two that send again at once would double them.

    Raises:
        Busy: Somebody else has it.
        OSError: There are no dead letters.
    """
    descriptor = os.open(folder.path / PARKED, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy from error
        yield Amender(folder)
    finally:
        os.close(descriptor)
