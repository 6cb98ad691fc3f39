"""The offset between the two clocks."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from tradespan.core.clock import SystemClock, wall_offset


class SlowClock:
    """A thread switch (`pauses`, nanoseconds) comes after each reading of the monotonic clock."""

    def __init__(self, pauses: list[int]) -> None:
        self.now = 0
        self._pauses: Iterator[int] = iter(pauses)

    def wall(self) -> int:
        return self.now + 1_000_000

    def monotonic(self) -> int:
        now = self.now
        self.now += next(self._pauses, 0)
        return now


@given(st.permutations([0, 5_000_000, 9_000_000]))
def test_a_thread_switch_between_the_readings_does_not_shift_the_offset(order: list[int]) -> None:
    pauses = [pause for slow in order for pause in (slow, 0)]
    assert wall_offset(SlowClock(pauses)) == 1_000_000


def test_the_systems_clocks_agree_with_the_offset() -> None:
    clock = SystemClock()
    offset = wall_offset(clock)
    assert abs(clock.monotonic() + offset - clock.wall()) < 50_000_000
