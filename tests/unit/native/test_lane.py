"""Numbers, places and acknowledgements of a lane, the same in C and in Python."""

from __future__ import annotations

import gc
import mmap
import os
import sys
import threading
import tracemalloc
import weakref
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.fakes import SteppingClock
from tests.unit.spool.builders import (
    SPAN,
    describe_site,
    make_writer,
    payloads,
    read_folder,
    read_segment,
    segment_paths,
)
from tradespan.core import native
from tradespan.core.records import Lane
from tradespan.spool.checksums import CRC32, CRC32C
from tradespan.spool.lane import PureLane, make_lane
from tradespan.spool.layout import PayloadTooLong, frame_checksum, unpack_frame_header
from tradespan.spool.segment import FilePlace, MapPlace
from tradespan.spool.writer import SpoolLimits, SpoolWriter

pytestmark = pytest.mark.usefixtures("way")

TRACE = bytes(range(16))


def span_fields(number: int) -> tuple[Any, ...]:
    return (1, TRACE, number, 0, 1_772_366_400_000_000_000, 5_000, 0x100, None, {"n": number})


def counter() -> memoryview:
    return memoryview(bytearray(8)).cast("Q")


def make_place(size: int, position: int = 0) -> tuple[mmap.mmap, Any]:
    """A mapping of nothing, and the place of the way in force."""
    mapped = mmap.mmap(-1, size)
    mapped.seek(position)
    if native.module is None:
        return mapped, MapPlace(mapped)
    return mapped, native.module.Place(mapped, position)


@pytest.fixture
def frequent_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_the_way_that_was_chosen_is_taken(way: str) -> None:
    lane = make_lane(0, counter(), lambda site, frame: None)
    assert isinstance(lane, PureLane) == (way == "pure")
    assert native.describe().startswith({"native": "native", "pure": "pure Python"}[way])


def test_both_ways_write_the_same_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(folder: Path) -> bytes:
        clock = SteppingClock()
        monkeypatch.setattr(os, "urandom", lambda size: b"w" * size)
        writer = make_writer(folder, clock=clock, limits=SpoolLimits(1 << 16, 1 << 16))
        for number in range(200):
            writer.ordinary.record(SPAN, number % 5, span_fields(number))
            writer.ordinary.append(SPAN, number % 7, b"x" * (number + 1))
        writer.close()
        (path,) = segment_paths(folder)
        return path.read_bytes()

    # With the instruction, the native way takes a checksum of its own (FORMAT.md, rule 18).
    monkeypatch.setattr("tradespan.spool.writer.best", lambda: CRC32)
    chosen = write(tmp_path / "chosen")
    monkeypatch.setattr(native, "module", None)
    assert chosen == write(tmp_path / "pure")


def test_record_and_append_share_one_row_of_numbers(tmp_path: Path) -> None:
    writer = make_writer(tmp_path)
    for number in range(1, 301):
        if number % 2:
            writer.ordinary.record(SPAN, number % 5, span_fields(number))
        else:
            writer.ordinary.append(SPAN, number % 5, encode_span(number))
    assert [record.sequence for record in read_folder(tmp_path)] == list(range(1, 301))
    assert payloads(tmp_path) == [encode_span(number) for number in range(1, 301)]


def encode_span(number: int) -> bytes:
    frames: list[bytes] = []
    PureLane(0, counter(), lambda site, frame: frames.append(frame)).record(
        SPAN, 0, span_fields(number)
    )
    size = unpack_frame_header(frames[0])[0]
    return frames[0][16 : 16 + size]


def test_undeclared_site_takes_the_slow_way_and_a_declared_one_does_not() -> None:
    slow: list[int] = []
    mapped, place = make_place(4096)
    lane = make_lane(0, counter(), lambda site, frame: slow.append(site))
    declared = {0: place.write}
    lane.use(place, declared)
    lane.record(SPAN, 0, ("known",))
    lane.record(SPAN, 7, ("unknown",))
    declared[7] = place.write
    lane.record(SPAN, 7, ("known now",))
    assert slow == [7]
    sizes = [unpack_frame_header(mapped, offset) for offset in (0, 24)]
    assert [word >> 16 for _, _, word in sizes] == [1, 3]
    place.close()


def test_frame_that_does_not_fit_takes_the_slow_way_and_smaller_ones_still_fit() -> None:
    slow: list[bytes] = []
    mapped, place = make_place(4096)
    lane = make_lane(1, counter(), lambda site, frame: slow.append(frame))
    lane.use(place, {0: place.write})
    lane.append(SPAN, 0, b"a" * 4000)
    lane.append(SPAN, 0, b"b" * 80)
    lane.append(SPAN, 0, b"c" * 64)
    assert [frame[16:17] for frame in slow] == [b"b"]
    assert mapped[4016 + 16 : 4017 + 16] == b"c"
    assert place.close() == 4096


