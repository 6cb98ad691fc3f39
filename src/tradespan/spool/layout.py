"""The numbers of FORMAT.md: header, frames, names. Standard library only."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from typing import NamedTuple

from tradespan.spool.checksums import CRC32, checksums

MAGIC = b"tspan\r\n\x1a"
FORMAT_VERSION = 2
"""The highest that is read; what a version 1 could read is written as one."""
HEADER_SIZE = 96
FRAME_HEADER_SIZE = 16
MAX_PAYLOAD = 1 << 20
FIRST_RECORD_KIND = 16
END_KIND = 3
END_SIZE = FRAME_HEADER_SIZE + 8

STATE_OFFSET = 12
OPEN, CLOSED = 0, 1

_HEADER = struct.Struct("<8sHHBBBB16sIIQQQQI16x")
_FRAME = struct.Struct("<IIQ")
_U32 = struct.Struct("<I")
_PREPARED = re.compile(r"\.([0-9a-f]{32}-[oe])\.(?:next|part)\.seg")
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
    """Bytes allocated for the file; 0 where it grows by what is written."""
    closed: bool = False
    checksum: int = CRC32
    """Of the frames: `spool.checksums`."""
    seed: int = 0
    """32 bits with which each of these checksums begins: of another writer, no frame is valid."""


def prepared_name(row: str) -> str:
    """A file of zeros to make a row's next segment of; readers pass over it, for its dot."""
    return f".{row}.next.seg"


def making_name(row: str) -> str:
    """The same while it is written."""
    return f".{row}.part.seg"


def prepared_row(name: str) -> str | None:
    """The row for which a file was prepared, or is; None if it is another file."""
    match = _PREPARED.fullmatch(name)
    return None if match is None else match[1]


def pack_header(header: SegmentHeader) -> bytes:
    """The header's bytes."""
    body = _HEADER.pack(
        MAGIC,
        1 if header.checksum == CRC32 else 2,
        HEADER_SIZE,
        0,  # the state is not part of the checksum
        header.lane,
        header.checksum,
        0,
        header.writer,
        header.ordinal,
        header.process_id,
        header.process_start,
        header.created,
        header.created_monotonic,
        header.capacity,
        header.seed,
    )
    state = bytes([CLOSED if header.closed else OPEN])
    packed = body + _U32.pack(zlib.crc32(body))
    return packed[:STATE_OFFSET] + state + packed[STATE_OFFSET + 1 :]


def unpack_header(data: bytes) -> SegmentHeader | str:
    """Read a header.

    Returns:
        The header, or a sentence that says why these bytes are not one.
    """
    if len(data) < HEADER_SIZE:
        return "the file is shorter than a header"
    if not data.startswith(MAGIC):
        return "the file does not begin like a segment"
    if not _is_whole(data):
        return "the header's checksum does not match"
    _, version, size, state, lane, checksum, _, *facts, seed = _HEADER.unpack_from(data)
    known = checksum == CRC32 if version == 1 else version == 2 and checksum in checksums
    if not known or size != HEADER_SIZE or lane >= len(_LANES):
        return "the header names a layout that this tradespan does not know"
    return SegmentHeader._make((facts[0], lane, *facts[1:], state == CLOSED, checksum, seed))


def _is_whole(data: bytes) -> bool:
    body = data[:STATE_OFFSET] + b"\0" + data[STATE_OFFSET + 1 : HEADER_SIZE - 4]
    return bool(_U32.unpack_from(data, HEADER_SIZE - 4)[0] == zlib.crc32(body))


def format_version(data: bytes) -> int:
    """The format version of a segment, by its first bytes; 0 if they are not a whole header."""
    if len(data) < HEADER_SIZE or not data.startswith(MAGIC) or not _is_whole(data):
        return 0
    return int.from_bytes(data[8:10], "little")


class PayloadTooLong(ValueError):
    """A record over 1 MiB; whoever made it cuts it and tries again."""


Pack = Callable[[int, int, int, bytes], bytes]

frame_packers: dict[int, Pack] = {}
"""Payload size → the `pack` of a whole frame of that size, padding included: header, payload and
padding in one C call. `make_packer` fills it."""


def make_packer(size: int) -> Pack:
    """The `pack` for a size that came for the first time; large ones, rare and many, are not kept.

    Raises:
        PayloadTooLong: Over 1 MiB.
        ValueError: Empty: a length of 0 says that nothing was written.
    """
    if size > MAX_PAYLOAD:
        raise PayloadTooLong(size)
    if size == 0:
        raise ValueError("a frame cannot be empty")
    pack = struct.Struct(f"<IIQ{size}s{-size & 7}x").pack
    if size < 4096:
        frame_packers[size] = pack
    return pack


def pack_frame(
    sequence: int, kind: int, lane: int, payload: bytes, checksum: int = CRC32, seed: int = 0
) -> bytes:
    """One whole frame, padded: what a single `mmap.write` appends.

    Raises:
        PayloadTooLong: Over 1 MiB.
    """
    word = sequence << 16 | kind << 8 | lane
    size = len(payload)
    pack = frame_packers.get(size) or make_packer(size)
    return pack(size, frame_checksum(payload, word, checksum, seed), word, payload)


def pack_end(offset: int, lane: int, checksum: int = CRC32, seed: int = 0) -> bytes:
    """The last frame of a closed segment: it names the offset at which it stands."""
    return pack_frame(0, END_KIND, lane, offset.to_bytes(8, "little"), checksum, seed)


def frame_checksum(
    payload: bytes | memoryview, word: int, checksum: int = CRC32, seed: int = 0
) -> int:
    """What a frame with this payload and word has to carry."""
    return checksums[checksum](payload, (word ^ word >> 32 ^ seed) & 0xFFFFFFFF)


def seed_of(writer: bytes) -> int:
    """The seed of a new writer's frames: its identity is random."""
    return int.from_bytes(writer[:4], "little")


def frame_size(payload_size: int) -> int:
    """Bytes that a frame takes in the file, padding included."""
    return FRAME_HEADER_SIZE + (payload_size + 7 & ~7)
