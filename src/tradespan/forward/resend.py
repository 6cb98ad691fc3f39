"""Sends dead letters again, by hand: what was wrong with them may have been the receiver."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tradespan.core.delivery import Accepted, Batch, Parked, Sink, Slice, Split
from tradespan.core.errors import SpoolError
from tradespan.core.records import Kind
from tradespan.forward.amends import Amender
from tradespan.forward.cutting import halve
from tradespan.forward.letters import Letter
from tradespan.spool.folder import RunFolder, read_json, replace_json
from tradespan.spool.reader import SegmentReader

Decode = Callable[[bytes], Any]


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a letter."""

    accepted: int
    """Records that had been refused, and are not any more."""
    refused: int
    """Records that are refused again, and stay."""
    reason: str = ""
    stopped: bool = False
    """The sink takes nothing now: there is no use in trying the next letter."""


def resend(
    folder: RunFolder,
    letter: Letter,
    sink: Sink[Any],
    decoders: Mapping[Kind, Decode],
    amender: Amender,
) -> Sent:
    """Deliver a letter once more. What is accepted leaves the dead letter, and counts as accepted.

    Raises:
        OSError: The folder cannot be read or written: the letter stays as it was.
    """
    try:
        batch = read_letter(folder, letter, decoders)
    except SpoolError as error:
        return Sent(0, letter.refused, str(error))
    refused, reason, stopped = _deliver(sink, batch)
    if stopped:
        return Sent(0, letter.refused, reason, stopped=True)
    refused = min(refused, letter.refused)
    accepted = letter.refused - refused
    if refused == 0:
        amender.settle(letter.sink, letter.files, resent=accepted)
        return Sent(accepted, 0)
    if accepted:
        amender.settle(letter.sink, [], resent=accepted)
    _note(letter, refused, reason)
    return Sent(accepted, refused, reason)


def read_letter(folder: RunFolder, letter: Letter, decoders: Mapping[Kind, Decode]) -> Batch[Any]:
    """The batch that was refused.

    Raises:
        SpoolError: A file of it is damaged, or of a later version.
        OSError: It cannot be read.
    """
    slices: list[Slice[Any]] = []
    kinds: set[Kind] = set()
    for path in letter.paths:
        reader = SegmentReader(path)
        try:
            part, kind = _read_part(reader, decoders)
        finally:
            reader.close()
        slices.append(replace(part, segment=path.name))
        kinds.add(kind)
    if len(kinds) != 1:
        raise SpoolError(f"{letter.paths[0]} holds records of several kinds")
    return Batch(str(folder.path), kinds.pop(), slices)


def _read_part(reader: SegmentReader, decoders: Mapping[Kind, Decode]) -> tuple[Slice[Any], Kind]:
    records: list[Any] = []
    kinds: set[int] = set()
    offset, highest = 0, 0
    while True:
        stretch = reader.read(offset)
        for raw in stretch.records:
            kinds.add(raw.kind)
            if raw.kind not in decoders:
                raise SpoolError(f"{reader.path} holds records of kind {raw.kind}")
            try:
                records.append(decoders[Kind(raw.kind)](raw.payload))
            except Exception as error:
                raise SpoolError(f"{reader.path}: record {raw.sequence}: {error}") from error
            highest = max(highest, raw.sequence)
        if stretch.finished or stretch.end <= max(offset, stretch.start):
            break
        offset = stretch.end
    if reader.damaged_bytes or len(kinds) != 1:
        # Sent without what is damaged, it would count as sent whole.
        raise SpoolError(f"{reader.path} is damaged")
    part = Slice(reader.origin, reader.sites, records, reader.path.name, stretch.end, highest)
    return part, Kind(kinds.pop())


def _deliver(sink: Sink[Any], batch: Batch[Any]) -> tuple[int, str, bool]:
    """(records refused, reason, whether the sink takes nothing now)."""
    pieces = deque([batch])
    refused, reason = 0, ""
    while pieces:
        piece = pieces.popleft()
        outcome = sink.deliver(piece)
        if isinstance(outcome, Accepted):
            continue
        if isinstance(outcome, Split) and piece.count > 1:
            pieces.extendleft(reversed(halve(piece)))
            continue
        if not isinstance(outcome, Split | Parked):
            return 0, outcome.reason, True
        told = outcome.count if isinstance(outcome, Parked) else None
        refused += piece.count if told is None else min(told, piece.count)
        reason = outcome.reason
    return refused, reason, False


def _note(letter: Letter, refused: int, reason: str) -> None:
    """Say beside a letter that was refused again how much of it was, and why."""
    for path in letter.paths:
        facts = read_json(path.with_suffix(".json")) or {}
        # Of the whole batch, as `park_batch` tells it.
        facts |= {"reason": reason, "refused": refused}
        if refused == letter.records:
            facts["refused"] = facts.get("records", refused)
        replace_json(path.with_suffix(".json"), facts)
