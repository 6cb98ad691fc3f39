"""Cost of one instrumented call; tradespan's figures include the record in the mapped file."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.timing import Subject, time_in_turns
from tradespan.core.records import Resource
from tradespan.instrument.context import CURRENT
from tradespan.instrument.monitor import monitor
from tradespan.instrument.recorder import SLOT, Recorder
from tradespan.instrument.tracer import TracerProvider
from tradespan.pages.metrics import MetricPage
from tradespan.spool.writer import SpoolWriter
from tradespan.wire.codec import encode_record
from tradespan.wire.sites import SITES

ATTRIBUTES: dict[str, str | float | int] = {
    "symbol": "BTC-USDT",
    "side": "buy",
    "quantity": 1.5,
    "venue": "SIM",
    "retry": 0,
}


def empty() -> None:
    """What is instrumented."""


def two(quantity: int, symbol: str) -> int:
    """With two plain arguments and a result."""
    return quantity


def passthrough(function: Callable[..., Any]) -> Callable[..., Any]:
    """The least a wrapper can cost."""

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def sdk_subjects() -> list[Subject]:
    """OpenTelemetry's SDK, batch processor, an exporter that throws away."""
    from opentelemetry.sdk.trace import ReadableSpan  # optional extra
    from opentelemetry.sdk.trace import TracerProvider as SdkProvider  # optional extra
    from opentelemetry.sdk.trace.export import (  # optional extra
        BatchSpanProcessor,
        SpanExporter,
        SpanExportResult,
    )

    class NullExporter(SpanExporter):
        def export(self, _spans: Sequence[ReadableSpan]) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    provider = SdkProvider()
    provider.add_span_processor(BatchSpanProcessor(NullExporter()))
    tracer = provider.get_tracer("bench")

    def span() -> None:
        with tracer.start_as_current_span("empty"):
            pass

    def span_with_attributes() -> None:
        with tracer.start_as_current_span("empty", attributes=ATTRIBUTES):
            pass

    return [Subject("SDK span", span), Subject("SDK span, 5 attributes", span_with_attributes)]


def our_subjects(folder: Path) -> list[Subject]:
    """`@monitor` and our tracer, recording into a spool."""
    spool = SpoolWriter(
        folder,
        describe=lambda _: encode_record(Resource({"service.name": "bench"})),
        site_payload=SITES.payload,
    )
    SLOT.recorder = Recorder(spool, page=MetricPage(spool))
    plain = monitor(capture="none")(empty)
    default = monitor(empty)
    with_two = monitor(two)
    tracer = TracerProvider(SLOT, Resource({})).get_tracer("bench")

    def span() -> None:
        with tracer.start_as_current_span("empty"):
            pass

    def span_with_attributes() -> None:
        with tracer.start_as_current_span("empty", attributes=ATTRIBUTES):
            pass

    return [
        Subject("@monitor(capture='none')", plain),
        Subject("@monitor", default),
        Subject("@monitor, two arguments and a result", lambda: with_two(1, "BTC-USDT")),
        Subject("tracer.start_as_current_span", span),
        Subject("tracer.start_as_current_span, 5 attributes", span_with_attributes),
    ]


def measure() -> list[tuple[str, float, float]]:
    """(name, µs per call, the SDK's span in multiples of it), in the order of the table."""
    with tempfile.TemporaryDirectory() as folder:
        subjects = [
            Subject("closure passthrough", passthrough(empty)),
            *sdk_subjects(),
            *our_subjects(Path(folder)),
        ]
        time_in_turns(subjects)
        recorder, SLOT.recorder = SLOT.recorder, None
        if recorder is not None:
            recorder.spool.close()
    best = {subject.name: subject.best for subject in subjects}
    rows = []
    for subject in subjects:
        peer = "SDK span, 5 attributes" if "5 attributes" in subject.name else "SDK span"
        rows.append((subject.name, subject.best, best[peer] / subject.best))
    return rows


def context_mode() -> str:
    """Which of the two ways to keep the current span is in force."""
    return f"current span kept by {type(CURRENT).__name__}"
