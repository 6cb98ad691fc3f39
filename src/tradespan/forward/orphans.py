"""Whether a run is over although nobody said so."""

from __future__ import annotations

import time

from tradespan.core.process import is_alive
from tradespan.spool.folder import RunFolder
from tradespan.spool.names import is_agents

_BEGINNING = 60.0
"""Seconds in which a run says who it is. One that was killed before, or had no space to, never
does, and an agent would wait for it for good."""


def is_orphan(folder: RunFolder) -> bool:
    """Whether a run's bot is gone and nobody said so (its supervisor was killed)."""
    told = folder.description
    for key in ("pid", "supervisor"):
        process = int(as_number(told.get(key)))
        if process > 0 and is_alive(process, int(as_number(told.get(f"{key}_start")))):
            return False
    # A process id says nothing across containers; a lock does.
    pages = [page for page in folder.pages() if not is_agents(page.writer)]
    has_begun = "pid" in told or bool(pages) or time.time() - folder.changed / 1e9 > _BEGINNING
    return has_begun and not any(page.alive for page in pages)


def as_number(value: object) -> float:
    """A number out of a file that may hold anything; 0 if it is none."""
    return value if isinstance(value, int | float) and abs(value) < 1e300 else 0.0
