"""The dead letters of a run, as they lie on disk (`forward/parking.py` writes them)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tradespan.forward.parking import PARKED
from tradespan.spool.folder import RunFolder, read_json
from tradespan.spool.names import SegmentName


@dataclass(frozen=True, slots=True)
class Letter:
    """What one sink refused at once: one segment for each part of the batch."""

    sink: str
    paths: list[Path]
    """The segments; the `.json` beside each says why it is here."""
    reason: str
    records: int
    refused: int
    """How many of the records were refused: which ones, the sink did not say if not all."""
    time: float
    """Unix seconds."""
    size: int
    """Bytes of the segments."""

    @property
    def files(self) -> list[Path]:
        """All files of it, the reasons last: a segment without one is no dead letter yet."""
        return [*self.paths, *(path.with_suffix(".json") for path in self.paths)]


def read_letters(folder: RunFolder, sink: str | None = None) -> list[Letter]:
    """A run's dead letters, oldest first; of one sink, or of all.

    A segment without a reason beside it is left out: whoever wrote it did not finish, and the
    records are where they came from.
    """
    groups: dict[tuple[str, str], list[tuple[Path, dict[str, Any]]]] = {}
    for path in _segments(folder):
        facts = read_json(path.with_suffix(".json"))
        if facts is not None and (sink is None or path.parent.name == sink):
            key = path.parent.name, str(facts.get("batch", path.name))
            groups.setdefault(key, []).append((path, facts))
    letters = [_to_letter(name, parts) for (name, _), parts in groups.items()]
    return sorted(letters, key=lambda letter: letter.paths[0].name)


def _segments(folder: RunFolder) -> Iterator[Path]:
    for path in sorted((folder.path / PARKED).glob("*/*.seg")):
        if SegmentName.parse(path.name) is not None and not path.is_symlink():
            yield path


def _to_letter(sink: str, parts: list[tuple[Path, dict[str, Any]]]) -> Letter:
    records = sum(_whole(facts.get("records")) for _, facts in parts)
    told = [_whole(facts.get("refused")) for _, facts in parts]
    return Letter(
        sink,
        [path for path, _ in parts],
        str(parts[0][1].get("reason", "")),
        records,
        # Each part names what was refused of the whole batch, if not all of it was.
        sum(told) if sum(told) == records else min(max(told), records),
        min((_time(facts) for _, facts in parts), default=0.0),
        sum(_size(path) for path, _ in parts),
    )


def _whole(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _time(facts: dict[str, Any]) -> float:
    value = facts.get("time")
    return float(value) if isinstance(value, int | float) else 0.0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
