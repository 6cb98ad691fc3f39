"""The bar that shows itself late."""

from __future__ import annotations

from io import StringIO

import pytest

from tests.support.fakes import SteppingClock
from tradespan.cli.progress import AFTER, AGAIN_PIPED, Progress


class Screen(StringIO):
    """A terminal, or a file."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.fixture
def clock() -> SteppingClock:
    return SteppingClock()


def begin(screen: Screen, clock: SteppingClock, unit: str = "") -> Progress:
    return Progress("reading", 200, unit=unit, stream=screen, now=clock.seconds)


@pytest.mark.parametrize("terminal", [True, False])
def test_what_is_quick_is_not_spoken_of(clock: SteppingClock, terminal: bool) -> None:
    screen = Screen(terminal=terminal)
    progress = begin(screen, clock)
    clock.step(AFTER / 2)
    progress.advance(200)
    progress.close()
    assert screen.getvalue() == ""


def test_bar_shows_the_share_and_is_taken_away(clock: SteppingClock) -> None:
    screen = Screen(terminal=True)
    progress = begin(screen, clock)
    clock.step(AFTER + 0.1)
    progress.advance(50)
    shown = screen.getvalue()
    assert shown.startswith("\rreading ")
    assert " 25 %" in shown
    progress.advance(50)
    assert screen.getvalue() == shown, "not more often than somebody can read"
    progress.close()
    assert screen.getvalue() == f"{shown}\r\x1b[K"


def test_file_gets_a_line_now_and_then(clock: SteppingClock) -> None:
    screen = Screen(terminal=False)
    progress = begin(screen, clock, "records")
    clock.step(AFTER + 0.1)
    progress.remain(150)
    progress.remain(100)
    clock.step(AGAIN_PIPED + 0.1)
    progress.remain(20)
    progress.close()
    assert screen.getvalue().splitlines() == [
        "tradespan: reading, 25 %, 50 of 200 records",
        "tradespan: reading, 90 %, 180 of 200 records",
    ]


def test_more_that_comes_meanwhile_makes_the_whole_larger(clock: SteppingClock) -> None:
    screen = Screen(terminal=False)
    progress = begin(screen, clock, "records")
    clock.step(AFTER + 0.1)
    progress.remain(400)
    assert screen.getvalue() == "tradespan: reading, 0 %, 0 of 400 records\n"
