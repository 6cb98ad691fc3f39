"""The open-order table as files: its bytes, and what a reader finds in them.

One a process generation, `<writer>.orders`; FORMAT.md has the bytes. `pages/ordertable.py` writes.
Standard library only: the supervisor's run reads it too.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from tradespan.core.orders import OpenOrder
from tradespan.core.process import is_alive
from tradespan.pages.locks import read_with_lock

MAGIC = b"tsorders"
VERSION = 1
SUFFIX = ".orders"
HEADER_SIZE: Final = 512
SLOT_SIZE: Final = 512
TEXT_AT: Final = 56
TEXT_ROOM: Final = SLOT_SIZE - TEXT_AT
"""Bytes for the fields that are text."""
FIRST_FILE = 64 * 1024
LARGEST_FILE = 4 * 1024 * 1024
MOST_FILES = 7
MOST_OPEN: Final = 10_000
LONGEST_ID: Final = 64
"""Bytes of a `client_id`."""
OVERFLOW, UNWRITTEN, CLEAN, ADOPTED, HEIR = 8, 9, 10, 11, 12
"""Words of the header, by 8 bytes; the heir has two."""
OWNER_AT, OWNER_ROOM = 128, HEADER_SIZE - 128

BODY = struct.Struct("<HHqq16sQ")
"""Behind number and CRC: length of the text, 0, submitted, changed, trace id, span id."""
CRC_AT, BODY_AT = 8, 12
_HEADER = struct.Struct("<8sHHHHIIQQ16sIHH")
_WORDS = struct.Struct("<4Q16s12xI")
_SLOT = struct.Struct("<QIHHqq16sQ")
_U32 = struct.Struct("<I")
_FIELDS = 13
_WORD_ROOM = (LONGEST_ID, 48, 32, 24, 32, 32, 16, 24, 20, 32, 32, 32, 48)
"""Bytes of each field where all of them together do not fit."""
_NUMBERS = frozenset({9, 10, 11})
"""Places of fields that are cut to nothing: quantity, cumulative, price."""
_NAME = re.compile(r"(?P<writer>[0-9a-f]{32})\.orders(\.(?P<number>[2-9]))?")


class OrdersHeader(NamedTuple):
    """Whose table it is."""

    number: int
    """The file's, from 1."""
    process_id: int
    process_start: int
    slots: int
    created: int
    """Nanoseconds, UTC."""
    writer: bytes
    keep: int
    """Seconds that what is left is kept."""
    owner: bytes


class LeftOrders(NamedTuple):
    """The orders of one process, as read from its files."""

    path: Path
    """The first file."""
    writer: str
    """32 hex digits."""
    process_id: int
    process_start: int
    created: int
    """Nanoseconds, UTC; as all moments here."""
    alive: bool
    owner: bytes
    keep: int
    """Seconds that they are kept after the last sign of life."""
    ended: int
    """When the process said that it ends; 0: it did not."""
    adopted: int
    """When another process took them over; 0: none did."""
    heir: str
    """The writer that did, 32 hex digits; empty if none did."""
    overflow: int
    unwritten: int
    rows: list[OpenOrder]
    """The earliest first; those that were open when another process took them over."""

    @property
    def service(self) -> str:
        """`service.name`."""
        return self.owner.partition(b"\0")[0].decode("utf-8", "replace")

    @property
    def is_waiting(self) -> bool:
        """Whether these orders have no process that knows them."""
        return bool(self.rows) and not self.alive and not self.adopted


# ── bytes ───────────────────────────────────────────────────────────────────────────────────────


def pack_owner(service: str, namespace: str, mode: str) -> bytes:
    """Who may take over from whom: the same bytes."""
    return f"{service}\0{namespace}\0{mode}".encode("utf-8", "replace")[:OWNER_ROOM]


def pack_header(header: OrdersHeader) -> bytes:
    """The header's bytes, all words 0."""
    owner = header.owner[:OWNER_ROOM]
    fixed = _HEADER.pack(
        MAGIC,
        VERSION,
        HEADER_SIZE,
        SLOT_SIZE,
        header.number,
        header.process_id,
        header.slots,
        header.process_start,
        header.created,
        header.writer,
        header.keep,
        len(owner),
        0,
    )
    return fixed + bytes(60) + _U32.pack(zlib.crc32(owner, zlib.crc32(fixed))) + owner


def unpack_header(data: bytes) -> OrdersHeader | None:
    """None: it is not a whole header of this version."""
    if len(data) < HEADER_SIZE or not data.startswith(MAGIC):
        return None
    _, version, begin, size, number, process, slots, start, created, writer, keep, length, _ = (
        _HEADER.unpack_from(data)
    )
    owner = data[OWNER_AT : OWNER_AT + length]
    (checksum,) = _U32.unpack_from(data, OWNER_AT - 4)
    if checksum != zlib.crc32(owner, zlib.crc32(data[: _HEADER.size])):
        return None
    if (version, begin, size) != (VERSION, HEADER_SIZE, SLOT_SIZE):
        return None
    return OrdersHeader(number, process, start, slots, created, writer, keep, owner)


