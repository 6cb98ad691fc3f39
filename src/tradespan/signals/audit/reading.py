"""The audit log read back, and whether it is whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
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
            with open(open_plain(path), "rb") as file:
                for number, line in enumerate(file, 1):
                    entry = self._read(path, number, line.rstrip(b"\n"))
                    if entry is not None and entry["time"] >= self._since:
                        yield entry

    def _read(self, path: Path, number: int, line: bytes) -> dict[str, Any] | None:
        if not line:
            return None
        found = _HASH.search(line)
        try:
            entry = msgspec.json.decode(line) if found else None
            writer, sequence = entry["writer"], entry["sequence"]
            previous, _ = entry["previous"], entry["time"] + entry["action"]
        except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
            self.damages.append(Damage(path.name, number, "it is no entry, or a part of one"))
            return None
        assert found is not None
        digest = hash_of(line[: found.start()] + b"}")
        if digest.encode() != found[1]:
            self.damages.append(Damage(path.name, number, "it was changed after it was written"))
        before = self._chains.get(writer)
        self._chains[writer] = _Chain(sequence, found[1].decode())
        # What was written on earlier days may be gone: its time was over.
        is_first_seen = before is None and path == self._files[0]
        known = before or _Chain(0, "")
        if not is_first_seen and (sequence, previous) != (known.sequence + 1, known.digest):
            missing = f"of writer {writer[:8]}, entries between {known.sequence} and {sequence}"
            self.damages.append(Damage(path.name, number, f"{missing} are missing"))
        return dict(entry)
