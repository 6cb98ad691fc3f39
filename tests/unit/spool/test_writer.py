"""What one process and one thread may rely on; FORMAT.md's rules 1, 3, 6, 7 and 8."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.support.fakes import SteppingClock
from tests.unit.spool.builders import (
    KIB,
    SPAN,
    describe_site,
    frame_offsets,
    make_writer,
    payloads,
    read_folder,
    read_segment,
    segment_paths,
)
from tradespan.core.records import Lane, Resource
from tradespan.spool.folder import RunFolder
from tradespan.spool.layout import (
    END_SIZE,
    HEADER_SIZE,
    MAX_PAYLOAD,
    PayloadTooLong,
    SegmentHeader,
    pack_end,
    unpack_frame_header,
    unpack_header,
)
from tradespan.spool.reader import SegmentReader
from tradespan.spool.writer import SpoolLimits

pytestmark = pytest.mark.usefixtures("way")


def header_of(path: Path) -> SegmentHeader:
    header = unpack_header(path.read_bytes()[:HEADER_SIZE])
    assert isinstance(header, SegmentHeader)
    return header


def checked(path: Path) -> tuple[int, int]:
    """What the checksums of a segment's frames are, and begin with."""
    header = header_of(path)
    return header.checksum, header.seed


def kinds_of(path: Path) -> list[tuple[int, int]]:
    """(kind, sequence) of each frame, in the order of the file."""
    data = path.read_bytes()
    words = [unpack_frame_header(data, place)[2] for place in frame_offsets(path)]
    return [(word >> 8 & 0xFF, word >> 16) for word in words]


def test_nothing_is_made_before_the_first_record(tmp_path: Path) -> None:
    make_writer(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_record_is_in_the_file_when_append_returns(tmp_path: Path) -> None:
    writer = make_writer(tmp_path)
    for number in range(3):
        writer.ordinary.append(SPAN, 1, b"record %d" % number)
        assert payloads(tmp_path)[-1] == b"record %d" % number


def test_folder_and_files_belong_to_their_user_alone(tmp_path: Path) -> None:
    writer = make_writer(tmp_path / "run")
    writer.ordinary.append(SPAN, 1, b"x")
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o700
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "run").iterdir()}
    assert modes == {0o600}


def test_lanes_have_segments_and_numbers_of_their_own(tmp_path: Path) -> None:
    writer = make_writer(tmp_path)
    writer.ordinary.append(SPAN, 1, b"fine")
    writer.errors.append(SPAN, 1, b"failed")
    writer.errors.append(SPAN, 1, b"failed again")
    by_lane = {header_of(path).lane: read_segment(path) for path in segment_paths(tmp_path)}
    assert [record.payload for record in by_lane[Lane.ORDINARY]] == [b"fine"]
    assert [record.sequence for record in by_lane[Lane.ERROR]] == [1, 2]


def test_segment_tells_who_wrote_it(tmp_path: Path) -> None:
    clock = SteppingClock()
    writer = make_writer(tmp_path, clock=clock)
    writer.errors.append(SPAN, 1, b"x")
    (path,) = segment_paths(tmp_path)
    header = header_of(path)
    assert header.writer == writer.identity
    assert header.process_start == writer.process_start > 0
    assert (header.created, header.created_monotonic) == (clock.wall(), clock.monotonic())
    assert header.capacity == path.stat().st_size == 4 * KIB
    reader = SegmentReader(path)
    assert reader.origin.resource == Resource({"service.name": "momentum-bot"})
    assert (reader.origin.writer, reader.origin.lane) == (writer.identity.hex(), Lane.ERROR)
    reader.close()


def test_sites_are_declared_once_a_segment_before_their_first_record(tmp_path: Path) -> None:
    writer = make_writer(tmp_path)
    for site in (7, 7, 0, 9, 7):
        writer.ordinary.append(SPAN, site, b"x" * 100)
    (path,) = segment_paths(tmp_path)
    assert [kind for kind, _ in kinds_of(path)] == [1, 2, SPAN, SPAN, SPAN, 2, SPAN, SPAN]
    for _ in range(200):
        writer.ordinary.append(SPAN, 7, b"x" * 100)
    for path in segment_paths(tmp_path)[1:]:
        assert [kind for kind, _ in kinds_of(path)[:3]] == [1, 2, SPAN]


def test_numbers_run_on_over_all_segments_of_a_lane(tmp_path: Path) -> None:
    writer = make_writer(tmp_path)
    for number in range(1, 501):
        writer.ordinary.append(SPAN, number % 5, b"%d" % number + b"." * 50)
    records = read_folder(tmp_path)
    assert [record.sequence for record in records] == list(range(1, 501))
    assert [int(record.payload.strip(b".")) for record in records] == list(range(1, 501))
    assert [header_of(path).ordinal for path in segment_paths(tmp_path)] == list(
        range(1, len(segment_paths(tmp_path)) + 1)
    )


def test_each_segment_is_twice_as_large_as_the_last_up_to_the_limit(tmp_path: Path) -> None:
    limits = SpoolLimits(first_segment=4 * KIB, largest_segment=16 * KIB)
    writer = make_writer(tmp_path, limits=limits)
    for _ in range(600):
        writer.ordinary.append(SPAN, 1, b"x" * 100)
    capacities = [header_of(path).capacity for path in segment_paths(tmp_path)]
    assert capacities == [4 * KIB, 8 * KIB] + [16 * KIB] * (len(capacities) - 2)
    assert len(capacities) > 3


def test_default_segments_are_those_of_the_specification() -> None:
    limits = SpoolLimits()
    assert (limits.first_segment, limits.largest_segment) == (256 * KIB, 16 * 1024 * KIB)


