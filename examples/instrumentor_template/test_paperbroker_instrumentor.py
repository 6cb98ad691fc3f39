"""The instrumentor against its library, recorded by the plain OpenTelemetry SDK."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import paperbroker
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from paperbroker_instrumentor import PaperbrokerInstrumentor

SECRET = "nobody-is-to-see-this"  # noqa: S105


class Recorded:
    """What the instrumentor recorded."""

    def __init__(self) -> None:
        self.spans = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        self.metrics = InMemoryMetricReader()
        self.meters = MeterProvider([self.metrics])

    def attributes(self) -> list[dict[str, object]]:
        return [dict(span.attributes or {}) for span in self.spans.get_finished_spans()]


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    recorded = Recorded()
    instrumentor = PaperbrokerInstrumentor()
    instrumentor.instrument(
        tracer_provider=recorded.tracers,
        meter_provider=recorded.meters,
        skip_dep_check=True,  # `paperbroker` is a file here, not installed by pip
    )
    yield recorded
    instrumentor.uninstrument()
    recorded.tracers.shutdown()
    recorded.meters.shutdown()


@pytest.fixture
def broker() -> paperbroker.Broker:
    return paperbroker.Broker("DU1", SECRET)


def test_an_order_is_a_span(recorded: Recorded, broker: paperbroker.Broker) -> None:
    assert broker.order("AAPL", 10, 187.15) == "DU1-1"
    assert [span.name for span in recorded.spans.get_finished_spans()] == ["Broker.order"]
    assert recorded.attributes() == [
        {
            "trading.symbol": "AAPL",
            "trading.order.quantity": 10,
            "trading.order.price": 187.15,
            "trading.order.id": "DU1-1",
        }
    ]


def test_the_library_s_exception_passes_and_fails_the_span(
    recorded: Recorded, broker: paperbroker.Broker
) -> None:
    with pytest.raises(paperbroker.Rejected, match="AAPL: a price of -1"):
        broker.order("AAPL", 10, price=-1)
    (span,) = recorded.spans.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert recorded.attributes()[0]["error.type"] == "paperbroker.Rejected"


def test_a_coroutine_is_a_span(recorded: Recorded, broker: paperbroker.Broker) -> None:
    assert asyncio.run(broker.quote("AAPL")) == 187.15
    with pytest.raises(KeyError):
        asyncio.run(broker.quote("aapl"))
    assert [span.name for span in recorded.spans.get_finished_spans()] == ["Broker.quote"] * 2


def test_calls_are_measured_and_no_id_is_a_label(
    recorded: Recorded, broker: paperbroker.Broker
) -> None:
    broker.order("AAPL", 10, 187.15)
    broker.order("MSFT", 5, 420.0)
    data = recorded.metrics.get_metrics_data()
    assert data is not None
    (metric,) = data.resource_metrics[0].scope_metrics[0].metrics
    (point,) = metric.data.data_points
    assert metric.name == "paperbroker.call.duration"
    assert dict(point.attributes or {}) == {"paperbroker.method": "Broker.order"}


def test_secrets_are_nowhere(recorded: Recorded, broker: paperbroker.Broker) -> None:
    broker.order("AAPL", 10, 187.15)
    assert SECRET not in "".join(span.to_json() for span in recorded.spans.get_finished_spans())


def test_all_is_restored() -> None:
    before = dict(vars(paperbroker.Broker))
    instrumentor = PaperbrokerInstrumentor()
    instrumentor.instrument(skip_dep_check=True)
    assert dict(vars(paperbroker.Broker)) != before
    instrumentor.uninstrument()
    assert dict(vars(paperbroker.Broker)) == before
