"""What a recorder wrote, read back through the product's own reader.

    with capture(tmp_path) as captured:
        work()
    span = captured.one("module.work")
    assert span.arguments == {"quantity": 5}

Records of other processes are read from their folders: `read_spans(root)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tradespan.core import guard
from tradespan.core.clock import Clock
from tradespan.core.records import (
    AttributeValue,
    Event,
    Failure,
    Kind,
    Lane,
    LogRecord,
    Resource,
    Site,
    Span,
)
from tradespan.instrument.pen import SpanLimits
from tradespan.instrument.recorder import SLOT, Recorder, RecorderSlot
from tradespan.instrument.tracer import Tracer, TracerProvider
from tradespan.pages.inflight import FlightTable
from tradespan.pages.metrics import MetricPage
from tradespan.signals.slot import SIGNALS
from tradespan.spool.folder import RunFolder, run_folders
from tradespan.spool.reader import RawRecord, SegmentReader
from tradespan.spool.writer import SpoolWriter
from tradespan.wire.attributes import ARGUMENT_PREFIX, captured_attributes, span_attributes
from tradespan.wire.codec import decode_log, decode_span, encode_record
from tradespan.wire.exceptions import with_files
from tradespan.wire.sites import SITES

MAX_LISTED = 20


@dataclass(frozen=True)
class CapturedSpan:
    """One decoded span with its site, and the resource of who wrote it."""

    site: Site
    record: Span
    resource: Resource
    lane: Lane
    sequence: int

    @property
    def name(self) -> str:
        return self.record.name if self.record.name is not None else self.site.name

    @property
    def attributes(self) -> dict[str, AttributeValue]:
        """All of them: the site's, captured arguments and result, the span's own."""
        return span_attributes(self.site, self.record)

    @property
    def own(self) -> dict[str, AttributeValue]:
        """The attributes that were set on the span itself."""
        return dict(self.record.attributes or {})

    @property
    def arguments(self) -> dict[str, AttributeValue]:
        """Captured arguments by parameter."""
        captured = captured_attributes(self.site, self.record)
        return {
            key.removeprefix(ARGUMENT_PREFIX): value
            for key, value in captured.items()
            if key.startswith(ARGUMENT_PREFIX)
        }

    @property
    def result(self) -> AttributeValue:
        return self.record.result

    @property
    def trace_id(self) -> int:
        return int.from_bytes(self.record.trace_id, "big")

    @property
    def span_id(self) -> int:
        return self.record.span_id

    @property
    def parent_id(self) -> int:
        return self.record.parent_id

    @property
    def failed(self) -> bool:
        return self.record.status == 2

    @property
    def events(self) -> list[Event]:
        return self.record.events or []

    @property
    def failure(self) -> Failure:
        """The one exception that was recorded."""
        (event,) = [event for event in self.events if event.failure is not None]
        assert event.failure is not None
        files = with_files(event.failure.frames)
        return msgspec.structs.replace(event.failure, frames=files)

    @property
    def frames(self) -> list[str]:
        """Function names of the exception's traceback, outermost first."""
        return [frame.name for frame in self.failure.frames]

    @property
    def instance(self) -> str:
        """`service.instance.id` of who wrote it."""
        return str(self.resource.attributes["service.instance.id"])