def test_closed_place_takes_nothing_and_lets_the_mapping_go() -> None:
    slow: list[int] = []
    mapped, place = make_place(4096, 96)
    lane = make_lane(0, counter(), lambda site, frame: slow.append(site))
    lane.use(place, {0: place.write})
    lane.append(SPAN, 0, b"x" * 8)
    assert place.close() == 96 + 24
    before = mapped[:]
    lane.append(SPAN, 0, b"too late")
    with pytest.raises(ValueError, match=r"closed|range"):
        place.write(bytes(24))
    assert slow == [0]
    assert mapped[:] == before
    mapped.close()


def test_record_is_acknowledged_only_when_it_is_safe() -> None:
    cell = counter()
    seen: list[int] = []

    def slow(site: int, frame: bytes) -> None:
        seen.append(cell[0] >> 16)
        if site == 13:
            raise LookupError(site)

    lane = make_lane(0, cell, slow)
    lane.append(SPAN, 1, b"first")
    lane.append(SPAN, 1, b"second")
    with pytest.raises(LookupError):
        lane.append(SPAN, 13, b"third")
    assert seen == [0, 1, 2]
    assert cell[0] == 2 << 16 | SPAN << 8


def test_other_counter_cell_takes_over_what_was_acknowledged() -> None:
    first, second, third = counter(), counter(), counter()
    lane = make_lane(0, first, lambda site, frame: None)
    lane.append(SPAN, 1, b"x")
    lane.count_in(second)
    assert first[0] == second[0]
    lane.append(SPAN, 1, b"x")
    assert (first[0] >> 16, second[0] >> 16) == (1, 2)
    lane.restart(third)
    assert third[0] == 0
    lane.append(SPAN, 1, b"x")
    assert third[0] >> 16 == 1


@pytest.mark.parametrize("payload", [b"", b"x" * ((1 << 20) + 1)])
def test_payload_that_fits_no_frame_is_refused_and_draws_no_number(payload: bytes) -> None:
    cell = counter()
    lane = make_lane(0, cell, lambda site, frame: None)
    with pytest.raises(ValueError, match=r"empty|1048577") as refused:
        lane.append(SPAN, 1, payload)
    assert isinstance(refused.value, PayloadTooLong) == bool(payload)
    lane.append(SPAN, 1, b"x")
    assert cell[0] >> 16 == 1


