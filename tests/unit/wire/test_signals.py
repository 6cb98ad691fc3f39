"""The table of signals agrees with OpenTelemetry's own descriptors."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from tradespan.core.records import Kind
from tradespan.wire.signals import LOGS, METRICS, SIGNALS, TRACES, Signal

FILES = [
    (TRACES, trace_service_pb2),
    (LOGS, logs_service_pb2),
    (METRICS, metrics_service_pb2),
]


@pytest.mark.parametrize(("signal", "file"), FILES, ids=["traces", "logs", "metrics"])
def test_a_signal_has_the_names_of_its_service(signal: Signal[Any], file: Any) -> None:
    (service,) = file.DESCRIPTOR.services_by_name.values()
    (method,) = service.methods
    (said,) = method.output_type.fields_by_name["partial_success"].message_type.fields[:1]
    assert signal.service == f"/{service.full_name}/{method.name}"
    assert signal.rejected == said.name


def test_each_kind_of_record_has_its_signal() -> None:
    assert {kind for kind in Kind if kind >= 16} == SIGNALS.keys()
    assert all(signal.kind == kind for kind, signal in SIGNALS.items())
    assert [signal.path for signal in SIGNALS.values()] == ["v1/traces", "v1/logs", "v1/metrics"]
