"""The dead letter: what a sink refused for good, as segments of its own, with the reason beside.

A parked file is a segment (FORMAT.md) below `<run>/parked/<sink>/`, so that it is read and re-sent
by the same code as any other. It is a row of its own: its writer is new, its records are numbered
from 1, so that no record has the identity of another. The `.json` beside names where it came from.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tradespan.core.delivery import Batch, Slice
from tradespan.core.process import process_start
from tradespan.core.records import Kind
from tradespan.spool.checksums import CRC32
from tradespan.spool.folder import private_folder, replace_json
from tradespan.spool.layout import (
    HEADER_SIZE,
    SegmentHeader,
    pack_end,
    pack_frame,
    pack_header,
    seed_of,
)
from tradespan.spool.names import SegmentName
from tradespan.wire.codec import encode_record

PARKED = "parked"


def park_batch(batch: Batch[Any], sink: str, reason: str, refused: int | None = None) -> list[Path]:
    """Write a refused batch down, one file a slice, durably, with the reason in a `.json` beside.

    `refused`: how many of its records the sink said it refused, if not all.

    Raises:
        OSError, SpoolUnavailable: It cannot be written, and nothing of it was; the batch must then
            not be acknowledged.
    """
    folder = private_folder(Path(batch.folder) / PARKED)
    folder = private_folder(folder / sink)
    paths: list[Path] = []
    together = os.urandom(8).hex()
    try:
        for part in batch.slices:
            writer = os.urandom(16)
            path = folder / str(SegmentName(time.time_ns(), writer.hex(), part.origin.lane, 1))
            paths += [path, path.with_suffix(".json")]
            _write(path, writer, part, batch.kind)
            facts = {
                "reason": reason,
                "records": len(part.records),
                # Of the whole batch, if the sink refused some: which ones, it did not say.
                "refused": len(part.records) if refused is None else refused,
                "batch": together,
                "time": time.time(),
                "sink": sink,
                "writer": part.origin.writer,
                "segment": part.segment,
            }
            replace_json(path.with_suffix(".json"), facts)
    except BaseException:
        for path in paths:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        raise
    return paths[::2]


def _write(path: Path, writer: bytes, part: Slice[Any], kind: Kind) -> None:
    lane = int(part.origin.lane)
    checked = CRC32, seed_of(writer)
    frames = [pack_frame(0, Kind.RESOURCE, lane, encode_record(part.origin.resource), *checked)]
    numbers = {getattr(record, "site", 0) for record in part.records}
    frames += [
        pack_frame(0, Kind.SITE, lane, encode_record(site), *checked)
        for number, site in part.sites.items()
        if number in numbers
    ]
    frames += [
        pack_frame(place, kind, lane, encode_record(record), *checked)
        for place, record in enumerate(part.records, start=1)
    ]
    body = b"".join(frames)
    body += pack_end(HEADER_SIZE + len(body), lane, *checked)
    name = SegmentName.parse(path.name)
    assert name is not None
    header = SegmentHeader(
        writer=writer,
        lane=lane,
        ordinal=name.ordinal,
        process_id=os.getpid(),
        process_start=process_start(os.getpid()),
        created=name.created,
        created_monotonic=time.monotonic_ns(),
        capacity=HEADER_SIZE + len(body),
        closed=True,
        seed=checked[1],
    )
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pack_header(header) + body)
        file.flush()
        os.fsync(file.fileno())
