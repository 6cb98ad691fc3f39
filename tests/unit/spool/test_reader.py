"""Reading a segment: live, dead, damaged, hostile, of another version, from a cursor on."""

from __future__ import annotations

import os
import struct
import time
import zlib
from pathlib import Path

import pytest

from tests.unit.spool.builders import (
    SPAN,
    describe_site,
    frame_offsets,
    make_writer,
    overwrite,
    python,
    read_segment,
    record_frames,
    resource_frame,
    segment_paths,
    walk,
    write_segment,
)
from tradespan.core.errors import DamagedSegment, UnsupportedFormat
from tradespan.core.records import Kind, Site
from tradespan.spool.layout import (
    END_SIZE,
    FORMAT_VERSION,
    HEADER_SIZE,
    MAX_PAYLOAD,
    frame_size,
    pack_frame,
)
from tradespan.spool.reader import READ_BYTES, SegmentReader


def numbers(reader: SegmentReader, offset: int = 0) -> list[int]:
    return [r.sequence for stretch in walk(reader, offset) for r in stretch.records]


def last(reader: SegmentReader) -> bool:
    return list(walk(reader))[-1].finished


# ── beside a live writer ────────────────────────────────────────────────────────────────────────


def test_live_segment_is_read_up_to_its_last_frame_and_on_from_there(tmp_path: Path) -> None:
    writer = make_writer(tmp_path)
    writer.ordinary.append(SPAN, 1, b"first")
    reader = SegmentReader(segment_paths(tmp_path)[0])
    stretch = reader.read(0)
    assert [r.payload for r in stretch.records] == [b"first"]
    assert reader.read(stretch.end).records == []
    assert not reader.read(stretch.end).finished
    writer.ordinary.append(SPAN, 1, b"second")
    stretch = reader.read(stretch.end)
    assert [r.payload for r in stretch.records] == [b"second"]
    writer.close()
    end = reader.read(stretch.end).end
    assert end == segment_paths(tmp_path)[0].stat().st_size == stretch.end + END_SIZE
    assert reader.read(end).finished
    assert (reader.damaged_bytes, reader.unknown_frames) == (0, 0)


def test_half_a_frame_of_a_live_writer_is_read_when_it_is_whole(tmp_path: Path) -> None:
    writer = make_writer(tmp_path)
    writer.ordinary.append(SPAN, 1, b"first")
    (path,) = segment_paths(tmp_path)
    reader = SegmentReader(path)
    end = reader.read(0).end
    facts = reader.header
    frame = pack_frame(2, SPAN, 0, b"y" * 60, facts.checksum, facts.seed)
    for written in (4, 8, 16, 30, len(frame) - 8):
        overwrite(path, end, frame[:written])
        stretch = reader.read(end)
        assert (stretch.records, stretch.end, stretch.finished) == ([], end, False)
    overwrite(path, end, frame)
    assert [r.payload for r in reader.read(end).records] == [b"y" * 60]
    assert reader.damaged_bytes == 0


def test_damage_in_a_live_segment_is_waited_for_and_passed_over_when_it_is_closed(
    tmp_path: Path,
) -> None:
    writer = make_writer(tmp_path)
    for _ in range(5):
        writer.ordinary.append(SPAN, 0, b"x" * 40)
    (path,) = segment_paths(tmp_path)
    overwrite(path, frame_offsets(path)[2] + 20, b"\xff" * 8)
    reader = SegmentReader(path)
    assert numbers(reader) == [1]
    writer.close()
    assert numbers(reader) == [1, 3, 4, 5]
    assert reader.damaged_bytes == frame_size(40)


def test_live_writer_in_another_process_is_read_record_by_record_once(tmp_path: Path) -> None:
    with python("-m", "tests.unit.spool.children", "write", str(tmp_path), "30000") as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"started\n"
        positions: dict[Path, int] = {}
        readers: dict[Path, SegmentReader] = {}
        finished: set[Path] = set()
        found: list[int] = []
        while not (child.poll() is not None and finished == set(segment_paths(tmp_path))):
            for path in segment_paths(tmp_path):
                if path in finished:
                    continue
                reader = readers.get(path) or readers.setdefault(path, SegmentReader(path))
                stretch = reader.read(positions.get(path, 0), limit=4096)
                positions[path] = stretch.end
                found += [int(r.payload.split(b":")[0]) for r in stretch.records]
                if stretch.finished:
                    finished.add(path)
        assert child.wait() == 0
    assert sorted(found) == list(range(30_000))
    assert sum(reader.damaged_bytes for reader in readers.values()) == 0
    for reader in readers.values():
        reader.close()


