"""What an agent asks of the reading of metric pages: for runs whose metrics somebody takes only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tradespan.core.guard import guarded
from tradespan.forward.leftovers import remove_unfinished
from tradespan.forward.pagereader import PageReader, Served
from tradespan.forward.post import Destination
from tradespan.pages.folding import fold_dead_pages
from tradespan.spool.folder import RunFolder


class Metering:
    """Of one agent. Used by its main loop, under its lock."""

    reader: PageReader | None = None
    """None: nobody reads pages."""

    def __init__(
        self,
        wanted: Callable[[RunFolder], list[Destination]],
        is_live: Callable[[RunFolder], bool],
    ) -> None:
        """`wanted`: a run's destinations. `is_live`: whether it goes on."""
        self._wanted = wanted
        self._is_live = is_live

    def work(self, folders: list[RunFolder]) -> None:
        """A step of what is due."""
        if self.reader is not None:
            self.reader.work(list(self._served(folders)))

    def finish(self, folder: RunFolder, leaving: int = 0) -> bool:
        """A step of a run's last reading. Returns whether all of it is recorded; also if nobody
        takes it, or it failed: nobody waits for it without end.
        """
        with guarded("last metrics"):
            return (
                not self._takers(folder)
                or self.reader is None
                or (self.reader.finish(folder, leaving))
            )
        return True

    def unread(self, folder: RunFolder) -> list[Path]:
        """Metric pages of processes that have outlived their run; none if nobody takes metrics."""
        if self.reader is None or not self._takers(folder):
            return []
        return self.reader.unread(folder)

    def read_now(self, folder: RunFolder) -> None:
        """Record what a run counts at this moment, due or not."""
        with guarded("metrics"):
            if self.reader is not None and self._takers(folder):
                self.reader.read_now(folder)

    def fold(self, folder: RunFolder) -> None:
        """Add up the metric pages of workers that are gone, if many; remove what they left."""
        with guarded(f"leftovers: {folder.path.name}"):
            remove_unfinished(folder)
        with guarded(f"metric pages: {folder.path.name}"):
            fold_dead_pages(
                folder.path, folder.metric_pages, may_fold=partial(self._may_fold, folder)
            )

    def close(self) -> None:
        """The agent ends."""
        if self.reader is not None:
            self.reader.close()

    def _may_fold(self, folder: RunFolder, writer: str) -> bool:
        reader = self.reader
        return reader is None or not self._takers(folder) or reader.may_fold(folder, writer)

    def _takers(self, folder: RunFolder) -> frozenset[Destination]:
        """The folder's destinations that take metrics."""
        reader = self.reader
        if reader is None:
            return frozenset()
        return frozenset(each for each in self._wanted(folder) if reader.takes(each))

    def _served(self, folders: list[RunFolder]) -> Iterator[Served]:
        for folder in folders:
            if takers := self._takers(folder):
                yield Served(folder, takers, partial(self._is_live, folder))