def test_records_of_four_threads_are_all_there_and_their_numbers_have_no_gap(
    tmp_path: Path, frequent_switches: None
) -> None:
    writer = make_writer(tmp_path, limits=SpoolLimits(1 << 14, 1 << 16))
    each = 5_000

    def record(who: int) -> None:
        for number in range(each):
            writer.ordinary.record(SPAN, number % 20, (who, number, "." * (number % 60)))

    threads = [threading.Thread(target=record, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    records = read_folder(tmp_path)
    assert sorted(record.sequence for record in records) == list(range(1, 4 * each + 1))
    expected: list[bytes] = []
    lane = PureLane(0, counter(), lambda site, frame: expected.append(frame))
    for who in range(4):
        for number in range(each):
            lane.record(SPAN, 0, (who, number, "." * (number % 60)))
    wanted = [frame[16 : 16 + unpack_frame_header(frame)[0]] for frame in expected]
    assert sorted(record.payload for record in records) == sorted(wanted)


def test_many_records_keep_no_memory(tmp_path: Path) -> None:
    writer = make_writer(tmp_path, limits=SpoolLimits(1 << 22, 1 << 22))
    kept = {"text": "é" * 10, "list": [1, 2.5, None, True, b"x"], "large": 1 << 60}
    fields = (1, TRACE, 1 << 40, "a name", kept, ("a",))
    odd = (1, {2, 3})
    watched = (TRACE, fields[2], fields, kept, *kept.values(), odd, odd[1], writer.ordinary)
    rounds = 2_000

    def record() -> None:
        for _ in range(rounds):
            writer.ordinary.record(SPAN, 1, fields)
            writer.ordinary.record(SPAN, 1, odd)
            writer.ordinary.append(SPAN, 1, b"x" * 50)

    record()
    tracemalloc.start()
    try:
        record()
        gc.collect()
        references = [sys.getrefcount(each) for each in watched]
        before = tracemalloc.get_traced_memory()[0]
        record()
        gc.collect()
        assert [sys.getrefcount(each) for each in watched] == references
        # One object lost a record would be 100 KB and more.
        assert tracemalloc.get_traced_memory()[0] - before < 16 * rounds
    finally:
        tracemalloc.stop()


def test_place_that_is_not_mapped_is_written_by_what_its_sites_hold() -> None:
    written: list[bytes] = []
    slow: list[int] = []

    def append(frame: bytes) -> int:
        if len(written) == 2:
            raise ValueError("full")
        written.append(frame)
        return len(frame)

    cell = counter()
    lane = make_lane(0, cell, lambda site, frame: slow.append(site))
    place = FilePlace(-1, 0, 0)
    lane.use(place, {0: append, 7: append})
    for site in (0, 3, 7, 7):
        lane.append(SPAN, site, b"payload")
    assert [unpack_frame_header(frame)[2] >> 16 for frame in written] == [1, 3]
    assert slow == [3, 7]
    assert cell[0] >> 16 == 4


def test_hosts_interruption_of_such_a_place_passes_and_is_not_acknowledged() -> None:
    def interrupt(frame: bytes) -> int:
        raise KeyboardInterrupt

    cell = counter()
    lane = make_lane(0, cell, lambda site, frame: None)
    lane.use(FilePlace(-1, 0, 0), {1: interrupt})
    with pytest.raises(KeyboardInterrupt):
        lane.append(SPAN, 1, b"payload")
    assert cell[0] == 0


def test_refused_records_keep_no_memory() -> None:
    lane = make_lane(0, counter(), lambda site, frame: None)
    surrogate: tuple[Any, ...] = ("x" * 5_000, "\ud800")
    rounds = 500

    def refuse() -> None:
        for _ in range(rounds):
            for fields in (surrogate, (1 << 70,)):
                with suppress(ValueError, OverflowError):
                    lane.record(SPAN, 1, fields)
            with suppress(ValueError):
                lane.append(SPAN, 1, b"")

    refuse()
    tracemalloc.start()
    try:
        refuse()
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        refuse()
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - before < 16 * rounds
    finally:
        tracemalloc.stop()


def test_writer_that_nobody_holds_any_more_is_collected(tmp_path: Path) -> None:
    writer = make_writer(tmp_path)
    writer.ordinary.record(SPAN, 1, span_fields(1))
    reference = weakref.ref(writer)
    del writer
    gc.collect()
    assert reference() is None
    assert len(payloads(tmp_path)) == 1


def test_lane_in_a_cycle_of_its_own_is_collected() -> None:
    class Holder:
        pass

    holder = Holder()
    holder.lane = make_lane(0, counter(), lambda site, frame: None)  # type: ignore[attr-defined]
    _, place = make_place(4096)
    holder.lane.use(place, {0: place.write, 1: holder})  # type: ignore[attr-defined]
    reference = weakref.ref(holder)
    del holder, place
    gc.collect()
    assert reference() is None


def test_methods_taken_before_a_fork_write_to_the_child_s_segment(tmp_path: Path) -> None:
    writer = SpoolWriter(
        tmp_path, describe=lambda identity: b"\x91\x80", site_payload=describe_site
    )
    record = writer.ordinary.record
    record(SPAN, 1, ("parent before",))
    child = os.fork()
    if child == 0:
        try:
            for number in range(50):
                record(SPAN, 1, ("child", number))
            writer.close()
        finally:
            os._exit(0)
    for number in range(50):
        record(SPAN, 1, ("parent", number))
    os.waitpid(child, 0)
    writer.close()
    by_writer: dict[str, list[tuple[int, bytes]]] = {}
    for path in segment_paths(tmp_path):
        found = [(r.sequence, r.payload) for r in read_segment(path)]
        by_writer.setdefault(path.name.split("-")[1], []).extend(found)
    of_parent = by_writer.pop(writer.identity.hex())
    (of_child,) = by_writer.values()
    assert [sequence for sequence, _ in of_parent] == list(range(1, 52))
    assert [sequence for sequence, _ in of_child] == list(range(1, 51))
    assert all(b"parent" in payload for _, payload in of_parent)
    assert all(b"child" in payload for _, payload in of_child)


def test_errors_go_to_a_lane_of_their_own(tmp_path: Path) -> None:
    writer = make_writer(tmp_path)
    writer.ordinary.record(SPAN, 1, ("fine",))
    writer.errors.record(SPAN, 1, ("failed",))
    lanes = {path.name.split("-")[2]: read_segment(path) for path in segment_paths(tmp_path)}
    assert {lane: len(found) for lane, found in lanes.items()} == {"o": 1, "e": 1}
    assert [lane.lane for lane in (writer.ordinary, writer.errors)] == list(Lane)


def test_checksum_is_zlibs_for_every_length() -> None:
    # 768 bytes are three streams of the native one; two and a rest of every length.
    frames: list[bytes] = []
    lane = make_lane(1, counter(), lambda site, frame: frames.append(frame))
    data = bytes(number * 7919 >> 5 & 0xFF for number in range(70_000))
    for size in (*range(1, 2_400), 65_536, 70_000):
        lane.append(SPAN, 1, data[:size])
        length, checksum, word = unpack_frame_header(frames.pop())
        assert (length, checksum) == (size, frame_checksum(data[:size], word)), size


def test_native_lane_writes_the_checksum_that_it_is_told(way: str) -> None:
    frames: list[bytes] = []
    lane = make_lane(1, counter(), lambda site, frame: frames.append(frame), CRC32C)
    wanted = CRC32C if way == "native" else CRC32
    for size in (1, 7, 8, 68, 767, 768, 2_000):
        lane.append(SPAN, 1, b"x" * size)
        length, checksum, word = unpack_frame_header(frames.pop())
        assert (length, checksum) == (size, frame_checksum(b"x" * size, word, wanted)), size
