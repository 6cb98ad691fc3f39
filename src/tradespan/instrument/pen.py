"""What a span needs of whoever records it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


@dataclass(frozen=True, slots=True)
class SpanLimits:
    """How much one span may hold; None: no limit. Defaults are the specification's."""

    attributes: int | None = 128
    events: int | None = 128
    links: int | None = 128
    event_attributes: int | None = 128
    link_attributes: int | None = 128
    attribute_length: int | None = None
    """Characters of a text among a span's attributes."""
    nested_length: int | None = None
    """Characters of a text among the attributes of its events and links."""


class Pen(Protocol):
    """The recorder, as its spans see it. Belongs to one process generation."""

    limits: SpanLimits
    offset: int
    """Nanoseconds from the monotonic to the wall clock."""
    anchor_until: int
    """Monotonic nanoseconds until which `offset` is good."""
    monotonic: Callable[[], int]
    bits: Callable[[int], int]
    """Random bits, for ids: 128 of a trace, 64 of a span."""
    root_flags: int
    """W3C trace flags of a root, in their place among a span's flags."""

    cells_of: Callable[[Any], Any]
    """Where the calls of a watched function are counted (`DurationCells`); None if they are not."""
    look_up: Callable[[Any], tuple[Any, bool]]
    """The same, and whether it will be so from now on."""
    finish_plain: Callable[[Any, int | None, Any], int | None]
    """End a span at `ended`, monotonic nanoseconds or now, and count its call in cells or nowhere.
    Returns None if its record is written or none is due; else when it ended, for `finish`."""

    fail_plain: Callable[[Any, int | None, Any, str, list[Any]], int | None] | None
    """The same for a call that raised: how its status is described, and the exception's event. None
    where there is no such way."""

    def anchor(self) -> None:
        """Compare the two clocks anew."""
        ...

    def announce(self, span: Any) -> None:
        """Write that a span has begun."""
        ...

    def finish(self, span: Any, end: int) -> None:
        """End a span and write its record; `end` is a reading of the monotonic clock."""
        ...
