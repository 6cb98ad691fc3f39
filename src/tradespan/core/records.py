"""What is recorded: the shapes that travel from the bot to the sinks.

A *record* is one span, one log line or one metric reading. It is a MessagePack array whose trailing
default fields are left off by whoever encodes it, so that the common span costs 60 bytes.
`spool/FORMAT.md` is the specification of the bytes; the classes here name each position.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

import msgspec

AttributeValue = Any
"""OpenTelemetry's AnyValue: str, bool, int, float, bytes, None, and lists and string-keyed maps of
them. Checked where it enters (`instrument/`), so that decoding need not check it again."""
Attributes = Mapping[str, AttributeValue]

MAX_RECORD_BYTES = 1 << 20
"""A record's payload is at most 1 MiB; longer values are cut and marked before it is written."""


class Lane(IntEnum):
    """Who goes first when there is little room or time."""

    ORDINARY = 0
    ERROR = 1
    """Spans with errors, order events, alerts, log records from ERROR up: delivered first."""


class Kind(IntEnum):
    """What a frame of a segment holds. Below 16: metadata that makes the segment readable alone."""

    RESOURCE = 1
    SITE = 2
    SPAN = 16
    LOG = 17
    METRIC = 18


LEAST_ERROR = 17
"""OpenTelemetry's SeverityNumber of ERROR: log records from it up travel in the error lane."""

OPEN = 1 << 7
"""Bit of `Span.flags`: the call has begun and is not over (`@monitor(durable=True)`)."""


class SourceFile(msgspec.Struct, frozen=True, array_like=True):
    """What a source file was like when a function of it was first watched."""

    path: str
    """Absolute."""
    size: int
    """Bytes."""
    changed: int
    """Time of the last change, nanoseconds since 1970."""
    digest: bytes
    """SHA-256 of its bytes."""


class Site(msgspec.Struct, frozen=True, array_like=True):
    """The static facts of one place that makes spans: a watched function, or a tracer.

    Written once a segment; spans refer to it by `number`. A tracer's site has no name: each of its
    spans brings its own.
    """

    number: int
    scope_name: str
    scope_version: str = ""
    scope_schema_url: str = ""
    scope_attributes: dict[str, AttributeValue] = {}
    name: str = ""
    attributes: dict[str, AttributeValue] = {}
    parameters: tuple[str, ...] = ()
    """Names of the captured arguments, in the order of `Span.arguments`."""
    queue_warning_threshold: int = 0
    """Undelivered records of its run from which on is warned; 0: as the settings say."""
    source: SourceFile | None = None
    """The file that defines it; None: not known, or a tracer's."""


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """One place of a traceback; text is rendered by whoever reads it."""

    file: str
    """Empty: that of the frame before (`wire.exceptions.with_files`)."""
    line: int
    name: str
    variables: dict[str, str] = {}
    """What was captured of the frame's variables, serialized and redacted."""
    source: dict[int, str] = {}
    """The lines around, by number, as they were when it was captured."""


class Failure(msgspec.Struct, frozen=True, array_like=True):
    """One exception, captured without formatting: type, message, and where it passed."""

    type: str
    message: str
    frames: list[Frame] = []
    """Outermost call first, as Python prints them."""
    cause: Failure | None = None
    context: Failure | None = None
    """Set only where Python would print it (`__suppress_context__` is honoured)."""
    members: list[Failure] = []
    """The exceptions inside an ExceptionGroup."""
    escaped: bool = True
    notes: list[str] = []
    """What `add_note` added."""


class Event(msgspec.Struct, frozen=True, array_like=True):
    """Something at one moment of a span: a name, or a captured exception."""

    name: str
    time: int
    """Nanoseconds, UTC."""
    attributes: dict[str, AttributeValue] = {}
    failure: Failure | None = None
    dropped_attributes: int = 0


class Link(msgspec.Struct, frozen=True, array_like=True):
    """A pointer to a span of this or another trace."""

    trace_id: bytes
    span_id: int
    attributes: dict[str, AttributeValue] = {}
    trace_state: str = ""
    trace_flags: int = 1
    remote: bool = False
    dropped_attributes: int = 0


