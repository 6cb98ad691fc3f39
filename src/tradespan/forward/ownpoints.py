"""The agent's own instruments as points, and its heartbeat."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from tradespan.core.records import Resource
from tradespan.declare.instruments import TRADESPAN_AGENT_HEARTBEAT
from tradespan.forward.gathering import metric_of
from tradespan.forward.measures import Reading
from tradespan.forward.writerpoints import ENDS_AFTER, Told
from tradespan.spool.folder import RunFolder
from tradespan.wire.measured import Labels, Metric, Point

HEARTBEAT: Final = metric_of(TRADESPAN_AGENT_HEARTBEAT)


class OwnPoints:
    """Of one agent. Its counters have no start: what they count began before it did."""

    def __init__(self, resource: Resource, read: Callable[[], Iterable[Reading]]) -> None:
        """`resource`: the same over restarts, so that the agent's series go on. `read`: what the
        last look at the books gave.
        """
        self.resource = resource
        self._read = read
        self._read_at = 0
        self._counters: set[tuple[Metric, Labels]] = set()
        self._gauges: list[tuple[Metric, Labels]] = []
        self._folders: set[str] = set()

    def read(self, folders: list[RunFolder], now: int) -> list[Told]:
        """The points now (nanoseconds, UTC), in the order in which they go: a new counter's zero is
        among them, but for those that were there when the agent began.
        """
        self._folders = {str(folder.path) for folder in folders}
        points: list[Told] = [(HEARTBEAT, Point((), 0, now, now / 1e9))]
        zeros: list[Told] = []
        gauges: list[tuple[Metric, Labels]] = [(HEARTBEAT, ())]
        known = set(self._counters)
        for instrument, labels, value in sorted(self._read(), key=lambda each: each[0].name):
            metric = metric_of(instrument)
            points.append((metric, Point(labels, 0, now, value)))
            if metric.kind != "counter":
                gauges.append((metric, labels))
                continue
            self._counters.add((metric, labels))
            if self._read_at and (metric, labels) not in known:
                zeros.append((metric, Point(labels, 0, self._read_at, 0)))
        removed = set(self._gauges) - set(gauges)
        points += [(metric, Point(labels, 0, now, None)) for metric, labels in sorted(removed)]
        self._gauges, self._read_at = gauges, now
        return zeros + points

    def current(self, now: int) -> Iterator[Told]:
        """The points of a scraper: values alone. May be asked by any thread."""
        for instrument, labels, value in self._read():
            yield metric_of(instrument), Point(labels, 0, now, value)

    def end(self, folder: RunFolder, now: int) -> list[Told]:
        """A run is over by which they travelled: they have no value until the next one, so that
        nobody takes an agent that rests for one that died.
        """
        if str(folder.path) not in self._folders:
            return []
        self._folders = set()
        return [
            (metric, Point(labels, 0, now + ENDS_AFTER, None)) for metric, labels in self._gauges
        ]
