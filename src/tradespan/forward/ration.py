"""What earlier runs left is delivered at a bounded rate: what happens now goes beside it."""

from __future__ import annotations

import time
from collections.abc import Callable

from tradespan.forward.orphans import is_orphan
from tradespan.spool.folder import RunFolder


class Ration:
    """A courier's: so many records a second, of all folders together that were left."""

    def __init__(
        self,
        rate: float | None,
        *,
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`rate`: records a second; None: without limit."""
        self._rate = rate
        self._now = now
        self._began = wall()
        self._left: dict[str, tuple[object, bool]] = {}
        """Folder → when the run began that it was seen with, and whether that one was left."""
        self._allowed = rate or 0.0
        self._filled = now()

    def is_spent(self, folder: RunFolder) -> bool:
        """Whether a folder has to wait: it was left by an earlier run, and its second is used."""
        if self._rate is None or not self._was_left(folder):
            return False
        now = self._now()
        # A second's worth at most: after a silence of hours no burst is due.
        self._allowed = min(self._allowed + (now - self._filled) * self._rate, self._rate)
        self._filled = now
        return self._allowed <= 0

    def spend(self, folder: RunFolder, records: int) -> None:
        """Count what was read of a folder."""
        if self._rate is not None and self._was_left(folder):
            self._allowed -= records

    def _was_left(self, folder: RunFolder) -> bool:
        """Whether its run was over before we began, as it was when we met it first."""
        key, run = str(folder.path), folder.description.get("pid_start")
        known = self._left.get(key)
        if known is None or known[0] != run:  # the latter: another run has begun in the folder
            # A bot that lives and has recorded nothing yet has no page.
            alive = folder.ended is None and not is_orphan(folder)
            was_left = not alive and folder.changed < self._began * 1e9
            known = self._left[key] = run, was_left
        return known[1]