class Captured:
    """A recorder on a folder of its own, and what it wrote."""

    def __init__(self, folder: Path, slot: RecorderSlot, recorder: Recorder) -> None:
        self.folder = folder
        self.slot = slot
        self.recorder = recorder

    @property
    def provider(self) -> TracerProvider:
        return TracerProvider(self.slot, Resource({}))

    @property
    def tracer(self) -> Tracer:
        return self.provider.get_tracer("tests")

    @property
    def spans(self) -> list[CapturedSpan]:
        """All spans that ended so far, in the order of their start."""
        found = [span for span in read_folder(self.folder) if not span.record.is_open]
        return sorted(found, key=lambda span: span.record.start)

    @property
    def starts(self) -> list[CapturedSpan]:
        """The records of calls that had begun (`durable`), in the order written."""
        return [span for span in read_folder(self.folder) if span.record.is_open]

    def named(self, name: str) -> list[CapturedSpan]:
        """Spans whose name is `name` or ends with `.name`."""
        return [span for span in self.spans if span.name == name or span.name.endswith(f".{name}")]

    def one(self, name: str | None = None) -> CapturedSpan:
        """The only span there is, or the only one of this name."""
        found = self.spans if name is None else self.named(name)
        told = [span.name for span in self.spans][:MAX_LISTED]
        assert len(found) == 1, f"{len(found)} spans named {name}; there are {told}"
        return found[0]


def describe(writer: bytes) -> bytes:
    """A resource that names only the process generation."""
    return encode_record(Resource({"service.instance.id": writer.hex()}))


@contextmanager
def capture(
    folder: Path,
    *,
    clock: Clock | None = None,
    limits: SpanLimits | None = None,
    slot: RecorderSlot = SLOT,
    anchor_interval: float = 1.0,
    strict: bool = True,
    signals: bool = True,
) -> Iterator[Captured]:
    """Record into `folder` while the block runs.

    `strict`: errors of ours are raised. `signals`: lines, events and all instruments of the process
    go there as well.
    """
    spool = SpoolWriter(folder, describe=describe, site_payload=SITES.payload)
    page = MetricPage(spool)
    recorder = Recorder(
        spool,
        clock=clock,
        limits=limits,
        anchor_interval=anchor_interval,
        page=page,
        flights=FlightTable(spool).flights,
    )
    before, slot.recorder = slot.recorder, recorder
    raised = guard.raise_errors(strict)
    if signals:
        SIGNALS.fill(spool, page)
    try:
        yield Captured(folder, slot, recorder)
    finally:
        SIGNALS.clear()
        guard.raise_errors(raised)
        slot.recorder = before
        spool.close()
        page.close()
        spool.locks.abandon()  # as when the process ends


@dataclass(frozen=True)
class CapturedLine:
    """One decoded log line or event, with its scope's site."""

    scope: str
    record: LogRecord
    resource: Resource
    lane: Lane
    sequence: int


def read_folder(folder: Path) -> Iterator[CapturedSpan]:
    """The spans of all segments of one run's folder."""
    for reader, raw in _read_segments(folder):
        if raw.kind == Kind.SPAN:
            span = decode_span(raw.payload)
            resource, lane = reader.origin.resource, reader.origin.lane
            yield CapturedSpan(reader.sites[span.site], span, resource, lane, raw.sequence)


def read_lines(folder: Path) -> Iterator[CapturedLine]:
    """The log lines and events of all segments of one run's folder, each lane in its order."""
    for reader, raw in _read_segments(folder):
        if raw.kind == Kind.LOG:
            line = decode_log(raw.payload)
            scope = reader.sites[line.site].scope_name if line.site else ""
            resource, lane = reader.origin.resource, reader.origin.lane
            yield CapturedLine(scope, line, resource, lane, raw.sequence)


def _read_segments(folder: Path) -> Iterator[tuple[SegmentReader, RawRecord]]:
    for name in RunFolder(folder).segments():
        reader = SegmentReader(folder / str(name))
        try:
            offset = 0
            while True:
                stretch = reader.read(offset)
                for raw in stretch.records:
                    yield reader, raw
                if stretch.finished or stretch.end <= offset:
                    break
                offset = stretch.end
            assert reader.damaged_bytes == 0
        finally:
            reader.close()


def read_spans(root: Path) -> list[CapturedSpan]:
    """The spans of all runs below a root, in the order of their start."""
    spans = [span for run in run_folders(root) for span in read_folder(run.path)]
    return sorted(spans, key=lambda span: span.record.start)
