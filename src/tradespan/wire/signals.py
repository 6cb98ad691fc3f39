"""The three signals, each with all that differs between them on the way to a receiver of OTLP.

Source: OTLP specification 1.x, "OTLP/gRPC" and "OTLP/HTTP"; opentelemetry-proto 1.x,
collector/*/v1/*_service.proto.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from tradespan.core.delivery import Batch
from tradespan.core.records import Kind
from tradespan.wire.codec import decode_log, decode_reading, decode_span
from tradespan.wire.json_form import write_json
from tradespan.wire.logs import encode_logs
from tradespan.wire.metrics import encode_metrics
from tradespan.wire.otlp import encode_traces

T = TypeVar("T")
SignalName = Literal["traces", "logs", "metrics"]


@dataclass(frozen=True, slots=True)
class Signal(Generic[T]):
    """One signal: how its records are read, and how OTLP says them."""

    name: SignalName
    kind: Kind
    path: str
    """Of OTLP/HTTP, below the receiver's address."""
    service: str
    """Full name of the gRPC method."""
    decode: Callable[[bytes], T]
    """A record from its payload. Raises msgspec.DecodeError."""
    encode: Callable[[Batch[T]], bytes]
    """A request, as protobuf; the same bytes for the same batch. Raises ValueError for a record
    that OTLP cannot say."""
    rejected: str
    """The field of a partial success that says how many were refused."""

    def encode_json(self, batch: Batch[T]) -> bytes:
        """A request, as JSON; the same bytes for the same batch.

        Raises:
            ValueError: A record that OTLP cannot say.
        """
        return write_json(self.name, self.encode(batch))


TRACES = Signal(
    "traces",
    Kind.SPAN,
    "v1/traces",
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    decode_span,
    encode_traces,
    "rejected_spans",
)
LOGS = Signal(
    "logs",
    Kind.LOG,
    "v1/logs",
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    decode_log,
    encode_logs,
    "rejected_log_records",
)
METRICS = Signal(
    "metrics",
    Kind.METRIC,
    "v1/metrics",
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    decode_reading,
    encode_metrics,
    "rejected_data_points",
)
SIGNALS: Mapping[Kind, Signal[Any]] = {each.kind: each for each in (TRACES, LOGS, METRICS)}
"""By the kind of frame that holds their records."""
