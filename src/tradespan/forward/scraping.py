"""What `/metrics` tells: the pages of the runs that live, read when somebody asks.

The same points as those that are sent, but for whose they are: a scraper knows a run, not its
processes. Counters and histograms are those of all its processes together, also of those that are
gone, so that neither their sum nor their rate jumps when a worker ends. What is true only while a
process lives, gauges and up-down counters, is told of each living one, by its
`service.instance.id`. What a run that has ended counted last is told for a while: a scrape may
come minutes after its last increment.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

from tradespan.core.guard import guarded
from tradespan.forward.gathering import Functions, Gathered, add_series, gather
from tradespan.forward.ownpoints import HEARTBEAT, OwnPoints
from tradespan.forward.whose import find_resource
from tradespan.pages.measured import PageFacts
from tradespan.pages.readings import MetricReading, read_metric_pages
from tradespan.spool.folder import RunFolder
from tradespan.wire.measured import Distribution, Labels, Metric, Point
from tradespan.wire.prometheus_text import Exposition, Target, render

_LATE = ("gauge", "up_down_counter")
_INSTANCE = "service.instance.id"
STALE_AFTER = 300.0
"""Seconds for which a run that has ended is told of: in which Prometheus, too, takes a series for
one that goes on, so that every scraper has the time to see what was counted last."""
_NOBODY = PageFacts("0" * 32, 0, 0, alive=False)


class Scraping:
    """Of one root's agent. May be asked by any thread."""

    def __init__(
        self,
        live: Callable[[], Iterable[RunFolder]],
        own: OwnPoints,
        functions: Callable[[RunFolder], Functions],
        wall: Callable[[], int] = time.time_ns,
        *,
        ended_since: Callable[[float], Iterable[RunFolder]] = lambda moment: (),
        stale_after: float = STALE_AFTER,
    ) -> None:
        """`live`: the runs that go on. `functions`: the exemplars of a run's functions.

        `ended_since`: the runs that ended after a moment, in unix seconds. `stale_after`: seconds
        after its end for which the counters and histograms of a run are told.
        """
        self._live = live
        self._ended_since = ended_since
        self._stale_after = stale_after
        self._own = own
        self._functions = functions
        self._wall = wall
        self._told: dict[str, dict[tuple[Metric, Labels], float]] = {}
        """Run → what its sums were at the last scrape."""

    def expose(self, *, openmetrics: bool) -> Exposition:
        """All that a scraper gets now."""
        now = self._wall()
        targets = []
        folders = list(self._live())
        living = {folder.path for folder in folders}
        late = self._ended_since(now / 1e9 - self._stale_after)
        folders += [folder for folder in late if folder.path not in living]
        for path in self._told.keys() - {str(folder.path) for folder in folders}:
            del self._told[path]
        for folder in folders:
            # What is wrong with one run hides no other.
            with guarded(f"metrics of {folder.path.name}"):
                targets.append(self._run(folder, now, lives=folder.path in living))
        with guarded("the agent's metrics"):
            targets.append(self._agent(now))
        return render(targets, openmetrics=openmetrics)

    def _run(self, folder: RunFolder, now: int, *, lives: bool) -> Target:
        readings = [r for r in read_metric_pages(folder.metric_pages) if r.page is not None]
        main = folder.description.get("pid")
        pages = [reading.page for reading in readings if reading.page is not None]
        page = next((each for each in pages if each.process_id == main), _NOBODY)
        facts = dict(find_resource(folder, page, folder.segments()).attributes)
        start = min((each.created for each in pages), default=0)
        shared = _shared(gather(readings, functions=self._functions(folder)), start, now)
        told = self._told.setdefault(str(folder.path), {})
        points = [(metric, _steady(told, metric, point)) for metric, point in shared]
        if lives:  # the process of a run that is over may live, and count in another run
            points += _of_processes(readings, now)
        facts.pop("process.pid", None)
        job = _job(facts)
        return Target(job, folder.path.name, facts, sorted(points, key=_order))

    def _agent(self, now: int) -> Target:
        facts = self._own.resource.attributes
        points = [(HEARTBEAT, Point((), 0, now, now / 1e9)), *self._own.current(now)]
        return Target(_job(facts), str(facts.get(_INSTANCE, "")), facts, points)


def _job(facts: Mapping[str, Any]) -> str:
    namespace = facts.get("service.namespace")
    name = str(facts.get("service.name", "unknown_service"))
    return f"{namespace}/{name}" if namespace else name


def _order(told: tuple[Metric, Point]) -> tuple[str, str, Labels]:
    metric, point = told
    return metric.name, metric.kind, point.labels


def _shared(gathered: Gathered, start: int, now: int) -> Iterator[tuple[Metric, Point]]:
    """Counters and histograms, of all scopes: a scraper knows none."""
    for metric, known in _without_scopes(gathered).items():
        if metric.kind not in _LATE:
            for labels, series in known.items():
                exemplars = tuple(sorted(series.exemplars))
                yield metric, Point(labels, start, now, series.value, exemplars)


def _of_processes(readings: list[MetricReading], now: int) -> Iterator[tuple[Metric, Point]]:
    """Gauges and up-down counters of each living process."""
    processes: dict[str, list[MetricReading]] = {}
    for reading in readings:
        if reading.page is not None and reading.page.alive:
            processes.setdefault(reading.page.writer, []).append(reading)
    for writer, of_process in processes.items():
        instance = str(UUID(hex=writer))
        for metric, known in _without_scopes(gather(of_process)).items():
            if metric.kind in _LATE:
                for labels, series in known.items():
                    named = ((_INSTANCE, instance), *labels)
                    yield metric, Point(named, 0, now, series.value)


def _steady(told: dict[tuple[Metric, Labels], float], metric: Metric, point: Point) -> Point:
    """The same, not less than it was by what floating point makes of another order of addition: a
    scraper would take that for a restart from zero.
    """
    value = point.value
    assert value is not None
    now = value.sum if isinstance(value, Distribution) else value
    before = told.get((metric, point.labels), now)
    steady = before if now < before and math.isclose(now, before, rel_tol=1e-9) else now
    told[metric, point.labels] = steady
    if isinstance(value, Distribution):
        return point._replace(value=value._replace(sum=steady))
    return point._replace(value=steady)


def _without_scopes(gathered: Gathered) -> Gathered:
    """The same instrument of several scopes, or with several descriptions, is one."""
    merged: Gathered = {}
    first: dict[tuple[str, str, str], Metric] = {}
    for metric, known in gathered.items():
        name = metric.name, metric.unit, metric.kind
        one = first.setdefault(name, metric._replace(scope=("", "", "")))
        into = merged.setdefault(one, {})
        for labels, series in known.items():
            into[labels] = add_series(one, into[labels], series) if labels in into else series
    return merged
