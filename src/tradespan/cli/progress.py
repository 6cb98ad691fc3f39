"""How far something is that takes longer than two seconds: a bar on a terminal's stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

from tradespan.cli.render import draw_bar

AFTER = 2.0
"""Seconds without a word: most of what is asked for is done by then."""
_AGAIN = 0.1
"""Seconds between two pictures."""
_WIDTH = 30


class Progress:
    """A bar that shows itself late and leaves nothing behind. Piped, nothing is ever written."""

    def __init__(
        self,
        what: str,
        total: int,
        *,
        stream: TextIO | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`what`: before the bar, such as `reading`. `total`: what 100 % is, in any unit."""
        self._what = what
        self._total = max(total, 1)
        self._stream = sys.stderr if stream is None else stream
        self._now = now
        self._next = now() + AFTER
        self._done = 0
        self._shown = False

    def advance(self, amount: int) -> None:
        """So much more is done."""
        self.reach(self._done + amount)

    def reach(self, done: int) -> None:
        """So much is done in all."""
        self._done = min(max(done, 0), self._total)
        now = self._now()
        if now >= self._next and self._stream.isatty():
            self._next = now + _AGAIN
            self._shown = True
            bar = draw_bar(0, max(self._done, 1), self._total, _WIDTH).ljust(_WIDTH, "·")
            share = 100 * self._done // self._total
            self._stream.write(f"\r{self._what} {bar} {share:3d} %")
            self._stream.flush()

    def close(self) -> None:
        """Take the bar away."""
        if self._shown:
            self._shown = False
            self._stream.write("\r\x1b[K")
            self._stream.flush()
