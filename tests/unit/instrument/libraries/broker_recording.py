"""What a broker's instrumentor recorded in a test, by the plain OpenTelemetry SDK."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.fakes import SteppingClock
from tests.unit.instrument.libraries.sdk import Sdk
from tradespan.core import guard
from tradespan.instrument.libraries.base import LibraryInstrumentor


class Recorded(Sdk):
    """Spans and series of one test, by a clock that stands still."""

    def __init__(self) -> None:
        self.time = SteppingClock()
        super().__init__(self.time)

    def series(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        """(labels, value) of each; of a histogram, how many were recorded."""
        return [
            (dict(labels), getattr(point, "value", getattr(point, "count", None)))
            for labels, point in self.points(name).items()
        ]


@contextmanager
def recording(instrumentor: LibraryInstrumentor) -> Iterator[Recorded]:
    """Instrument for a test; no error of ours may come of it, also where the library logs it."""
    recorded = Recorded()
    before = dict(guard.counts)
    strict = guard.raise_errors(False)
    instrumentor.instrument(**recorded.options)
    try:
        yield recorded
    finally:
        instrumentor.uninstrument()
        guard.raise_errors(strict)
        recorded.tracer_provider.shutdown()
        recorded.meter_provider.shutdown()
    assert guard.counts == before
