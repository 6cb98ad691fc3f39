"""A run's folder whose pages an agent reads, and a clock for both."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from opentelemetry.proto.metrics.v1.metrics_pb2 import ResourceMetrics

from tests.support.fakes import SteppingClock
from tests.support.metrics import ReceivedPoint, points_of
from tests.unit.pages.builders import Writer
from tests.unit.pages.measured import Page
from tests.unit.spool.builders import read_segment
from tradespan.core.records import Kind, Resource
from tradespan.forward.exemplars import Buckets, FunctionKey
from tradespan.forward.measures import Reading
from tradespan.forward.ownpoints import OwnPoints
from tradespan.forward.pagereader import PageReader, Served
from tradespan.forward.post import Destination
from tradespan.spool.folder import RunFolder
from tradespan.spool.writer import SpoolWriter, draw_agents_identity
from tradespan.wire.codec import decode_reading, encode_record

SECOND = 1_000_000_000
METRICS = Destination("otlp.metrics", "http://there")
AGENT = Resource({"service.name": "tradespan-agent", "service.instance.id": "a"})


class World:
    """One run's folder, an agent that reads it, and a clock for both."""

    def __init__(self, path: Path) -> None:
        self.folder = RunFolder(path)
        path.mkdir()
        self.folder.describe(service="bot", mode="paper", pid=os.getpid(), resource={"zone": "eu"})
        self.clock = SteppingClock()
        self.own: list[Reading] = []
        self.exemplars: dict[FunctionKey, Buckets] = {}
        self.live = True
        self.reader = self.make_reader()
        self._seen: set[tuple[str, int]] = set()

    def make_reader(
        self,
        now: Callable[[], float] | None = None,
        wall: Callable[[], int] | None = None,
    ) -> PageReader:
        return PageReader(
            5.0,
            lambda destination: True,
            lambda folder: SpoolWriter(
                folder,
                describe=lambda writer: encode_record(AGENT),
                site_payload=lambda number: b"",
                clock=self.clock,
                draw_identity=draw_agents_identity,
            ),
            OwnPoints(AGENT, lambda: self.own),
            functions=lambda folder: self.exemplars,
            now=now or self.clock.seconds,
            wall=wall or self.clock.wall,
        )

    def process(self) -> Page:
        return Page(self.folder.path, Writer(self.folder.path, clock=self.clock))

    def step(self, seconds: float = 5.0) -> list[ReceivedPoint]:
        """Let time pass and the agent read; the points that it recorded of the bot."""
        self.clock.step(seconds)
        served = Served(self.folder, frozenset([METRICS]), lambda: self.live)
        # A step does a part of what is due.
        for _ in range(20):
            self.reader.work([served])
        return [point for point in self.recorded() if point.service != "tradespan-agent"]

    def finish(self, leaving: int = 0) -> list[ReceivedPoint]:
        self.clock.step(1.0)
        while not self.reader.finish(self.folder, leaving):
            continue
        return self.recorded()

    def recorded(self) -> list[ReceivedPoint]:
        """What was recorded since the last look."""
        found: list[ReceivedPoint] = []
        for name in self.folder.segments():
            for record in read_segment(self.folder.path / str(name)):
                key = str(name), record.sequence
                if key not in self._seen and record.kind == Kind.METRIC:
                    self._seen.add(key)
                    reading = decode_reading(record.payload)
                    found += points_of(ResourceMetrics.FromString(reading.resource_metrics))
        return found


def told(points: list[ReceivedPoint], name: str) -> list[float | None]:
    return [point.value if point.has_value else None for point in points if point.name == name]
