"""What is read for the live check: OTLP of metrics, metric pages, files that come and go."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, cast

import pytest

from tests.support.captured import capture
from tests.unit.pages.builders import Writer
from tradespan.conventions.known import Known
from tradespan.conventions.live import LiveCheck, Series
from tradespan.conventions.telemetry import check_pages, check_segment, read_series
from tradespan.core.records import Resource
from tradespan.declare.instruments import TRADING_CYCLE_DURATION, TRADING_CYCLES
from tradespan.pages.metrics import MetricPage
from tradespan.signals.metrics.callbacks import Observer
from tradespan.signals.metrics.provider import MeterProvider
from tradespan.signals.metrics.registry import InstrumentRegistry
from tradespan.signals.slot import SignalSlot
from tradespan.spool.folder import RunFolder
from tradespan.wire import points as wire
from tradespan.wire.measured import Distribution, Metric, Point, encode_readings
from tradespan.wire.protobuf import field

PERIOD = wire.Period(1, 2)


@pytest.fixture
def check() -> LiveCheck:
    return LiveCheck(Known.ours())


def rules(check: LiveCheck) -> list[tuple[str, str]]:
    return [(each.rule, each.name) for each in check.findings.ranked()]


def read(metric: Metric, *points: Point) -> list[Series]:
    readings = encode_readings(Resource({"service.name": "bot"}), [(metric, p) for p in points])
    return [each for reading in readings for each in read_series(reading.resource_metrics)]


def point(value: Any, **labels: str) -> Point:
    return Point(tuple(sorted(labels.items())), 1, 2, value)


@pytest.mark.parametrize(
    ("kind", "declared"),
    [("counter", "counter"), ("up_down_counter", "updowncounter"), ("gauge", "gauge")],
)
def test_numbers_are_read_as_what_the_declarations_call_them(kind: str, declared: str) -> None:
    (series,) = read(Metric("desk.x", "{x}", kind), point(1.5, venue="XNAS"))

    assert series == Series("desk.x", "{x}", declared, {"venue": "XNAS"}, [1.5])


def test_a_histogram_is_read_with_its_bounds() -> None:
    value = Distribution((1, 2, 0), (0.5, 1.0), 2.5, 0.1, 0.9)
    (series,) = read(Metric("desk.x", "s", "histogram"), point(value))

    assert series == Series("desk.x", "s", "histogram", {}, [2.5, 0.1, 0.9], (0.5, 1.0))


def test_a_series_that_has_ended_has_no_value_and_is_no_deviation(check: LiveCheck) -> None:
    (series,) = read(Metric("trading.portfolio.leverage", "1", "gauge"), point(None))
    check.metric(series)

    assert (list(series.values), rules(check)) == ([], [])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_comes_through(value: float) -> None:
    (series,) = read(Metric("desk.x", "1", "gauge"), point(value))

    (number,) = series.values
    assert not math.isfinite(number)


def test_labels_of_other_makers_keep_their_types() -> None:
    labels = {"text": "a", "whole": 7, "share": 0.5, "yes": True, "list": ["a", "b"]}
    encoded = wire.encode_metric("m", "", "1", wire.gauge([wire.encode_number(labels, PERIOD, 1)]))
    (series,) = read_series(field(2, encoded))

    assert series.labels == labels


@pytest.mark.parametrize("junk", [b"", b"\xff\xff\xff", b"\x0a\x05ab", field(2, b"\x08\x01")])
def test_bytes_that_are_no_metrics_have_no_series(junk: bytes) -> None:
    assert list(read_series(junk)) == []


def test_pages_are_read_as_they_are_counted_in(tmp_path: Path, check: LiveCheck) -> None:
    folder = RunFolder.create(tmp_path, "bot")
    signals = SignalSlot()
    writer = Writer(folder.path)
    signals.fill(cast("Any", writer), MetricPage(writer))
    registry = InstrumentRegistry(signals)

    registry.from_declaration(TRADING_CYCLES).labels("momentum", "").add(1)
    registry.from_declaration(TRADING_CYCLE_DURATION).labels("momentum").record(0.25)
    registry.gauge("trading.test_never_set", unit="1").labels()
    assert check_pages(folder, check) == []
    assert (check.looked_at["metric"], rules(check)) == (2, [])

    meter = MeterProvider(registry, Observer(registry)).get_meter("lib")
    meter.create_counter("trading.test", "1").add(1, {"desk.ticket_id": "7"})
    assert check_pages(folder, check) == []
    assert rules(check) == [("id_as_label", "trading.test"), ("unknown_metric", "trading.test")]


def test_a_segment_that_is_gone_is_none_to_look_at(tmp_path: Path, check: LiveCheck) -> None:
    folder = RunFolder.create(tmp_path, "bot")
    with capture(folder.path) as captured, captured.tracer.start_as_current_span("x"):
        pass
    (name,) = folder.segments()
    path = folder.path / str(name)
    assert check_segment(path, check) == ""
    path.unlink()

    assert check_segment(path, check) == ""
    assert check.looked_at["span"] == 1


def test_what_is_no_segment_is_told(tmp_path: Path, check: LiveCheck) -> None:
    path = tmp_path / "x.seg"
    path.write_bytes(b"no segment")

    assert str(path) in check_segment(path, check)
