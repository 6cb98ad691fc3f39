"""The fields of a span, as a C struct where there is one: they are read and written in each call.

Two of the same: `SpanState` of `native/spans.c`, and the class here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tradespan.core import native

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext

    from tradespan.instrument.pen import Pen
    from tradespan.instrument.span import Extras
    from tradespan.pages.flights import Flights


class PureState:
    """The way in Python. What is set is set by whoever begins a span, in one go."""

    __slots__ = (
        "_context",
        "arguments",
        "began",
        "ended",
        "extras",
        "flags",
        "flights",
        "held",
        "name_set",
        "offset",
        "outer",
        "parent_id",
        "recorder",
        "result",
        "site",
        "slot",
        "span_id",
        "trace_key",
    )

    recorder: Pen
    site: int
    trace_key: bytes
    """The trace id, 16 bytes."""
    span_id: int
    parent_id: int
    offset: int
    """Nanoseconds from the monotonic to the wall clock, the same for all of a trace here."""
    flags: int
    """As `core.records.Span.flags`."""
    began: int
    """Monotonic nanoseconds."""
    ended: int | None
    """Monotonic nanoseconds, once ended."""
    name_set: str | None
    held: dict[str, Any] | None
    """Attributes."""
    arguments: list[Any] | None
    result: Any
    extras: Extras | None
    _context: SpanContext
    """Made when first asked for."""
    flights: Flights | None
    """Where it has a slot while it runs (`pages/flights.py`); None: nowhere."""
    slot: int
    """Which one."""
    outer: Any
    """What was current when this span became it: a span, a context, or None if it never did."""

    def __del__(self) -> None:
        flights: Any = getattr(self, "flights", None)
        if flights is not None:
            flights.lose(self)


if TYPE_CHECKING or native.module is None:  # noqa: SIM108 - mypy takes only this for a class
    SpanState = PureState
else:
    SpanState = native.module.SpanState
