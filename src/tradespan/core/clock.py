"""The two clocks: wall for stamps, monotonic for durations. Injected: tests can step them."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Nanoseconds since 1970 (UTC), and nanoseconds that never go back."""

    def wall(self) -> int:
        """Wall-clock nanoseconds since 1970-01-01 UTC; may step."""
        ...

    def monotonic(self) -> int:
        """Monotonic nanoseconds since an arbitrary moment; never steps."""
        ...


class SystemClock:
    """The operating system's clocks."""

    wall = staticmethod(time.time_ns)
    monotonic = staticmethod(time.monotonic_ns)


def wall_offset(clock: Clock) -> int:
    """Nanoseconds to add to a monotonic reading to get the wall clock's.

    The wall clock is read between two monotonic readings, and the closest of three tries counts, so
    that a thread switch in between does not shift every span of the next second.
    """
    best = None
    for _ in range(3):
        before = clock.monotonic()
        wall = clock.wall()
        after = clock.monotonic()
        if best is None or after - before < best[0]:
            best = (after - before, wall - (before + after) // 2)
    assert best is not None
    return best[1]
