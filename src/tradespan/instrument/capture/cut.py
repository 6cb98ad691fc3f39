"""Make a record fit into a frame: the longest values are cut, and marked."""

from __future__ import annotations

from typing import Any

from tradespan.core.records import MAX_RECORD_BYTES

MARK = "… [cut by tradespan: the record was over 1 MiB]"


def cut_to_fit(value: Any, room: int = MAX_RECORD_BYTES // 2) -> Any:
    """A copy of a record whose texts, lists and maps share `room` bytes fairly.

    Each level splits its room among its members, so that the result is bounded whatever the shape.
    """
    if isinstance(value, str):
        return value if len(value) * 4 <= room else value[: room // 4] + MARK
    if isinstance(value, bytes):
        return value[:room]
    if isinstance(value, dict):
        items = list(value.items())[: max(room // 64, 1)]
        share = room // max(len(items), 1)
        return {cut_to_fit(key, share): cut_to_fit(item, share) for key, item in items}
    if isinstance(value, (list, tuple)):
        members = value[: max(room // 64, 1)]
        large = sum(not isinstance(item, (int, float, bool, type(None))) for item in members)
        share = room // max(large, 1)
        return [cut_to_fit(item, share) for item in members]
    return value