# ── after a dead writer ─────────────────────────────────────────────────────────────────────────


def test_segment_of_a_dead_writer_ends_at_its_last_frame_without_damage(tmp_path: Path) -> None:
    path = write_segment(
        tmp_path, [resource_frame(), *record_frames(5)], tail=bytes(8192), closed=False
    )
    reader = SegmentReader(path)
    assert numbers(reader) == [1, 2, 3, 4, 5]
    assert last(reader)
    assert reader.damaged_bytes == 0


@pytest.mark.parametrize("kept", [1, 4, 8, 15, 16, 17, 40])
def test_torn_last_frame_of_a_dead_writer_is_no_damage(tmp_path: Path, kept: int) -> None:
    torn = record_frames(1, first=6)[0][:kept]
    path = write_segment(
        tmp_path,
        [resource_frame(), *record_frames(5)],
        tail=torn.ljust(4096, b"\0"),
        closed=False,
    )
    reader = SegmentReader(path)
    assert numbers(reader) == [1, 2, 3, 4, 5]
    assert last(reader)
    assert reader.damaged_bytes == 0


def test_frame_torn_from_its_end_is_no_damage(tmp_path: Path) -> None:
    # A copy may begin with the last bytes.
    frame = record_frames(1, first=6)[0]
    tail = (bytes(len(frame) - 8) + frame[-8:]).ljust(4096, b"\0")
    path = write_segment(tmp_path, [resource_frame(), *record_frames(5)], tail=tail, closed=False)
    reader = SegmentReader(path)
    assert numbers(reader) == [1, 2, 3, 4, 5]
    assert reader.damaged_bytes == 0


def test_what_follows_the_last_frame_of_a_closed_segment_is_damage_zeros_too(
    tmp_path: Path,
) -> None:
    path = write_segment(tmp_path, [resource_frame(), *record_frames(5)])
    overwrite(path, frame_offsets(path)[-2], bytes(2 * frame_size(42)))
    reader = SegmentReader(path)
    assert numbers(reader) == [1, 2, 3]
    assert reader.damaged_bytes == 2 * frame_size(42)


@pytest.mark.parametrize("cut", [1, END_SIZE, END_SIZE + 1, END_SIZE + 64])
def test_closed_segment_that_was_cut_is_damaged_even_between_two_frames(
    tmp_path: Path, cut: int
) -> None:
    path = write_segment(tmp_path, [resource_frame(), *record_frames(5)])
    os.truncate(path, path.stat().st_size - cut)
    reader = SegmentReader(path)
    assert last(reader)
    assert reader.damaged_bytes >= END_SIZE - 1


def test_closed_segment_that_grew_is_damaged(tmp_path: Path) -> None:
    path = write_segment(tmp_path, [resource_frame(), *record_frames(5)])
    with path.open("ab") as file:
        file.write(bytes(100))
    reader = SegmentReader(path)
    assert numbers(reader) == [1, 2, 3, 4, 5]
    assert reader.damaged_bytes == 100


# ── damage ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("garbage", [b"\xff" * 24, bytes(24), b"\x01\0\0\0" * 6])
def test_reading_goes_on_behind_damage_and_counts_it(tmp_path: Path, garbage: bytes) -> None:
    path = write_segment(tmp_path, [resource_frame(), *record_frames(9)])
    overwrite(path, frame_offsets(path)[4], garbage)
    reader = SegmentReader(path)
    assert numbers(reader) == [1, 2, 3, 5, 6, 7, 8, 9]
    assert reader.damaged_bytes == frame_size(42)
    assert last(reader)


def test_hole_of_zeros_in_the_middle_is_counted_as_damage(tmp_path: Path) -> None:
    # What a kernel crash leaves of a page that never reached the disk.
    path = write_segment(tmp_path, [resource_frame(), *record_frames(200)], closed=False)
    before = numbers(SegmentReader(path))
    overwrite(path, 4096, bytes(4096))
    reader = SegmentReader(path)
    found = numbers(reader)
    missing = set(before) - set(found)
    assert found[-1] == 200
    assert 60 < len(missing) < 75
    assert 4096 <= reader.damaged_bytes <= 4096 + 2 * frame_size(44)


