"""OpenTelemetry's metrics API over our cells."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.metrics import Observation
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    set_span_in_context,
)

from tests.unit.signals.metrics.conftest import Run
from tests.unit.signals.metrics.reading import Read, one, read_run
from tradespan.pages.metrics import Scope
from tradespan.signals.metrics.callbacks import Observer
from tradespan.signals.metrics.meters import DEFAULT_BOUNDS, Meter
from tradespan.signals.metrics.provider import MeterProvider
from tradespan.signals.metrics.registry import InstrumentRegistry
from tradespan.signals.slot import SignalSlot

SCOPE: Scope = ("lib", "1.2", "https://example.com/schema")


@pytest.fixture
def run(tmp_path: Path, signals: SignalSlot) -> Run:
    return Run(tmp_path, signals)


@pytest.fixture
def observer(registry: InstrumentRegistry) -> Iterator[Observer]:
    made = Observer(registry)
    yield made
    made.end()


@pytest.fixture
def provider(registry: InstrumentRegistry, observer: Observer) -> MeterProvider:
    return MeterProvider(registry, observer)


@pytest.fixture
def meter(provider: MeterProvider) -> Meter:
    return provider.get_meter(*SCOPE)


def of(run: Run, name: str) -> list[Read]:
    return [each for each in read_run(run.folder) if each.name == name]


def test_a_series_has_its_scope_unit_and_description(run: Run, meter: Meter) -> None:
    meter.create_counter("hits", "{hit}", "What hit.").add(2, {"side": "buy"})
    (read,) = of(run, "hits")
    assert (read.value, read.labels) == (2, {"side": "buy"})
    facts = read.declaration
    assert (facts["unit"], facts["description"]) == ("{hit}", "What hit.")
    assert (facts["instrument"], tuple(facts["scope"])) == ("counter", SCOPE)


def test_each_kind_counts_as_the_api_has_it(run: Run, meter: Meter) -> None:
    counter, level = meter.create_counter("c"), meter.create_up_down_counter("u")
    gauge, sizes = meter.create_gauge("g"), meter.create_histogram("h")
    for number in (1, 2.5):
        counter.add(number)
        level.add(-number)
        gauge.set(number)
        sizes.record(number)
    assert (one(run.folder, "c").value, one(run.folder, "u").value) == (3.5, -3.5)
    assert (one(run.folder, "g").value, one(run.folder, "h").parts) == (2.5, (3.5, 1, 2.5))
    assert tuple(one(run.folder, "h").declaration["bounds"]) == DEFAULT_BOUNDS


def test_advised_boundaries_are_used(run: Run, meter: Meter) -> None:
    made = meter.create_histogram("h", explicit_bucket_boundaries_advisory=[0.1, 1])
    made.record(0.1)
    made.record(5)
    assert one(run.folder, "h").buckets == (1, 0, 1)


def test_boundaries_that_fall_are_told_and_not_used(
    run: Run, meter: Meter, caplog: pytest.LogCaptureFixture
) -> None:
    made = meter.create_histogram("h", explicit_bucket_boundaries_advisory=[2, 1])
    made.record(3)
    assert tuple(one(run.folder, "h").declaration["bounds"]) == DEFAULT_BOUNDS
    assert "default boundaries" in caplog.text


def test_attributes_are_a_set_whatever_their_order(run: Run, meter: Meter) -> None:
    counter = meter.create_counter("c")
    counter.add(1, {"b": "2", "a": "1"})
    counter.add(1, {"a": "1", "b": "2"})
    (read,) = of(run, "c")
    assert (read.value, list(read.labels.items())) == (2, [("a", "1"), ("b", "2")])


def test_values_that_are_equal_and_look_different_are_apart(run: Run, meter: Meter) -> None:
    counter = meter.create_counter("c")
    for _ in range(2):
        for value in (1, True, 1.0, "1"):
            counter.add(1, {"a": value})
    counted = {each.labels["a"]: each.value for each in of(run, "c")}
    assert counted == {"1": 4, "true": 2, "1.0": 2}


def test_values_of_any_type_become_text(run: Run, meter: Meter) -> None:
    class Broken:
        __hash__ = None  # type: ignore[assignment]

        def __str__(self) -> str:
            raise RuntimeError

    counter: Any = meter.create_counter("c")
    counter.add(1, {"list": ["a"], "none": None, 5: "number", "broken": Broken(), "": "x"})
    (read,) = of(run, "c")
    assert read.labels == {"list": "['a']", "5": "number", "broken": "<Broken>"}


def test_what_is_no_number_or_no_mapping_is_no_error(run: Run, meter: Meter) -> None:
    counter: Any = meter.create_counter("c")
    sizes: Any = meter.create_histogram("h")
    counter.add(1)
    for amount in ("1", None, -1, float("nan"), float("inf")):
        counter.add(amount)
        sizes.record(amount)
    assert one(run.folder, "c").value == 1
    refused = {each.labels["tradespan.instrument"]: each for each in of(run, REFUSED)}
    assert (refused["c"].value, refused["h"].value) == (5, 5)


REFUSED = "tradespan.metrics.refused"


def test_a_label_set_beyond_the_cap_counts_in_the_overflow(run: Run, meter: Meter) -> None:
    counter = meter.create_counter("c")
    for number in range(2_005):
        counter.add(1, {"order": str(number)})
    counted = [each.labels for each in of(run, "c")]
    assert len(counted) == 2_001
    assert one(run.folder, "c", otel_metric_overflow="true").value == 5


def test_the_same_instrument_is_the_same(meter: Meter) -> None:
    assert meter.create_counter("c", "s", "d") is meter.create_counter("c", "s", "d")


def test_the_same_scope_has_the_same_meter(provider: MeterProvider) -> None:
    assert provider.get_meter(*SCOPE) is provider.get_meter(*SCOPE)
    assert provider.get_meter("lib", "1.3") is not provider.get_meter("lib", "1.2")


def test_one_that_differs_in_case_takes_the_first_ones_name(
    run: Run, meter: Meter, caplog: pytest.LogCaptureFixture
) -> None:
    meter.create_counter("requestCount").add(1)
    assert caplog.text == ""
    meter.create_counter("RequestCount").add(2)
    assert one(run.folder, "requestCount").value == 3
    assert "case" in caplog.text


@pytest.mark.parametrize("change", [{"unit": "ms"}, {"description": "Another."}])
def test_a_duplicate_that_differs_is_told_and_counts_apart(
    run: Run, meter: Meter, caplog: pytest.LogCaptureFixture, change: dict[str, str]
) -> None:
    given = {"unit": "s", "description": "The first."}
    meter.create_counter("c", **given).add(1)
    meter.create_counter("c", **(given | change)).add(2)
    assert [each.value for each in of(run, "c")] == [1, 2]
    assert "the counter c (unit 's', description 'The first.') of " in caplog.text


def test_a_duplicate_of_another_kind_is_told_and_counts_apart(
    run: Run, meter: Meter, caplog: pytest.LogCaptureFixture
) -> None:
    meter.create_counter("c").add(1)
    meter.create_up_down_counter("c").add(2)
    assert [(each.declaration["instrument"], each.value) for each in of(run, "c")] == [
        ("counter", 1),
        ("up_down_counter", 2),
    ]
    assert "again as a up-down counter" in caplog.text


def test_a_duplicate_that_nobody_could_tell_from_the_first_counts_nothing(
    run: Run, meter: Meter, observer: Observer, caplog: pytest.LogCaptureFixture
) -> None:
    meter.create_counter("c").add(1)
    meter.create_observable_counter("c", [lambda _: [Observation(50)]])
    meter.create_observable_gauge("g", [lambda _: [Observation(4)]])
    observer.begin(3_600.0)
    assert observer.observe(30.0)
    assert one(run.folder, "g").value == 4
    assert one(run.folder, "c").value == 1
    assert "the observable counter of the same name counts nothing" in caplog.text


def test_a_histogram_keeps_the_boundaries_advised_first(
    meter: Meter, caplog: pytest.LogCaptureFixture
) -> None:
    first = meter.create_histogram("h", explicit_bucket_boundaries_advisory=[1])
    assert meter.create_histogram("h", explicit_bucket_boundaries_advisory=[1]) is first
    assert caplog.text == ""
    assert meter.create_histogram("h", explicit_bucket_boundaries_advisory=[2]) is first
    assert "keeps its boundaries" in caplog.text


@pytest.mark.parametrize("name", ["", "1st", "a b", "a" * 256, "größe", None, 5])
def test_an_invalid_name_is_told_and_counts_nothing(
    run: Run, meter: Meter, caplog: pytest.LogCaptureFixture, name: Any
) -> None:
    meter.create_counter(name).add(1)
    meter.create_gauge(name).set(1)
    meter.create_observable_gauge(name, [lambda _: [Observation(1)]])
    assert len([each for each in caplog.records if each.levelno == logging.WARNING]) == 3
    assert read_run(run.folder) == []


def test_an_invalid_unit_is_told_and_counts_nothing(
    run: Run, meter: Meter, caplog: pytest.LogCaptureFixture
) -> None:
    meter.create_histogram("h", "a" * 64).record(1)
    assert "unit" in caplog.text
    assert read_run(run.folder) == []


def test_a_unit_of_none_is_none(run: Run, meter: Meter) -> None:
    nothing: Any = None
    meter.create_counter("c", nothing, nothing).add(1)
    assert one(run.folder, "c").declaration["unit"] == ""


def test_an_exemplar_points_to_the_span_of_the_context_that_is_given(
    run: Run, meter: Meter
) -> None:
    class Kept(NonRecordingSpan):
        def is_recording(self) -> bool:
            return True

    span = Kept(SpanContext(5, 7, is_remote=False, trace_flags=TraceFlags(1)))
    context: Context = set_span_in_context(span, Context())
    meter.create_counter("c").add(1, None, context)
    exemplar = one(run.folder, "c").exemplar
    assert (exemplar.span_id, int.from_bytes(exemplar.trace_id, "big")) == (7, 5)


def test_what_was_counted_before_there_was_a_page_moves_into_it(
    tmp_path: Path, signals: SignalSlot, meter: Meter
) -> None:
    meter.create_counter("c").add(3, {"a": "b"})
    run = Run(tmp_path, signals)
    meter.create_counter("c").add(1, {"a": "b"})
    assert one(run.folder, "c", a="b").value == 4


def test_threads_that_count_together_lose_nothing(run: Run, meter: Meter) -> None:
    counter, sizes = meter.create_counter("c"), meter.create_histogram("h")

    def count(name: str) -> None:
        for number in range(5_000):
            counter.add(1, {"thread": name, "part": str(number % 7)})
            sizes.record(1.0, {"part": str(number % 7)})

    threads = [threading.Thread(target=count, args=(f"{n}",)) for n in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sum(each.value for each in of(run, "c")) == 20_000
    assert len(of(run, "c")) == 28
    assert sum(sum(each.buckets) for each in of(run, "h")) == 20_000