def test_closed_segment_is_cut_behind_its_last_frame(tmp_path: Path) -> None:
    writer = make_writer(tmp_path)
    writer.ordinary.append(SPAN, 1, b"x" * 100)
    (path,) = segment_paths(tmp_path)
    assert not header_of(path).closed
    writer.close()
    data = path.read_bytes()
    end = frame_offsets(path)[-1] + 16 + 104
    assert header_of(path).closed
    assert data[end:] == pack_end(end, 0, *checked(path))
    assert payloads(tmp_path) == [b"x" * 100]


def test_full_segment_has_room_for_its_end(tmp_path: Path) -> None:
    writer = make_writer(tmp_path)
    for _ in range(2_000):
        writer.ordinary.append(SPAN, 0, b"x" * 8)
    writer.close()
    for path in segment_paths(tmp_path):
        data = path.read_bytes()
        end = pack_end(len(data) - END_SIZE, 0, *checked(path))
        assert data[-END_SIZE:] == end
        assert len(data) <= header_of(path).capacity
    assert len(payloads(tmp_path)) == 2_000


def test_records_after_closing_go_to_a_new_segment(tmp_path: Path) -> None:
    writer = make_writer(tmp_path)
    writer.ordinary.append(SPAN, 1, b"before")
    writer.close()
    writer.ordinary.append(SPAN, 1, b"after")
    assert payloads(tmp_path) == [b"before", b"after"]
    assert [header_of(path).closed for path in segment_paths(tmp_path)] == [True, False]


def test_closing_twice_does_nothing(tmp_path: Path) -> None:
    writer = make_writer(tmp_path)
    writer.close()
    writer.ordinary.append(SPAN, 1, b"x")
    writer.close()
    writer.close()
    assert payloads(tmp_path) == [b"x"]


def test_longest_record_gets_a_segment_of_its_size(tmp_path: Path) -> None:
    writer = make_writer(tmp_path)
    writer.ordinary.append(SPAN, 1, b"before")
    writer.ordinary.append(SPAN, 1, b"x" * MAX_PAYLOAD)
    writer.ordinary.append(SPAN, 1, b"after")
    assert [len(payload) for payload in payloads(tmp_path)] == [6, MAX_PAYLOAD, 5]


@pytest.mark.parametrize("payload", [b"", b"x" * (MAX_PAYLOAD + 1)])
def test_record_that_fits_no_frame_is_refused_and_draws_no_number(
    tmp_path: Path, payload: bytes
) -> None:
    writer = make_writer(tmp_path)
    writer.ordinary.append(SPAN, 1, b"first")
    with pytest.raises(ValueError, match=r"empty|1048577") as refused:
        writer.ordinary.append(SPAN, 1, payload)
    assert isinstance(refused.value, PayloadTooLong) == bool(payload)
    writer.ordinary.append(SPAN, 1, b"second")
    assert [record.sequence for record in read_folder(tmp_path)] == [1, 2]


def test_site_with_a_description_over_the_limit_is_declared_without_it(tmp_path: Path) -> None:
    # It once began one segment after the other, for ever.
    writer = make_writer(tmp_path, site_payload=lambda number: b"x" * (MAX_PAYLOAD + 1))
    writer.ordinary.append(SPAN, 4, b"record")
    (path,) = segment_paths(tmp_path)
    reader = SegmentReader(path)
    assert [record.payload for record in reader.read(0).records] == [b"record"]
    assert (reader.sites[4].number, reader.sites[4].name) == (4, "")
    reader.close()


def test_resource_over_the_limit_does_not_cost_the_records(tmp_path: Path) -> None:
    writer = make_writer(tmp_path, describe=lambda identity: b"x" * (MAX_PAYLOAD + 1))
    writer.ordinary.append(SPAN, 1, b"record")
    assert payloads(tmp_path) == [b"record"]


def test_site_that_cannot_be_described_costs_its_record_only(tmp_path: Path) -> None:
    def describe(number: int) -> bytes:
        if number == 13:
            raise LookupError(number)
        return describe_site(number)

    writer = make_writer(tmp_path, site_payload=describe)
    with pytest.raises(LookupError):
        writer.ordinary.append(SPAN, 13, b"unlucky")
    writer.ordinary.append(SPAN, 1, b"record")
    assert payloads(tmp_path) == [b"record"]


def test_two_writers_in_one_folder_do_not_meet(tmp_path: Path) -> None:
    first, second = make_writer(tmp_path), make_writer(tmp_path)
    for number in range(100):
        first.ordinary.append(SPAN, 1, b"first %d" % number)
        second.ordinary.append(SPAN, 1, b"second %d" % number)
    assert sorted(payloads(tmp_path)) == sorted(
        b"%s %d" % (who, number) for who in (b"first", b"second") for number in range(100)
    )


def test_page_tells_the_last_acknowledged_number(tmp_path: Path) -> None:
    writer = make_writer(tmp_path)
    for _ in range(300):
        writer.ordinary.append(SPAN, 1, b"x" * 50)
    writer.errors.append(SPAN, 1, b"x")
    (page,) = RunFolder(tmp_path).pages()
    assert page.writer == writer.identity.hex()
    assert [lane.acknowledged for lane in page.lanes] == [300, 1]
    assert writer.ordinary.counters() == page.lanes[0]


def test_records_that_could_not_be_encoded_are_counted(tmp_path: Path) -> None:
    writer = make_writer(tmp_path)
    writer.errors.append(SPAN, 1, b"x")
    writer.errors.count_discarded("unencodable")
    (page,) = RunFolder(tmp_path).pages()
    assert page.lanes[Lane.ERROR].discarded == {"unencodable": 1}
