"""The numbers of FORMAT.md: header, frames, names. Standard library only."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from typing import NamedTuple

MAGIC = b"tspan\r\n\x1a"
FORMAT_VERSION = 1
HEADER_SIZE = 96
FRAME_HEADER_SIZE = 16
MAX_PAYLOAD = 1 << 20
FIRST_RECORD_KIND = 16

STATE_OFFSET = 12
OPEN, CLOSED = 0, 1
CHECKSUM_CRC32 = 1

_HEADER = struct.Struct("<8sHHBBBB16sIIQQQQ20x")
_FRAME = struct.Struct("<IIQ")
_U32 = struct.Struct("<I")
_NAME = re.compile(r"(\d{19})-([0-9a-f]{32})-([oe])-(\d{6,10})\.seg")
_LANES = "oe"

unpack_frame_header = _FRAME.unpack_from


class SegmentHeader(NamedTuple):
    """The first 96 bytes of a segment."""

    writer: bytes
    lane: int
    ordinal: int
    process_id: int
    process_start: int
    """Clock ticks since boot; 0 where the system does not tell."""
    created: int
    """Nanoseconds, UTC."""
    created_monotonic: int
    capacity: int
    """Bytes allocated for the file."""
    closed: bool = False


class SegmentName(NamedTuple):
    """What a segment's file name tells; sorts by age."""

    created: int
    writer: str
    lane: int
    ordinal: int

    def __str__(self) -> str:
        return f"{self.created:019d}-{self.writer}-{_LANES[self.lane]}-{self.ordinal:06d}.seg"

    @classmethod
    def parse(cls, name: str) -> SegmentName | None:
        """The parts of a file name; None if it is not a segment's."""
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        created, writer, lane, ordinal = match.groups()
        return cls(int(created), writer, _LANES.index(lane), int(ordinal))


def pack_header(header: SegmentHeader) -> bytes:
    """The header's bytes, state open."""
    body = _HEADER.pack(
        MAGIC,
        FORMAT_VERSION,
        HEADER_SIZE,
        OPEN,
        header.lane,
        CHECKSUM_CRC32,
        0,
        header.writer,
        header.ordinal,
        header.process_id,
        header.process_start,
        header.created,
        header.created_monotonic,
        header.capacity,
    )
    return body + _U32.pack(zlib.crc32(body))


def unpack_header(data: bytes) -> SegmentHeader | str:
    """Read a header.

    Returns:
        The header, or a sentence that says why these bytes are not one.
    """
    if len(data) < HEADER_SIZE:
        return "the file is shorter than a header"
    fields = _HEADER.unpack_from(data)
    magic, _, size, state, lane, checksum = fields[:6]
    if magic != MAGIC:
        return "the file does not begin like a segment"
    body = data[:STATE_OFFSET] + b"\0" + data[STATE_OFFSET + 1 : HEADER_SIZE - 4]
    if _U32.unpack_from(data, HEADER_SIZE - 4)[0] != zlib.crc32(body):
        return "the header's checksum does not match"
    if size != HEADER_SIZE or checksum != CHECKSUM_CRC32 or lane > 1:
        return "the header names a layout that this tradespan does not know"
    return SegmentHeader(fields[7], lane, *fields[8:14], closed=state == CLOSED)


def format_version(data: bytes) -> int:
    """The format version that a segment's first bytes name; 0 if they are not a segment's."""
    return int.from_bytes(data[8:10], "little") if data.startswith(MAGIC) else 0


class PayloadTooLong(ValueError):
    """A record over 1 MiB; whoever made it cuts it and tries again."""


class _Packers(dict[int, Callable[[int, int, int, bytes], bytes]]):
    """Payload size → the `pack` of a whole frame of that size, padding included.

    Header, payload and padding in one C call: two concatenations cost 0.1 µs more. Compiled when a
    size first comes; large ones, which are rare and many, are not kept.
    """

    def __missing__(self, size: int) -> Callable[[int, int, int, bytes], bytes]:
        if size > MAX_PAYLOAD:
            raise PayloadTooLong(size)
        pack = struct.Struct(f"<IIQ{size}s{-size & 7}x").pack
        if size < 4096:
            self[size] = pack
        return pack


frame_packers = _Packers()


def pack_frame(sequence: int, kind: int, lane: int, payload: bytes) -> bytes:
    """One whole frame, padded: what a single `mmap.write` appends."""
    word = sequence << 16 | kind << 8 | lane
    size = len(payload)
    return frame_packers[size](size, zlib.crc32(payload, word ^ word >> 32), word, payload)


def frame_checksum(payload: bytes | memoryview, word: int) -> int:
    """The CRC-32 that a frame with this payload and word has to carry."""
    return zlib.crc32(payload, (word ^ word >> 32) & 0xFFFFFFFF)


def frame_size(payload_size: int) -> int:
    """Bytes that a frame takes in the file, padding included."""
    return FRAME_HEADER_SIZE + (payload_size + 7 & ~7)