def pack_body(row: OpenOrder, number: int) -> bytes | None:
    """A slot's bytes from the CRC on; None: the order has an id that a table does not take.

    Raises:
        TypeError, struct.error: A field is of another kind, or a moment is beyond 64 bits.
    """
    text = "\0".join((*row[:12], row.pair_id)).encode("utf-8", "replace")
    if not 0 < text.find(b"\0") <= LONGEST_ID:
        return None
    if len(text) > TEXT_ROOM or text.count(b"\0") != _FIELDS - 1:
        text = _fit(row)
    body = BODY.pack(len(text), 0, row.submitted, row.changed, row.trace_id, row.span_id) + text
    return _U32.pack(zlib.crc32(body, number & 0xFFFFFFFF)) + body


def _fit(row: OpenOrder) -> bytes:
    parts = []
    for place, (field, room) in enumerate(zip((*row[:12], row.pair_id), _WORD_ROOM, strict=True)):
        part = field.replace("\0", "").encode("utf-8", "replace")
        if len(part) > room:
            cut = part[:room].decode("utf-8", "ignore").encode()
            part = b"" if place in _NUMBERS else cut
        parts.append(part)
    return b"\0".join(parts)


def unpack_slot(data: bytes, at: int) -> tuple[int, OpenOrder] | None:
    """(number, order) of a slot; None if it is free, or was being written."""
    number, checksum, length, _, submitted, changed, trace_id, span_id = _SLOT.unpack_from(data, at)
    end = at + TEXT_AT + length
    if not number or length > TEXT_ROOM or end > len(data):
        return None
    if zlib.crc32(data[at + BODY_AT : end], number & 0xFFFFFFFF) != checksum:
        return None
    fields = data[at + TEXT_AT : end].decode("utf-8", "replace").split("\0")
    if len(fields) != _FIELDS:
        return None
    *words, pair = fields
    row = OpenOrder._make((*words, submitted, changed, trace_id, span_id, pair))
    return number, row


# ── reading ─────────────────────────────────────────────────────────────────────────────────────


def tables_in(folder: Path, entries: Iterable[str] | None = None) -> list[Path]:
    """The first files of a folder's tables. `entries`: what is in it, if that is known."""
    if entries is None:
        try:
            entries = sorted(os.listdir(folder))
        except OSError:
            return []
    matches = ((entry, _NAME.fullmatch(entry)) for entry in entries)
    return [folder / entry for entry, match in matches if match and not match["number"]]


def is_orders_file(name: str) -> bool:
    """Whether a file of a run's folder is one of a table."""
    return _NAME.fullmatch(name) is not None


def file_of(first: Path, number: int) -> Path:
    """A table's file by its number, from 1."""
    return first if number == 1 else first.with_name(f"{first.name}.{number}")


def read_orders(path: Path) -> LeftOrders | None:
    """The table whose first file this is; None if it is not a whole one, or gone.

    Of a living process, an order that changes just now may be missing.
    """
    try:
        data, locked = read_with_lock(path, LARGEST_FILE)
    except OSError:
        return None
    header = unpack_header(data)
    if header is None or header.number != 1:
        return None
    overflow, unwritten, ended, adopted, heir, _ = _WORDS.unpack_from(data, 8 * OVERFLOW)
    found: dict[str, tuple[int, OpenOrder]] = {}
    for each in _slots_of(path, data, header):
        known = found.get(each[1].client_id)
        if known is None or known[0] < each[0]:
            found[each[1].client_id] = each
    rows = [row for _, row in found.values()]
    return LeftOrders(
        path=path,
        writer=header.writer.hex(),
        process_id=header.process_id,
        process_start=header.process_start,
        created=header.created,
        alive=is_alive(header.process_id, header.process_start) if locked is None else locked,
        owner=header.owner,
        keep=header.keep,
        ended=ended,
        adopted=adopted,
        heir=heir.hex() if adopted else "",
        overflow=overflow,
        unwritten=unwritten,
        rows=sorted(rows, key=lambda row: (row.submitted, row.client_id)),
    )


def _slots_of(path: Path, data: bytes, header: OrdersHeader) -> Iterator[tuple[int, OpenOrder]]:
    yield from _whole_slots(data, header.slots)
    for number in range(2, MOST_FILES + 1):
        try:
            data, _ = read_with_lock(file_of(path, number), LARGEST_FILE)
        except OSError:
            return
        further = unpack_header(data)
        if further is not None and further.writer == header.writer:
            yield from _whole_slots(data, further.slots)


def _whole_slots(data: bytes, slots: int) -> Iterator[tuple[int, OpenOrder]]:
    end = min(HEADER_SIZE + slots * SLOT_SIZE, len(data) - SLOT_SIZE + 1)
    for at in range(HEADER_SIZE, end, SLOT_SIZE):
        if data[at : at + 8] != bytes(8) and (found := unpack_slot(data, at)) is not None:
            yield found


def last_sign(left: LeftOrders) -> int:
    """When its process was alive last, as far as its files tell. Nanoseconds, UTC."""
    signs = [left.created, left.ended]
    with suppress(OSError):
        for entry in os.listdir(left.path.parent):
            if left.writer in entry and not entry.startswith("death-"):
                # A rename does not change it, nor does reading.
                with suppress(OSError):
                    signs.append((left.path.parent / entry).stat().st_mtime_ns)
    return max(signs)


def is_kept(path: Path, now: int) -> bool:
    """Whether a table keeps its folder: its process lives, or its orders have no process yet.

    `now`: nanoseconds, UTC.
    """
    left = read_orders(path)
    if left is None:
        return False
    return left.alive or (left.is_waiting and now - last_sign(left) < left.keep * 1_000_000_000)
