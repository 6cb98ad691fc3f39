"""Both checksums, in both ways; FORMAT.md's rule 18."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.spool.builders import SPAN, make_writer, overwrite, payloads, segment_paths
from tradespan.core import native
from tradespan.spool.checksums import CRC32, CRC32C, best, checksums, crc32c
from tradespan.spool.lane import make_lane
from tradespan.spool.layout import (
    HEADER_SIZE,
    SegmentHeader,
    pack_end,
    pack_frame,
    unpack_header,
)
from tradespan.spool.reader import SegmentReader

STREAMS = 3 * 256


def by_definition(data: bytes, seed: int = 0) -> int:
    """CRC-32C bit by bit (RFC 3720, appendix B.4)."""
    crc = seed ^ 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82F63B78 if crc & 1 else crc >> 1
    return crc ^ 0xFFFFFFFF


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    ("data", "sum_"),
    [
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (b"", 0),
    ],
)
def test_known_answers(data: bytes, sum_: int) -> None:
    # The 32 bytes are RFC 3720's.
    assert crc32c(data) == sum_


@pytest.mark.usefixtures("way")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.binary(max_size=80), st.integers(0, 2 * STREAMS + 20), st.integers(0, 2**32 - 1))
def test_sum_is_the_definitions(data: bytes, zeros: int, seed: int) -> None:
    whole = data + bytes(zeros) + data
    assert crc32c(whole, seed) == by_definition(whole, seed)
    assert crc32c(memoryview(whole), seed) == by_definition(whole, seed)


@pytest.mark.usefixtures("way")
@given(st.binary(max_size=900), st.integers(0, 900), st.integers(0, 2**32 - 1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_sum_goes_on_where_it_stopped(data: bytes, cut: int, seed: int) -> None:
    assert crc32c(data, seed) == crc32c(data[cut:], crc32c(data[:cut], seed))


def test_writer_names_what_it_took(tmp_path: Path, way: str) -> None:
    writer = make_writer(tmp_path)
    writer.ordinary.append(SPAN, 1, b"x" * 100)
    writer.close()
    (path,) = segment_paths(tmp_path)
    header = unpack_header(path.read_bytes()[:HEADER_SIZE])
    assert isinstance(header, SegmentHeader)
    assert header.checksum == best()
    assert best() == CRC32 or way == "native"


@pytest.mark.parametrize("checksum", list(checksums))
def test_segments_are_read_with_and_without_the_c_module(
    tmp_path: Path, checksum: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if checksum == CRC32C and best() == CRC32:
        pytest.skip(f"{native.describe()}, or no instruction")
    monkeypatch.setattr("tradespan.spool.writer.best", lambda: checksum)
    writer = make_writer(tmp_path)
    wanted = [b"%d" % number * 30 for number in range(20)]
    for payload in wanted:
        writer.ordinary.append(SPAN, 1, payload)
    writer.close()
    for _ in range(2):
        assert payloads(tmp_path) == wanted
        monkeypatch.setattr(native, "module", None)


def test_changed_byte_is_seen_by_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = make_writer(tmp_path)
    for number in range(3):
        writer.ordinary.append(SPAN, 0, b"%d" % number * 40)
    writer.close()
    (path,) = segment_paths(tmp_path)
    place = path.read_bytes().index(b"1" * 40)
    overwrite(path, place + 5, b"!")
    for _ in range(2):
        reader = SegmentReader(path)
        assert reader.header.checksum == best() or native.module is None
        reader.close()
        assert payloads(tmp_path) == [b"0" * 40, b"2" * 40]
        monkeypatch.setattr(native, "module", None)


def test_end_frame_has_the_segments_checksum() -> None:
    assert pack_end(96, 0, CRC32) != pack_end(96, 0, CRC32C)


@pytest.mark.usefixtures("way")
def test_checksum_begins_with_the_seed_of_the_process_generation() -> None:
    def cell() -> memoryview:
        return memoryview(bytearray(8)).cast("Q")

    frames: list[bytes] = []
    lane = make_lane(0, cell(), lambda site, frame: frames.append(frame), CRC32, 0xF0E1D2C3)
    lane.append(SPAN, 1, b"of the parent")
    lane.restart(cell(), 0x01020304)
    lane.append(SPAN, 1, b"of its child")
    for seed, payload in ((0xF0E1D2C3, b"of the parent"), (0x01020304, b"of its child")):
        frame = frames.pop(0)
        assert frame == pack_frame(1, SPAN, 0, payload, CRC32, seed)
        assert frame != pack_frame(1, SPAN, 0, payload)
