"""Make a record fit into a frame: the longest values are cut, and marked.

Only what the user gave is cut: names, attributes, captured values, messages, text in events and
links. The shape that a reader relies on (`core/records.py`) stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tradespan.core.records import MAX_RECORD_BYTES

MARK = "… [cut by tradespan: the record was over 1 MiB]"
_ROOMS = (MAX_RECORD_BYTES, 65_536, 16_384, 4_096, 1_024, 256)
"""Bytes that one value may take; the first that makes the record fit is used."""
_NAME, _HELD, _ARGUMENTS, _RESULT, _MESSAGE, _EVENTS, _LINKS, _STATE, _DROPPED = range(7, 16)
_MOST_EVENTS = 32
_LOG_TEXTS, _LOG_HELD, _LOG_DROPPED = (4, 5, 10), 6, 11
"""Of a log record: severity's text, body and event's name; its attributes; how many it lost."""
_encode = msgspec.msgpack.Encoder(enc_hook=str).encode


def cut_to_fit(record: Sequence[Any], most: int = MAX_RECORD_BYTES) -> list[Any]:
    """A span's record (`core.records.Span`, fields in order) that takes `most` bytes encoded."""
    fields = list(record)
    for room in _ROOMS:
        cut = _cut_record(fields, room)
        if len(_encode(cut)) <= most:
            return cut
    # Thousands of attributes, or events with long tracebacks: their number is what is too much.
    cut = _cut_record(_thinned(fields), _ROOMS[-1])
    return cut if len(_encode(cut)) <= most else cut[:_NAME]


def cut_log_to_fit(record: Sequence[Any], most: int = MAX_RECORD_BYTES) -> list[Any]:
    """A log record (`core.records.LogRecord`, fields in order) that takes `most` bytes encoded."""
    fields = list(record)
    for room in _ROOMS:
        cut = _cut_log(fields, room)
        if len(_encode(cut)) <= most:
            return cut
    thin = [*fields, *[None] * (_LOG_DROPPED + 1 - len(fields))]
    held = thin[_LOG_HELD] or {}
    thin[7:_LOG_DROPPED] = [
        default if value is None else value
        for value, default in zip(thin[7:_LOG_DROPPED], (b"", 0, 0, ""), strict=True)
    ]
    thin[_LOG_DROPPED] = (thin[_LOG_DROPPED] or 0) + max(len(held) - _MOST_EVENTS, 0)
    thin[_LOG_HELD] = dict(list(held.items())[:_MOST_EVENTS])
    return _cut_log(thin, _ROOMS[-1])


def _cut_log(fields: list[Any], room: int) -> list[Any]:
    cut = list(fields)
    for place in _LOG_TEXTS:
        if place < len(cut):
            cut[place] = cut_value(cut[place], room)
    if len(cut) > _LOG_HELD and cut[_LOG_HELD]:
        cut[_LOG_HELD] = _cut_members(cut[_LOG_HELD], room)
    return cut


def _cut_record(fields: list[Any], room: int) -> list[Any]:
    cut = list(fields)
    for place in (_NAME, _RESULT, _MESSAGE, _STATE):
        if place < len(cut):
            cut[place] = cut_value(cut[place], room)
    for place in (_HELD, _ARGUMENTS):
        if place < len(cut) and cut[place]:
            cut[place] = _cut_members(cut[place], room)
    if len(cut) > _EVENTS and cut[_EVENTS]:
        cut[_EVENTS] = [_cut_event(event, room) for event in cut[_EVENTS]]
    if len(cut) > _LINKS and cut[_LINKS]:
        cut[_LINKS] = [[*link[:2], _cut_members(link[2], room), *link[3:]] for link in cut[_LINKS]]
    return cut


def _thinned(fields: list[Any]) -> list[Any]:
    """The newest events and links, the first attributes; what is left out counts as dropped."""
    thin = [*fields, *[None] * (_DROPPED + 1 - len(fields))]
    dropped = list(thin[_DROPPED] or (0, 0, 0))
    if thin[_HELD] and len(thin[_HELD]) > _MOST_EVENTS:
        dropped[0] += len(thin[_HELD]) - _MOST_EVENTS
        thin[_HELD] = dict(list(thin[_HELD].items())[:_MOST_EVENTS])
    for number, place in ((1, _EVENTS), (2, _LINKS)):
        if thin[place] and len(thin[place]) > _MOST_EVENTS:
            dropped[number] += len(thin[place]) - _MOST_EVENTS
            thin[place] = thin[place][-_MOST_EVENTS:]
    thin[_MESSAGE], thin[_STATE] = thin[_MESSAGE] or "", thin[_STATE] or ""
    thin[_DROPPED] = dropped
    return thin


def _cut_event(event: Sequence[Any], room: int) -> list[Any]:
    name, time, attributes, failure, *rest = event
    failure = None if failure is None else _cut_failure(failure, room)
    return [cut_value(name, room), time, _cut_members(attributes, room), failure, *rest]


def _cut_failure(failure: Sequence[Any], room: int) -> list[Any]:
    name, message, frames, cause, context, members, escaped, *notes = failure
    return [
        cut_value(name, room),
        cut_value(message, room),
        [[cut_value(fact, room) for fact in frame] for frame in frames],
        None if cause is None else _cut_failure(cause, room),
        None if context is None else _cut_failure(context, room),
        [_cut_failure(member, room) for member in members],
        escaped,
        *[cut_value(texts, room) for texts in notes],
    ]


def _cut_members(values: Any, room: int) -> Any:
    if isinstance(values, dict):
        return {cut_value(key, room): cut_value(value, room) for key, value in values.items()}
    return [cut_value(value, room) for value in values]


def cut_value(value: Any, room: int) -> Any:
    """A copy of one value whose texts, lists and maps share `room` bytes fairly.

    Each level splits its room among its members, so that the result is bounded whatever the shape.
    """
    if isinstance(value, str):
        return value if len(value) * 4 <= room else value[: room // 4] + MARK
    if isinstance(value, bytes):
        return value[:room]
    if isinstance(value, dict):
        items = list(value.items())[: room // 256 or 1]
        share = room // (2 * len(items) or 1)
        return {cut_value(key, share): cut_value(item, share) for key, item in items}
    if isinstance(value, list | tuple):
        members = value[: room // 128 or 1]
        share = room // (len(members) or 1)
        return [cut_value(item, share) for item in members]
    return value
