"""What a spool has to be, said without its code: which records exist, where, and who has them.

The model reads files with a parser of its own, and knows nothing of writers and readers.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tradespan.core.delivery import Batch
from tradespan.spool.checksums import CRC32C, crc32c
from tradespan.spool.folder import DAMAGED

_CHECKSUM_OFFSET = 14
_HEADER_SIZE = 96
_STATE = 12
_SEED = 72
_FRAME = struct.Struct("<IIQ")
_RECORD_KIND = 16
_SHORT = 200
"""Numbers below it are one byte; above, their first byte is this or more, and they are two."""


class Key(NamedTuple):
    """The identity of a record."""

    writer: str
    lane: int
    sequence: int


class Frame(NamedTuple):
    """A frame as it stands in a file."""

    offset: int
    word: int
    content: bytes
    """Without the padding: it has to be there, and nobody looks what it is."""

    @property
    def end(self) -> int:
        return self.offset + len(self.content) + 7 & ~7


def make_payload(number: int, size: int) -> bytes:
    """A payload that tells its number in its first one or two bytes; `number` from 1."""
    short = number < _SHORT
    head = bytes([number]) if short else struct.pack(">H", number - _SHORT + (_SHORT << 8))
    return head.ljust(size, b".")


def walk_frames(data: bytes, offset: int) -> Iterator[Frame]:
    """Whole frames of a segment from an offset on, up to the first that is none."""
    while offset + _FRAME.size <= len(data):
        length, checksum, word = _FRAME.unpack_from(data, offset)
        end = offset + _FRAME.size + length
        payload = data[offset + _FRAME.size : end]
        if length == 0 or end > len(data):
            return
        check = crc32c if data[_CHECKSUM_OFFSET] == CRC32C else zlib.crc32
        seed = int.from_bytes(data[_SEED : _SEED + 4], "little")
        if check(payload, (word ^ word >> 32 ^ seed) & 0xFFFFFFFF) != checksum:
            return
        yield Frame(offset, word, data[offset:end])
        offset = end + 7 & ~7


@dataclass
class SegmentModel:
    """One file, as it was when it was written."""

    path: Path
    writer: str
    lane: int
    scanned: int = _HEADER_SIZE
    head: list[bytes] = field(default_factory=list)
    """What a reader needs before any record: the header around its state byte, the resource."""
    frames: dict[Key, Frame] = field(default_factory=dict)

    def scan(self) -> list[tuple[Key, bytes]]:
        """Frames written since the last look; returns the records among them."""
        data = self.path.read_bytes()
        found = []
        for frame in walk_frames(data, self.scanned):
            if not self.head:
                before = data[:_STATE], data[_STATE + 1 : _HEADER_SIZE]
                self.head = [*before, frame.content]
            if frame.word >> 8 & 0xFF >= _RECORD_KIND:
                key = Key(self.writer, self.lane, frame.word >> 16)
                self.frames[key] = frame
                found.append((key, frame.content[_FRAME.size :]))
            self.scanned = frame.end
        return found

    def intact(self) -> set[Key]:
        """Records of which no byte has changed, in a file that still says whose they are."""
        data = self._content()
        resource = self.head[2] if self.head else b"-"
        head = [
            data[:_STATE],
            data[_STATE + 1 : _HEADER_SIZE],
            data[_HEADER_SIZE : _HEADER_SIZE + len(resource)],
        ]
        if head != self.head:
            return set()
        return {
            key
            for key, frame in self.frames.items()
            if data.startswith(frame.content, frame.offset) and frame.end <= len(data)
        }

    @property
    def closed(self) -> bool:
        return self._content()[_STATE : _STATE + 1] == b"\1"

    def _content(self) -> bytes:
        """Where a reader has set it aside, too: it may have been wrong to."""
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return self.path.with_name(self.path.name + DAMAGED).read_bytes()


@dataclass
class WriterModel:
    """One process generation."""

    identity: str
    acknowledged: dict[int, dict[int, bytes]] = field(default_factory=lambda: {0: {}, 1: {}})
    """Lane → sequence number → payload, of records whose call returned."""
    page_whole: bool = True
    """Whether the counter page on disk says what its writer counted."""
    folder_deleted: bool = False
    """While it wrote: what it appends may go to a file without a name."""
    hidden: bool = False
    """Whether something may be gone of which nothing tells: FORMAT.md, rule 4."""
    recovered: bool = False
    """Whether records of it have waited in memory and were written."""
    kept: list[tuple[int, int]] = field(default_factory=lambda: [(0, 0), (0, 0)])
    """Lane → (in memory, dropped) as the page says, at the last look."""


class SpoolModel:
    """All writers of one folder, and one reader."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.writers: dict[str, WriterModel] = {}
        self.segments: dict[str, SegmentModel] = {}
        """Name → what stands there; those that were taken away on purpose are not among them."""
        self.numbers = 0
        self.written: set[Key] = set()
        """Records that were in a file with a name once."""
        self.read: set[Key] = set()
        """What the reader's cursor has passed and its sink has accepted."""
        self.by_payload: dict[bytes, Key] = {}
        self.settled: set[str] = set()
        """Segments that nobody writes any more, and that may have been damaged."""

    def next_payload(self, size: int) -> bytes:
        self.numbers += 1
        return make_payload(self.numbers, size)

    def acknowledge(self, writer: str, lane: int, payload: bytes) -> Key:
        """A call has returned: numbers are drawn one by one."""
        row = self.writers[writer].acknowledged[lane]
        key = Key(writer, lane, len(row) + 1)
        row[key.sequence] = payload
        self.by_payload[payload] = key
        return key

    def scan(self) -> None:
        """Learn what was written. Nothing may be there that nobody recorded."""
        for path in self.folder.glob("[0-9]*.seg"):
            if path.name in self.settled:
                continue
            model = self.segments.get(path.name)
            if model is None:
                _, writer, lane, _ = path.stem.split("-")
                model = self.segments[path.name] = SegmentModel(path, writer, "oe".index(lane))
            for key, payload in model.scan():
                assert self.recorded(key) == payload, f"{key} was written and never recorded"
                assert key not in self.written, f"{key} was written twice"
                self.written.add(key)

    def recorded(self, key: Key) -> bytes | None:
        writer = self.writers.get(key.writer)
        return None if writer is None else writer.acknowledged[key.lane].get(key.sequence)

    def keys_of(self, batch: Batch[bytes]) -> list[Key]:
        """Whose records these are; fails for one that nobody recorded, and for one read twice."""
        found = []
        for part in batch.slices:
            for payload in part.records:
                key = self.by_payload.get(payload)
                assert key is not None, "this was never recorded"
                assert key[:2] == (part.origin.writer, part.origin.lane)
                found.append(key)
        assert len(found) == len(set(found))
        return found

    def page(self, writer: str) -> bytes:
        """A writer's counter page; empty if there is none."""
        path = self.folder / f"{writer}.page"
        return path.read_bytes() if path.exists() else b""

    def on_disk(self) -> set[Key]:
        """Records that any reader has to find, whatever happened to others."""
        return {key for model in self.segments.values() for key in model.intact()}

    def open_segment(self, writer: str, lane: int) -> SegmentModel | None:
        """The one that a writer appends to now."""
        found = [
            model
            for model in self.segments.values()
            if (model.writer, model.lane) == (writer, lane)
            and model.path.exists()
            and not model.closed
        ]
        return max(found, key=lambda model: model.path.stem.rpartition("-")[2], default=None)

    def unwritten(self, living: set[str]) -> list[Path]:
        """Segments to which nobody will write: closed, or of a dead writer."""
        return sorted(
            model.path
            for model in self.segments.values()
            if model.path.exists() and (model.writer not in living or model.closed)
        )

    def remove(self, names: set[str]) -> None:
        for name in names:
            self.segments.pop(name, None)

    def lost(self, writer: WriterModel, known: set[Key]) -> int:
        """How many acknowledged records of a writer are nowhere."""
        lost = 0
        for lane, row in writer.acknowledged.items():
            found = sum(Key(writer.identity, lane, number) in known for number in row)
            lost += len(row) - found - sum(writer.kept[lane])
        return lost
