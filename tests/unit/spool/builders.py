"""Writers with small segments, and readers that read everything; every fact has a default."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tradespan.core.clock import Clock
from tradespan.core.records import Kind, Resource, Site
from tradespan.spool.folder import RunFolder
from tradespan.spool.layout import (
    END_KIND,
    HEADER_SIZE,
    SegmentHeader,
    frame_size,
    pack_end,
    pack_frame,
    pack_header,
    unpack_frame_header,
)
from tradespan.spool.names import SegmentName
from tradespan.spool.reader import RawRecord, SegmentReader, Stretch
from tradespan.spool.writer import SpoolLimits, SpoolWriter
from tradespan.wire.codec import encode_record

REPOSITORY = Path(__file__).resolve().parents[3]
SPAN = int(Kind.SPAN)
KIB = 1024
SMALL = SpoolLimits(first_segment=4 * KIB, largest_segment=8 * KIB)
RESOURCE = encode_record(Resource({"service.name": "momentum-bot"}))
WRITER = bytes(range(16))


def describe_site(number: int) -> bytes:
    return encode_record(Site(number, "tradespan", name=f"function_{number}"))


def make_writer(
    folder: Path,
    *,
    limits: SpoolLimits | None = None,
    clock: Clock | None = None,
    describe: Callable[[bytes], bytes] = lambda identity: RESOURCE,
    site_payload: Callable[[int], bytes] = describe_site,
) -> SpoolWriter:
    return SpoolWriter(
        folder,
        describe=describe,
        site_payload=site_payload,
        limits=limits or SMALL,
        clock=clock,
    )


def read_segment(path: Path, offset: int = 0) -> list[RawRecord]:
    """All records from an offset on, as a reader beside the writer gets them now."""
    reader = SegmentReader(path)
    try:
        return [record for stretch in walk(reader, offset) for record in stretch.records]
    finally:
        reader.close()


def walk(reader: SegmentReader, offset: int = 0) -> Iterator[Stretch]:
    """Stretch after stretch, until nothing more is there now."""
    while True:
        stretch = reader.read(offset)
        yield stretch
        if stretch.finished or stretch.end <= offset:
            return
        offset = stretch.end


def read_folder(folder: Path) -> list[RawRecord]:
    """The records of all segments of a folder."""
    names = RunFolder(folder).segments()
    return [record for name in names for record in read_segment(folder / str(name))]


def payloads(folder: Path) -> list[bytes]:
    return [record.payload for record in read_folder(folder)]


def segment_paths(folder: Path) -> list[Path]:
    return [folder / str(name) for name in RunFolder(folder).segments()]


def write_segment(
    folder: Path,
    frames: list[bytes],
    *,
    tail: bytes = b"",
    header: SegmentHeader | None = None,
    closed: bool = True,
) -> Path:
    """A segment made by hand, of nobody who lives."""
    body = b"".join(frames) + tail
    if closed:
        body += pack_end(HEADER_SIZE + len(body), 0 if header is None else header.lane)
    header = header or SegmentHeader(WRITER, 0, 1, 1, 0, 10**18, 0, HEADER_SIZE + len(body))
    header = header._replace(closed=closed)
    name = SegmentName(header.created, header.writer.hex(), header.lane, header.ordinal)
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / str(name)
    path.write_bytes(pack_header(header) + body)
    return path


def resource_frame() -> bytes:
    return pack_frame(0, Kind.RESOURCE, 0, RESOURCE)


def record_frames(count: int, size: int = 40, first: int = 1) -> list[bytes]:
    """Frames of records whose payload tells their number."""
    return [
        pack_frame(number, SPAN, 0, b"%d:" % number + b"x" * size)
        for number in range(first, first + count)
    ]


def frame_offsets(path: Path) -> list[int]:
    """Where the frames of an undamaged segment begin, the end frame left out."""
    data = path.read_bytes()
    offsets, place = [], HEADER_SIZE
    while place + 16 <= len(data):
        length, _, word = unpack_frame_header(data, place)
        if length == 0 or word >> 8 == END_KIND:
            break
        offsets.append(place)
        place += frame_size(length)
    return offsets


def overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def python(*arguments: str) -> subprocess.Popen[bytes]:
    """A child that runs this interpreter in the repository, pipes at all ends."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