class Span(msgspec.Struct, frozen=True, array_like=True):
    """A finished span, or the start of one that is not over.

    `flags` packs what is small: bits 0–1 status (0 unset, 1 ok, 2 error), bits 2–4 kind
    (OpenTelemetry's SpanKind, 0 internal to 4 consumer), bit 5 parent is remote, bit 7 open, bits
    8–15 the W3C trace flags.

    Open: what is known at the start, with duration 0. The end is a record of its own with the same
    ids and start; it may be read before the start, for it may stand in the other lane.
    """

    site: int
    trace_id: bytes
    """16 bytes, big-endian."""
    span_id: int
    parent_id: int
    """0 for a root."""
    start: int
    """Nanoseconds, UTC."""
    duration: int
    """Nanoseconds, by the monotonic clock; never negative."""
    flags: int
    name: str | None = None
    """None: the site's name."""
    attributes: dict[str, AttributeValue] | None = None
    arguments: list[AttributeValue] | None = None
    """Captured arguments, serialized, by the order of the site's `parameters`."""
    result: AttributeValue = None
    """The captured result, serialized; None: not captured."""
    status_message: str = ""
    events: list[Event] | None = None
    links: list[Link] | None = None
    trace_state: str = ""
    dropped: tuple[int, int, int] = (0, 0, 0)
    """Attributes, events and links beyond the limits."""

    @property
    def status(self) -> int:
        """0 unset, 1 ok, 2 error."""
        return self.flags & 0b11

    @property
    def kind(self) -> int:
        """OpenTelemetry's SpanKind value, 0 internal to 4 consumer."""
        return self.flags >> 2 & 0b111

    @property
    def parent_is_remote(self) -> bool:
        """Whether the parent lives in another process."""
        return bool(self.flags & 0b10_0000)

    @property
    def is_open(self) -> bool:
        """Whether this is a start whose end is another record."""
        return bool(self.flags & OPEN)

    @property
    def trace_flags(self) -> int:
        """W3C trace flags, 0 to 255."""
        return self.flags >> 8 & 0xFF

    @property
    def end(self) -> int:
        """Nanoseconds, UTC."""
        return self.start + self.duration


class Resource(msgspec.Struct, frozen=True, array_like=True):
    """Who recorded: OpenTelemetry's resource of one process generation."""

    attributes: dict[str, AttributeValue]
    schema_url: str = ""


class LogRecord(msgspec.Struct, frozen=True, array_like=True):
    """One log line, or one event: what has a severity or a name, and one moment."""

    site: int
    """Its scope: a site without a name and without parameters. 0: none."""
    time: int
    """When it happened: nanoseconds, UTC; 0: not known."""
    observed_time: int = 0
    """When it was seen here: nanoseconds, UTC; 0: not known."""
    severity_number: int = 0
    """OpenTelemetry's SeverityNumber, 1 to 24, from 17 on an error; 0: not known."""
    severity_text: str = ""
    """As its source calls it."""
    body: AttributeValue = None
    attributes: dict[str, AttributeValue] | None = None
    trace_id: bytes = b""
    """16 bytes, big-endian; empty: it belongs to no trace."""
    span_id: int = 0
    """0: none."""
    trace_flags: int = 0
    """W3C trace flags, 0 to 255."""
    event_name: str = ""
    """Of an event; empty: a log line."""
    dropped_attributes: int = 0
    """Attributes beyond the limits."""

    @property
    def lane(self) -> Lane:
        """The lane that it travels in."""
        return Lane.ERROR if self.severity_number >= LEAST_ERROR else Lane.ORDINARY


class MetricReading(msgspec.Struct, frozen=True, array_like=True):
    """What was read of some metrics at one time, encoded: a request is readings one after another.

    So the bytes that are sent are those that were recorded, however often they are sent. Who
    bisects or batches by time looks at the times beside them.
    """

    time: int
    """Of the newest point: nanoseconds, UTC."""
    oldest: int
    """Of the oldest point: nanoseconds, UTC."""
    points: int
    """How many data points there are."""
    resource_metrics: bytes
    """OTLP's ResourceMetrics message, its resource included: the segment's says nothing here."""
