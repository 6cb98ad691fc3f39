"""How late asyncio event loops call back, asked from outside: no code of the program is edited.

The loops that run are found where they run: in the frames of `run_forever`, or of the `Runner`
around it for loops that are written in C. Asking one is `call_soon_threadsafe`, which wakes it; a
loop that has not answered is not asked again, so that one that is blocked for a minute is late by a
minute, once.
"""

from __future__ import annotations

import asyncio
import sys
import weakref
from asyncio import AbstractEventLoop, base_events, runners
from collections.abc import Callable, Iterator
from time import monotonic_ns
from types import FrameType
from typing import Any, Final

from tradespan.core import guard

DEEPEST: Final = 200
"""Frames of a thread that are looked at, from its innermost one."""
_RUNNING: Final = (
    base_events.BaseEventLoop.run_forever.__code__,
    base_events.BaseEventLoop.run_until_complete.__code__,
)
_RUNNER: Final = runners.Runner.run.__code__


class Loops:
    """The event loops of the process, each asked at most once at a time."""

    def __init__(self, record: Callable[[float], object]) -> None:
        """`record`: told of each answer's lateness, in seconds, in the loop's thread."""
        self._record = record
        self._known: weakref.WeakSet[AbstractEventLoop] = weakref.WeakSet()
        self._asked: dict[int, int] = {}
        """By the loop's id, when it was asked and has not answered: monotonic nanoseconds."""

    def find(self) -> None:
        """Look which loops run now."""
        for loop in running_loops():
            self._known.add(loop)

    def ask(self) -> None:
        """Ask each loop that runs and owes no answer."""
        for loop in list(self._known):
            if loop.is_closed():
                self._known.discard(loop)
                self._asked.pop(id(loop), None)
            elif loop.is_running() and id(loop) not in self._asked:
                self._asked[id(loop)] = monotonic_ns()
                try:
                    loop.call_soon_threadsafe(self._answer, id(loop))
                except RuntimeError:  # closed meanwhile
                    self._asked.pop(id(loop), None)

    def known(self) -> list[AbstractEventLoop]:
        """Those that were found and not seen closed."""
        return list(self._known)

    def forget(self) -> None:
        """In a forked child: no loop of the parent's runs here."""
        self._known = weakref.WeakSet()
        self._asked = {}

    def _answer(self, which: int) -> None:
        """In the loop."""
        asked = self._asked.pop(which, None)
        if asked is not None:
            with guard.guarded("an event loop's lag"):
                self._record((monotonic_ns() - asked) / 1e9)


def running_loops() -> Iterator[AbstractEventLoop]:
    """The asyncio event loops that threads of this process run."""
    for innermost in list(sys._current_frames().values()):  # noqa: SLF001 - documented
        loop = _loop_of(innermost)
        if loop is not None:
            yield loop


def _loop_of(innermost: FrameType) -> AbstractEventLoop | None:
    frame: FrameType | None = innermost
    for _ in range(DEEPEST):
        if frame is None:
            return None
        code = frame.f_code
        found: Any = None
        if code in _RUNNING:
            found = frame.f_locals.get("self")
        elif code is _RUNNER:
            found = frame.f_locals["self"].get_loop()
        if isinstance(found, asyncio.AbstractEventLoop):
            return found
        frame = frame.f_back
    return None
