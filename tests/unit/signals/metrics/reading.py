"""Blocks of kinds 3 and 4 as FORMAT.md describes them, read without the product's code."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec


@dataclass(frozen=True)
class Exemplar:
    sequence: int
    value: float
    time: int
    span_id: int
    trace_id: bytes


@dataclass(frozen=True)
class Read:
    """One series in one file."""

    kind: int
    declaration: dict[str, Any]
    cells: bytes

    @property
    def name(self) -> str:
        return str(self.declaration["name"])

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.declaration["labels"])

    @property
    def value(self) -> float:
        assert self.kind == 3
        return float(struct.unpack_from("<d", self.cells)[0])

    @property
    def set_at(self) -> int:
        return int(struct.unpack_from("<Q", self.cells, 8)[0])

    @property
    def buckets(self) -> tuple[int, ...]:
        assert self.kind == 4
        return struct.unpack_from(f"<{len(self.declaration['bounds']) + 1}Q", self.cells)

    @property
    def parts(self) -> tuple[float, float, float]:
        """Sum, least, greatest."""
        return struct.unpack_from("<ddd", self.cells, 8 * len(self.buckets))

    @property
    def exemplar(self) -> Exemplar:
        return Exemplar(*struct.unpack("<QdQQ16s", self.cells[-48:]))


def read_blocks(path: Path) -> list[Read]:
    """All blocks of a file of a metric page."""
    data = path.read_bytes()
    (end,) = struct.unpack_from("<Q", data, 64)
    found, place = [], 128
    while place < end:
        size, kind, _, cells, length = struct.unpack_from("<IHHII", data, place)
        payload = data[place + 24 : place + 24 + length]
        memory = data[place + size - 8 * cells : place + size]
        found.append(Read(kind, msgspec.msgpack.decode(payload), memory))
        place += size
    return found


def read_run(folder: Path) -> list[Read]:
    """The series of all pages of a folder."""
    return [each for path in sorted(folder.glob("*.metrics*")) for each in read_blocks(path)]


def one(folder: Path, name: str, **labels: str) -> Read:
    """The only series of this name and these labels; `_` stands for `.`."""
    wanted = {key.replace("_", "."): text for key, text in labels.items()}
    found = [each for each in read_run(folder) if each.name == name and each.labels == wanted]
    assert len(found) == 1, [(each.name, each.labels) for each in read_run(folder)]
    return found[0]
