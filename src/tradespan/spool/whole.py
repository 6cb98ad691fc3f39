"""A segment that is written at once, by somebody else than the process whose records it holds."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from tradespan.core.process import process_start
from tradespan.core.records import Kind
from tradespan.spool.layout import PayloadTooLong, SegmentHeader, pack_end, pack_frame, pack_header
from tradespan.spool.names import SegmentName

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


def write_segment(
    folder: Path,
    name: SegmentName,
    resource: bytes,
    sites: Iterable[bytes],
    records: Iterable[tuple[Kind, bytes]],
) -> Path:
    """Write a closed segment under a hidden name; whoever renames it to `name` publishes it.

    All payloads are encoded. A site that is longer than a frame may be is left out.

    Returns:
        The hidden file.

    Raises:
        OSError: It cannot be written.
        PayloadTooLong: A record is over 1 MiB.
    """
    frames = [pack_frame(0, Kind.RESOURCE, name.lane, resource)]
    for site in sites:
        with suppress(PayloadTooLong):
            frames.append(pack_frame(0, Kind.SITE, name.lane, site))
    frames += [
        pack_frame(sequence, kind, name.lane, payload)
        for sequence, (kind, payload) in enumerate(records, start=1)
    ]
    header = SegmentHeader(
        writer=bytes.fromhex(name.writer),
        lane=name.lane,
        ordinal=name.ordinal,
        process_id=os.getpid(),
        process_start=process_start(os.getpid()),
        created=name.created,
        created_monotonic=0,
        capacity=0,
        closed=True,
    )
    body = pack_header(header) + b"".join(frames)
    hidden = folder / f".{name}"
    with suppress(FileNotFoundError):  # one that was interrupted has left it
        os.unlink(hidden)
    try:
        with os.fdopen(os.open(hidden, _FLAGS, 0o600), "wb") as file:
            file.write(body + pack_end(len(body), name.lane))
    except BaseException:
        hidden.unlink(missing_ok=True)
        raise
    return hidden