def test_damaged_declaration_of_a_site_costs_its_facts_only(tmp_path: Path) -> None:
    site = pack_frame(0, Kind.SITE, 0, describe_site(5))
    path = write_segment(tmp_path, [resource_frame(), site, *record_frames(3)])
    overwrite(path, frame_offsets(path)[1] + 18, b"\xff")
    reader = SegmentReader(path)
    assert numbers(reader) == [1, 2, 3]
    assert reader.sites[5] == Site(5, "")
    assert 5 not in reader.sites
    assert reader.damaged_bytes == len(site)


def test_frame_of_another_lane_is_damage(tmp_path: Path) -> None:
    stray = pack_frame(7, SPAN, 1, b"of the error lane")
    path = write_segment(tmp_path, [resource_frame(), stray, *record_frames(2)])
    reader = SegmentReader(path)
    assert numbers(reader) == [1, 2]
    assert reader.damaged_bytes == len(stray)


def test_whole_frames_that_describe_nothing_are_counted_as_damage(tmp_path: Path) -> None:
    nonsense = [
        pack_frame(0, Kind.SITE, 0, b"\xc1 is no message"),
        pack_frame(0, Kind.SITE, 0, b"\x91" * 5000),
        pack_frame(0, Kind.RESOURCE, 0, b"\xdd\xff\xff\xff\xff"),
    ]
    path = write_segment(tmp_path, [resource_frame(), *nonsense, *record_frames(2)])
    reader = SegmentReader(path)
    assert numbers(reader) == [1, 2]
    assert reader.damaged_bytes == 15 + 5000


@pytest.mark.parametrize("length", [MAX_PAYLOAD + 1, 0x7FFFFFFF, 0xFFFFFFFF, MAX_PAYLOAD, 4096])
def test_hostile_lengths_cost_no_memory_and_hide_no_later_record(
    tmp_path: Path, length: int
) -> None:
    hostile = struct.pack("<IIQ", length, 0, 2 << 16 | SPAN << 8)
    path = write_segment(
        tmp_path, [resource_frame(), *record_frames(1), hostile, *record_frames(2, first=3)]
    )
    reader = SegmentReader(path)
    assert numbers(reader) == [1, 3, 4]
    assert reader.damaged_bytes == 16


