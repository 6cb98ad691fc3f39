"""Destinations that whoever runs an agent names, beside those that a run named when it began.

They are kept in the run's folder (`destinations.json`), so that the books, and an agent that comes
later without being told, know of them.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from tradespan.forward.post import Destination
from tradespan.spool.folder import DESTINATIONS, RunFolder, replace_json

logger = logging.getLogger("tradespan")


@dataclass(slots=True)
class Directions:
    """What an agent's command line says of all runs that it serves."""

    added: list[Destination]
    """Each run goes there, too."""
    dropped: frozenset[str] = frozenset()
    """Kinds of destinations that runs name and that are not served: `store`."""
    _left: set[str] = field(default_factory=set)
    """Folders that came too late, said once."""

    def apply(self, folder: RunFolder) -> None:
        """Note in a run's folder where it goes by now.

        A run of which segments are delivered and gone goes nowhere else: a destination that is new
        would miss them, and its books would call them lost.

        Raises:
            OSError: The folder cannot be written.
        """
        told = folder.description.get("destinations")
        pairs = [tuple(pair) for pair in told if len(pair) == 2] if isinstance(told, list) else []
        before = [Destination(str(kind), str(address)) for kind, address in pairs]
        kept = [each for each in before if each.kind not in self.dropped]
        wanted = list(dict.fromkeys([*kept, *self.added]))
        if wanted == before or str(folder.path) in self._left:
            return
        if not is_whole(folder):
            self._left.add(str(folder.path))
            logger.warning("run %s goes where it went: part of it is gone", folder.path.name)
            return
        replace_json(folder.path / DESTINATIONS, {"destinations": wanted})


def is_whole(folder: RunFolder) -> bool:
    """Whether every segment that was ever begun in a run's folder is there still."""
    first = {name.row for name in folder.segments() if name.ordinal == 1}
    rows = {name.row for name in folder.segments()}
    for page in folder.pages():
        for letter, lane in zip("oe", page.lanes, strict=True):
            if lane.acknowledged > lane.in_memory + lane.overflow:
                rows.add(f"{page.writer}-{letter}")
    return rows <= first
