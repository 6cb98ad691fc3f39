"""FORMAT.md in numbers: header, frames and names."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.spool.builders import WRITER
from tradespan.spool.checksums import CRC32C
from tradespan.spool.layout import (
    FORMAT_VERSION,
    HEADER_SIZE,
    MAGIC,
    MAX_PAYLOAD,
    STATE_OFFSET,
    PayloadTooLong,
    SegmentHeader,
    format_version,
    frame_checksum,
    frame_packers,
    frame_size,
    make_packer,
    pack_frame,
    pack_header,
    unpack_frame_header,
    unpack_header,
)
from tradespan.spool.names import SegmentName

HEADER = SegmentHeader(
    writer=WRITER,
    lane=1,
    ordinal=3,
    process_id=4711,
    process_start=123_456,
    created=1_772_366_400_000_000_001,
    created_monotonic=5_000_000_000,
    capacity=256 * 1024,
    seed=0x89ABCDEF,
)


@pytest.mark.parametrize("closed", [False, True])
def test_header_comes_back_as_it_was_packed(closed: bool) -> None:
    header = HEADER._replace(closed=closed)
    assert len(pack_header(header)) == HEADER_SIZE == 96
    assert unpack_header(pack_header(header)) == header


def test_header_has_the_documented_offsets() -> None:
    data = pack_header(HEADER)
    assert data[:8] == MAGIC == b"tspan\r\n\x1a"
    assert struct.unpack_from("<HH", data, 8) == (1, HEADER_SIZE)
    assert list(data[12:16]) == [0, 1, 1, 0]
    assert data[16:32] == WRITER
    assert struct.unpack_from("<IIQQQQI", data, 32) == (
        3,
        4711,
        123_456,
        1_772_366_400_000_000_001,
        5_000_000_000,
        256 * 1024,
        0x89ABCDEF,
    )
    assert data[76:92] == bytes(16)
    assert struct.unpack_from("<I", data, 92)[0] == zlib.crc32(data[:92])


def test_every_changed_byte_of_a_header_is_noticed_but_the_state() -> None:
    data = pack_header(HEADER)
    for place in range(HEADER_SIZE):
        changed = bytearray(data)
        changed[place] ^= 0x41
        if place == STATE_OFFSET:
            assert isinstance(unpack_header(bytes(changed)), SegmentHeader)
        else:
            assert isinstance(unpack_header(bytes(changed)), str), place


@given(st.binary(max_size=200))
def test_no_bytes_make_reading_a_header_fail(data: bytes) -> None:
    assert isinstance(unpack_header(data), str)
    assert format_version(data) == 0
    assert isinstance(unpack_header(MAGIC + data), str)


def test_version_is_believed_only_of_a_whole_header() -> None:
    later = bytearray(pack_header(HEADER))
    later[8] = FORMAT_VERSION + 1
    assert format_version(bytes(later)) == 0
    later[92:] = struct.pack("<I", zlib.crc32(later[:92]))
    assert format_version(bytes(later)) == FORMAT_VERSION + 1


def test_other_checksum_is_of_version_2() -> None:
    header = HEADER._replace(checksum=CRC32C)
    data = pack_header(header)
    assert (format_version(data), data[14]) == (2, 2)
    assert unpack_header(data) == header
    # In version 1 there was none: an earlier tradespan would take every frame for damage.
    first = bytearray(data)
    first[8] = 1
    first[92:] = struct.pack("<I", zlib.crc32(first[:92]))
    assert isinstance(unpack_header(bytes(first)), str)


@given(
    st.integers(1, (1 << 48) - 1), st.integers(0, 255), st.sampled_from([0, 1]),
    st.binary(min_size=1, max_size=300),
)  # fmt: skip
def test_frame_is_header_payload_and_zeros_to_a_multiple_of_8(
    sequence: int, kind: int, lane: int, payload: bytes
) -> None:
    frame = pack_frame(sequence, kind, lane, payload)
    length, checksum, word = unpack_frame_header(frame)
    assert len(frame) == frame_size(len(payload))
    assert len(frame) % 8 == 0
    assert (length, word) == (len(payload), sequence << 16 | kind << 8 | lane)
    assert frame[16 : 16 + length] == payload
    assert not any(frame[16 + length :])
    assert checksum == frame_checksum(payload, word)
    assert checksum == zlib.crc32(payload, (word ^ word >> 32) & 0xFFFFFFFF)


@given(st.integers(0, 63), st.integers(1, 1 << 47))
def test_every_bit_of_the_word_is_under_the_checksum(bit: int, sequence: int) -> None:
    frame = pack_frame(sequence, 16, 0, b"payload")
    word = unpack_frame_header(frame)[2]
    assert frame_checksum(b"payload", word) != frame_checksum(b"payload", word ^ 1 << bit)


def test_frame_of_the_longest_payload_is_made_and_a_longer_one_refused() -> None:
    assert len(pack_frame(1, 16, 0, bytes(MAX_PAYLOAD))) == frame_size(MAX_PAYLOAD)
    with pytest.raises(PayloadTooLong):
        pack_frame(1, 16, 0, bytes(MAX_PAYLOAD + 1))


def test_frame_without_payload_is_refused_because_it_would_hide_all_that_follow() -> None:
    with pytest.raises(ValueError, match="empty"):
        pack_frame(1, 16, 0, b"")


def test_packers_of_rare_large_sizes_are_not_kept() -> None:
    make_packer(100_001)
    assert 100_001 not in frame_packers
    make_packer(101)
    assert 101 in frame_packers


@given(
    st.integers(0, 10**19 - 1), st.binary(min_size=16, max_size=16),
    st.sampled_from([0, 1]), st.integers(0, 10**10 - 1),
)  # fmt: skip
def test_name_comes_back_as_it_was_written(
    created: int, writer: bytes, lane: int, ordinal: int
) -> None:
    name = SegmentName(created, writer.hex(), lane, ordinal)
    assert SegmentName.parse(str(name)) == name
    assert name.row == f"{writer.hex()}-{'oe'[lane]}"


def test_names_sort_by_age() -> None:
    names = [SegmentName(created, "a" * 32, 0, 1) for created in (9, 10**18, 99)]
    assert sorted(map(str, names)) == [str(name) for name in sorted(names)]


@pytest.mark.parametrize(
    "name",
    [
        "run.json",
        f".{SegmentName(1, 'a' * 32, 0, 1)}",
        f"{SegmentName(1, 'a' * 32, 0, 1)}\n",
        f"{SegmentName(1, 'a' * 32, 0, 1)}.damaged",
        str(SegmentName(1, "A" * 32, 0, 1)),
        str(SegmentName(1, "a" * 32, 0, 1)).replace("000001.seg", "0000001.seg"),
        str(SegmentName(1, "a" * 32, 0, 1)).replace("0", "\N{ARABIC-INDIC DIGIT ZERO}"),
    ],
)
def test_other_names_are_no_segments(name: str) -> None:
    assert SegmentName.parse(name) is None
