"""tradespan and the SDK, set up to be measured."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace import TracerProvider as SdkProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Tracer

import tradespan
from tradespan.spool.folder import RunFolder


class NullExporter(SpanExporter):
    """Throws away what it is given."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS


class Sdk:
    """OpenTelemetry's SDK with its batch processor, and an exporter that throws away."""

    def __init__(self) -> None:
        self.provider = SdkProvider()
        self.provider.add_span_processor(BatchSpanProcessor(NullExporter()))
        self.tracer = self.provider.get_tracer("bench")

    def settle(self) -> None:
        """Empty the queue: a full one drops spans, which is cheaper than to keep them."""
        self.provider.force_flush()


@dataclass(frozen=True, slots=True)
class Recording:
    """Where tradespan records, into a folder that nobody reads."""

    folder: RunFolder
    tracer: Tracer

    def sweep(self) -> None:
        """Delete what no agent will read: all segments but the one that each lane writes."""
        names = self.folder.segments()
        newest = {name.row: name for name in names}
        for name in names:
            if name != newest[name.row]:
                (self.folder.path / str(name)).unlink()


@contextmanager
def recording() -> Iterator[Recording]:
    """As a bot configures it; files lie in a temporary folder, for as long as this lasts."""
    with tempfile.TemporaryDirectory(prefix="tradespan-bench-") as folder:
        runtime = tradespan.configure(
            service="bench", root=folder, store=None, forwarder="external"
        )
        try:
            assert runtime.folder is not None
            assert runtime.provider is not None
            yield Recording(runtime.folder, runtime.provider.get_tracer("bench"))
        finally:
            runtime.shutdown()
