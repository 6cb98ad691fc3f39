"""The audit log read back, and whether it is whole."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from tradespan.core.plainfiles import open_plain
from tradespan.signals.audit.log import FILE, FOLDER, hash_of

_HASH: Final = re.compile(rb',"hash":"([0-9a-f]{64})"}\Z')


class Damage(NamedTuple):
    """A place where the log is not what was written."""

    file: str
    line: int
    """From 1."""
    what: str


class _Entry(msgspec.Struct):
    """What each line has, and is looked at here."""

    time: str
    action: str
    writer: str
    sequence: int
    previous: str


class _Chain(NamedTuple):
    """The latest entry of one writer."""

    sequence: int
    digest: str


class AuditReader:
    """Reads the entries of a root, day by day, and checks each writer's numbers and hashes."""

    def __init__(self, root: Path, since: str = "") -> None:
        """`since`: a day or moment in ISO 8601, UTC; files of earlier days are not looked at."""
        self.damages: list[Damage] = []
        """What was found on the way: complete when `entries` has ended."""
        self._since = since
        folder = root / FOLDER
        names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        days = [name for name in names if FILE.fullmatch(name) and name[:10] >= since[:10]]
        self._files = [folder / name for name in days]
        self._chains: dict[str, _Chain] = {}

    def entries(self) -> Iterator[dict[str, Any]]:
        """The entries, as they stand in the files."""
        for path in self._files:
            with os.fdopen(open_plain(path), "rb") as file:
                for number, line in enumerate(file, 1):
                    entry = self._read(path, number, line.rstrip(b"\n"))
                    if entry is not None and entry["time"] >= self._since:
                        yield entry

    def _read(self, path: Path, number: int, line: bytes) -> dict[str, Any] | None:
        if not line:
            return None
        found = _HASH.search(line)
        entry = None
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            entry = msgspec.json.decode(line, type=_Entry)
        if found is None or entry is None:
            self.damages.append(Damage(path.name, number, "it is no entry, or a part of one"))
            return None
        digest = hash_of(line[: found.start()] + b"}")
        if digest.encode() != found[1]:
            self.damages.append(Damage(path.name, number, "it was changed after it was written"))
        self._follow(path, number, entry, found[1].decode())
        return dict(msgspec.json.decode(line))

    def _follow(self, path: Path, number: int, entry: _Entry, digest: str) -> None:
        before = self._chains.get(entry.writer)
        self._chains[entry.writer] = _Chain(entry.sequence, digest)
        # What was written on earlier days may be gone: its time was over.
        is_first_seen = before is None and path == self._files[0]
        known = before or _Chain(0, "")
        follows = (entry.sequence, entry.previous) == (known.sequence + 1, known.digest)
        if not is_first_seen and not follows:
            what = (
                f"entries of writer {entry.writer[:8]} are missing between number"
                f" {known.sequence} and {entry.sequence}"
            )
            self.damages.append(Damage(path.name, number, what))
