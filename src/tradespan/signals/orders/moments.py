"""Moments of a journey, and the legs between them.

Event time counts where the caller gave it for both ends, else this machine's monotonic clock; the
two are never mixed. A leg whose end lies before its begin has no length, and is absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class Moment(NamedTuple):
    """When something was, by three clocks."""

    ts: int | None = None
    """Event time, nanoseconds UTC, as the caller gave it."""
    mono: float | None = None
    """This machine's monotonic clock, seconds; None while a backtest plays the past."""
    wall: int = 0
    """This machine's wall clock, nanoseconds UTC."""

    @property
    def ns(self) -> int:
        """For people: event time if there is one."""
        return self.wall if self.ts is None else self.ts


LEGS: Final[dict[str, tuple[str, str]]] = {
    "tick_to_decision": ("tick", "decision"),
    "decision_to_check": ("decision", "check"),
    "check_to_submit": ("check", "submit"),
    "decision_to_submit": ("decision", "submit"),
    "tick_to_submit": ("tick", "submit"),
    "submit_to_ack": ("submit", "ack"),
    "ack_to_fill": ("ack", "fill"),
    "submit_to_fill": ("submit", "fill"),
    "tick_to_fill": ("tick", "fill"),
    "first_to_last_fill": ("fill", "last_fill"),
    "cancel_to_cancelled": ("cancel_request", "cancelled"),
}
"""Leg → its two stages; `fill` is the first one."""
AT_END: Final = "first_to_last_fill"
"""The leg that is known when the order has ended."""


def seconds_between(begin: Moment, end: Moment) -> float | None:
    """How long from one moment to another; None: it cannot be said."""
    if begin.ts is not None and end.ts is not None:
        found = (end.ts - begin.ts) / 1e9
    elif begin.mono is not None and end.mono is not None:
        found = end.mono - begin.mono
    else:
        return None
    return found if found >= 0 else None


def legs_between(stages: Mapping[str, Moment], *, several: bool) -> dict[str, float]:
    """All legs that can be measured, in seconds. `several`: whether there were several fills."""
    found = {}
    for leg, (begin, end) in LEGS.items():
        if begin in stages and end in stages and (several or leg != AT_END):
            seconds = seconds_between(stages[begin], stages[end])
            if seconds is not None:
                found[leg] = seconds
    return found
