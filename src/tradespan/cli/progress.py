"""How far something is that takes longer than two seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

from tradespan.cli.render import draw_bar

AFTER = 2.0
"""Seconds without a word: most of what is asked for is done by then."""
AGAIN = 0.1
"""Seconds between two pictures in a terminal."""
AGAIN_PIPED = 10.0
"""Seconds between two lines in a file."""
_WIDTH = 30


class Progress:
    """On a terminal a bar that leaves nothing behind; elsewhere a line now and then. On stderr."""

    def __init__(
        self,
        what: str,
        total: int,
        *,
        unit: str = "",
        stream: TextIO | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`what` is done: `reading`. `total`: what 100 % is. `unit`: of what, if it is counted."""
        self._what = what
        self._total = max(total, 1)
        self._unit = unit
        self._stream = sys.stderr if stream is None else stream
        self._now = now
        self._next = now() + AFTER
        self._done = 0
        self._shown = False

    def advance(self, amount: int) -> None:
        """So much more is done."""
        self._done += amount
        self._show()

    def remain(self, amount: int) -> None:
        """So much is left; more than ever before means that more has come."""
        self._total = max(self._total, amount)
        self._done = self._total - amount
        self._show()

    def close(self) -> None:
        """Take the bar away."""
        if self._shown:
            self._shown = False
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _show(self) -> None:
        now = self._now()
        if now < self._next:
            return
        done = min(self._done, self._total)
        share = 100 * done // self._total
        counted = f", {done:,} of {self._total:,} {self._unit}" if self._unit else ""
        if self._stream.isatty():
            self._next = now + AGAIN
            self._shown = True
            bar = draw_bar(0, done, self._total, _WIDTH).ljust(_WIDTH)
            self._stream.write(f"\r{self._what} {bar} {share:3d} %{counted}\x1b[K")
        else:
            self._next = now + AGAIN_PIPED
            self._stream.write(f"tradespan: {self._what}, {share} %{counted}\n")
        self._stream.flush()