def test_search_gives_up_when_its_budget_is_spent(tmp_path: Path) -> None:
    # Every 8 bytes claim to begin a record of 1 MiB.
    claims = struct.pack("<II", MAX_PAYLOAD, 0) * (3 * MAX_PAYLOAD // 8)
    path = write_segment(tmp_path, [resource_frame(), *record_frames(1), claims])
    os.truncate(path, path.stat().st_size - END_SIZE)
    reader = SegmentReader(path)
    began = time.process_time()
    assert numbers(reader) == [1]
    assert time.process_time() - began < 5
    assert reader.damaged_bytes == len(claims)


def test_damage_at_every_second_record_costs_bounded_time(tmp_path: Path) -> None:
    frames = [resource_frame(), *record_frames(20_000, size=2)]
    for place in range(2, len(frames), 2):
        frames[place] = bytes(len(frames[place]))
    path = write_segment(tmp_path, frames)
    reader = SegmentReader(path)
    began = time.process_time()
    found = numbers(reader)
    assert time.process_time() - began < 10
    assert found == list(range(1, 20_001, 2))[: len(found)]
    assert len(found) > 1_000


def test_resource_that_is_damaged_makes_the_segment_unreadable(tmp_path: Path) -> None:
    path = write_segment(tmp_path, [resource_frame(), *record_frames(3)])
    overwrite(path, HEADER_SIZE + 20, b"\xff\xff")
    with pytest.raises(DamagedSegment, match="does not begin with a resource"):
        SegmentReader(path)


@pytest.mark.parametrize("content", [b"", b"tspan", b"SQLite format 3\0" * 100, bytes(5000)])
def test_file_that_is_no_segment_is_refused(tmp_path: Path, content: bytes) -> None:
    path = write_segment(tmp_path, [resource_frame()])
    path.write_bytes(content)
    with pytest.raises(DamagedSegment):
        SegmentReader(path)


def test_link_pipe_and_folder_are_refused_at_once(tmp_path: Path) -> None:
    target = write_segment(tmp_path / "elsewhere", [resource_frame(), *record_frames(1)])
    link, pipe, folder = (tmp_path / f"{name}.seg" for name in ("link", "pipe", "folder"))
    link.symlink_to(target)
    os.mkfifo(pipe)
    folder.mkdir()
    for path in (link, pipe, folder):
        with pytest.raises(DamagedSegment, match="no plain file"):
            SegmentReader(path)


def test_refused_segments_leave_no_descriptor_open(tmp_path: Path) -> None:
    path = write_segment(tmp_path, [record_frames(1)[0]])
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(10):
        with pytest.raises(DamagedSegment):
            SegmentReader(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


# ── versions ────────────────────────────────────────────────────────────────────────────────────


def raise_version(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[8] = FORMAT_VERSION + 1
    data[92:96] = struct.pack("<I", zlib.crc32(data[:12] + b"\0" + data[13:92]))
    path.write_bytes(data)


def test_segment_of_a_later_version_is_told_from_damage(tmp_path: Path) -> None:
    path = write_segment(tmp_path, [resource_frame(), *record_frames(1)])
    raise_version(path)
    with pytest.raises(UnsupportedFormat) as refused:
        SegmentReader(path)
    assert (refused.value.found, refused.value.supported) == (FORMAT_VERSION + 1, FORMAT_VERSION)
    overwrite(path, 40, b"\xff")
    with pytest.raises(DamagedSegment, match="checksum"):
        SegmentReader(path)


def test_frames_of_unknown_kinds_are_passed_over_and_counted(tmp_path: Path) -> None:
    unknown = pack_frame(0, 9, 0, b"a description of a later version")
    path = write_segment(tmp_path, [resource_frame(), unknown, *record_frames(2)])
    reader = SegmentReader(path)
    assert numbers(reader) == [1, 2]
    assert (reader.unknown_frames, reader.damaged_bytes) == (1, 0)


def test_records_of_unknown_kinds_are_handed_on_with_their_kind(tmp_path: Path) -> None:
    later = pack_frame(1, 99, 0, b"a record of a later version")
    path = write_segment(tmp_path, [resource_frame(), later])
    assert [(r.kind, r.sequence) for r in read_segment(path)] == [(99, 1)]


# ── cursors ─────────────────────────────────────────────────────────────────────────────────────


def test_reading_from_a_cursor_knows_the_sites_before_it(tmp_path: Path) -> None:
    site = pack_frame(0, Kind.SITE, 0, describe_site(5))
    frames = [resource_frame(), site, *record_frames(10_000)]
    path = write_segment(tmp_path, frames)
    offset = frame_offsets(path)[9_000]
    assert offset > READ_BYTES
    reader = SegmentReader(path)
    assert numbers(reader, offset)[0] == 8_999
    assert reader.sites[5].name == "function_5"


def test_sites_before_a_cursor_are_found_behind_damage_which_is_not_counted_again(
    tmp_path: Path,
) -> None:
    site = pack_frame(0, Kind.SITE, 0, describe_site(5))
    path = write_segment(tmp_path, [resource_frame(), *record_frames(9), site, *record_frames(9)])
    overwrite(path, frame_offsets(path)[3], b"\xff" * 30)
    reader = SegmentReader(path)
    assert numbers(reader, path.stat().st_size - frame_size(42) - END_SIZE) == [9]
    assert reader.sites[5].name == "function_5"
    assert reader.damaged_bytes == 0


@pytest.mark.parametrize("offset", [-8, 1, 95, 99, 1 << 40])
def test_cursor_that_cannot_be_right_neither_fails_nor_loops(tmp_path: Path, offset: int) -> None:
    path = write_segment(tmp_path, [resource_frame(), *record_frames(50)])
    reader = SegmentReader(path)
    stretches = list(walk(reader, offset))
    assert stretches[-1].finished
    assert len(stretches) < 5


def test_record_longer_than_one_read_is_read_whole(tmp_path: Path) -> None:
    frames = [resource_frame(), *record_frames(1), *record_frames(1, size=READ_BYTES, first=2)]
    path = write_segment(tmp_path, [*frames, *record_frames(1, first=3)])
    reader = SegmentReader(path)
    assert numbers(reader) == [1, 2, 3]
    assert [stretch.end for stretch in walk(SegmentReader(path))][-1] == path.stat().st_size
