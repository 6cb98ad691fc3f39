"""The dead letter: what a sink refused for good, as segments of its own, with the reason beside.

A parked file is a segment (FORMAT.md) below `<run>/parked/<sink>/`, so that it is read and re-sent by
the same code as any other.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from tradespan.core.delivery import Batch, Slice
from tradespan.core.records import Kind
from tradespan.spool.folder import private_folder, replace_json
from tradespan.spool.layout import SegmentHeader, SegmentName, pack_frame, pack_header
from tradespan.wire.codec import encode_record


def park_batch(batch: Batch[Any], sink: str, reason: str) -> list[Path]:
    """Write a refused batch down, one file a slice, durably, with the reason in a `.json` beside.

    Raises:
        OSError: It cannot be written; the batch must then not be acknowledged.
    """
    folder = private_folder(Path(batch.folder) / "parked")
    folder = private_folder(folder / sink)
    paths = []
    for part in batch.slices:
        path = _write(folder, part, batch.kind)
        replace_json(
            path.with_suffix(".json"),
            {"reason": reason, "records": len(part.records), "time": time.time(), "sink": sink},
        )
        paths.append(path)
    return paths


def _write(folder: Path, part: Slice[Any], kind: Kind) -> Path:
    lane = int(part.origin.lane)
    frames = [pack_frame(0, Kind.RESOURCE, lane, encode_record(part.origin.resource))]
    numbers = {getattr(record, "site", 0) for record in part.records}
    frames += [
        pack_frame(0, Kind.SITE, lane, encode_record(site))
        for number, site in part.sites.items()
        if number in numbers
    ]
    frames += [
        pack_frame(place, kind, lane, encode_record(record))
        for place, record in enumerate(part.records, start=1)
    ]
    body = b"".join(frames)
    header = SegmentHeader(
        writer=bytes.fromhex(part.origin.writer),
        lane=lane,
        ordinal=1,
        process_id=os.getpid(),
        process_start=0,
        created=time.time_ns(),
        created_monotonic=time.monotonic_ns(),
        capacity=len(body),
    )
    path = folder / str(SegmentName(header.created, part.origin.writer, lane, 1))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pack_header(header) + body)
        file.flush()
        os.fsync(file.fileno())
    return path
