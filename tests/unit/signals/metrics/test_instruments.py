"""Instruments: made once, told apart, checked where they are made; counting never raises."""

from __future__ import annotations

import copy
import logging
import math
import pickle
import subprocess
import sys
from typing import Any

import pytest

import tradespan
from tradespan.core.errors import InstrumentConflict
from tradespan.declare.instruments import TRADING_API_DURATION, TRADING_CONNECTION_ACTIVE
from tradespan.declare.instruments import Instrument as Declaration
from tradespan.signals.metrics import registry as module
from tradespan.signals.metrics.instruments import Counter, Gauge, Histogram, UpDownCounter
from tradespan.signals.metrics.registry import DEFAULT_BOUNDS, REGISTRY, InstrumentRegistry


def values(registry: InstrumentRegistry, name: str) -> dict[str, float]:
    """Of a counter of ours: by the instrument that it is about."""
    found = [each for each in registry.instruments() if each.name == name]
    return {
        labels["tradespan.instrument"]: c.value for each in found for labels, c in each.series()
    }


def test_instrument_tells_what_it_is(registry: InstrumentRegistry) -> None:
    made = registry.counter("orders", unit="{order}", description="Orders.", labels=("a", "b"))

    assert (made.name, made.unit, made.description, made.kind, made.label_names) == (
        "orders",
        "{order}",
        "Orders.",
        "counter",
        ("a", "b"),
    )
    assert registry.histogram("h").bounds == DEFAULT_BOUNDS
    assert registry.histogram("i", bounds=[1, 2, math.inf]).bounds == (1.0, 2.0)
    assert repr(made) == "<counter orders{a, b}>"


def test_instrument_is_made_once(registry: InstrumentRegistry) -> None:
    assert registry.counter("c") is registry.counter("c", description="said later")
    assert registry.up_down_counter("u", labels=("a",)) is registry.up_down_counter(
        "u", labels=("a",)
    )
    assert registry.gauge("g") is registry.gauge("g")
    assert registry.histogram("h") is registry.histogram("h")


def test_scopes_have_instruments_of_their_own(registry: InstrumentRegistry) -> None:
    other = registry.counter("c", scope=("library", "1.0", ""))
    other.add(2)

    assert registry.counter("c") is not other
    assert registry.counter("c").labels().value == 0.0


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            lambda r: r.gauge("c", unit="{order}", labels=("v",)),
            "its type is counter there, gauge here",
        ),
        (
            lambda r: r.counter("c", unit="1", labels=("v",)),
            "its unit is '{order}' there, '1' here",
        ),
        (lambda r: r.counter("c", unit="{order}"), "its labels are ('v',) there, () here"),
        (
            lambda r: r.histogram("h", bounds=(1, 3)),
            "its bounds are (1.0, 2.0) there, (1.0, 3.0) here",
        ),
    ],
)
def test_instrument_asked_for_otherwise_is_an_error_that_says_where_the_first_was_made(
    registry: InstrumentRegistry, asked: Any, said: str
) -> None:
    registry.counter("c", unit="{order}", labels=("v",)), registry.histogram("h", bounds=(1, 2))
    with pytest.raises(InstrumentConflict) as raised:
        asked(registry)
    error = raised.value

    assert str(error).endswith(f": {said}.")
    assert error.made_at.startswith(f"{__file__}:")
    assert error.asked_at.startswith(f"{__file__}:")
    assert error.made_at != error.asked_at


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"name": "9lives"}, ValueError, "cannot be the name"),
        ({"name": ""}, ValueError, "cannot be the name"),
        ({"name": "a" * 256}, ValueError, "cannot be the name"),
        ({"name": "a b"}, ValueError, "cannot be the name"),
        ({"name": 7}, TypeError, "is text, not int"),
        ({"name": "c", "unit": None}, TypeError, "the unit of an instrument is text"),
        ({"name": "c", "unit": "x" * 64}, ValueError, "63 characters"),
        ({"name": "c", "labels": "venue"}, TypeError, r"\('venue',\)"),
        ({"name": "c", "labels": (7,)}, TypeError, "is text, not int"),
        ({"name": "c", "labels": ("",)}, ValueError, "is empty"),
        ({"name": "c", "labels": ("otel.metric.overflow",)}, ValueError, "otel.metric.overflow"),
        ({"name": "c", "labels": ("\ud800",)}, ValueError, "no Unicode"),
        ({"name": "c", "description": "\ud800"}, ValueError, "no Unicode"),
        ({"name": "c", "labels": ("a.b", "a_b")}, ValueError, "the same name"),
        ({"name": "c", "labels": tuple(map(str, range(33)))}, ValueError, "32 are the most"),
    ],
)
def test_what_no_back_end_takes_is_refused_where_the_instrument_is_made(
    registry: InstrumentRegistry, arguments: Any, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        registry.counter(**arguments)
    assert registry.instruments() == []


@pytest.mark.parametrize("bounds", [(2, 1), (1, 1), (math.nan,), (math.inf, math.inf), range(201)])
def test_bounds_that_mean_nothing_are_refused(registry: InstrumentRegistry, bounds: Any) -> None:
    with pytest.raises(ValueError, match="bounds"):
        registry.histogram("h", bounds=bounds)


def test_declaration_becomes_its_instrument(registry: InstrumentRegistry) -> None:
    duration = registry.from_declaration(TRADING_API_DURATION)
    active = registry.from_declaration(TRADING_CONNECTION_ACTIVE)

    assert isinstance(duration, Histogram)
    assert duration.bounds == TRADING_API_DURATION.bounds
    assert duration.label_names == TRADING_API_DURATION.labels
    assert isinstance(active, UpDownCounter)
    assert registry.from_declaration(TRADING_API_DURATION) is duration
    assert registry.from_declaration(Declaration("y", "histogram", "s", ())).facts.bounds == (
        DEFAULT_BOUNDS
    )
    with pytest.raises(ValueError, match="no kind timer"):
        registry.from_declaration(Declaration("x", "timer", "s", ()))


def test_declared_name_brings_its_description(registry: InstrumentRegistry) -> None:
    declared = TRADING_API_DURATION
    made = registry.histogram(declared.name, unit=declared.unit, labels=declared.labels)
    assert made.description == declared.description
    said = registry.gauge(TRADING_CONNECTION_ACTIVE.name, description="Mine.")
    assert said.description == "Mine."


def test_front_door_leads_to_the_processs_registry() -> None:
    made = [
        (tradespan.counter("tests.front.c"), Counter),
        (tradespan.up_down_counter("tests.front.u"), UpDownCounter),
        (tradespan.gauge("tests.front.g"), Gauge),
        (tradespan.histogram("tests.front.h"), Histogram),
    ]

    for instrument, kind in made:
        assert type(instrument) is kind
        assert instrument in REGISTRY.instruments()


def test_instrument_without_labels_counts_itself(registry: InstrumentRegistry) -> None:
    counter, up_down = registry.counter("c"), registry.up_down_counter("u")
    gauge, histogram = registry.gauge("g"), registry.histogram("h")
    counter.add()
    counter.add(2)
    up_down.add(-3)
    gauge.set(5)
    gauge.add(-0.5)
    histogram.record(0.02)

    assert (counter.labels().value, up_down.labels().value, gauge.labels().value) == (3, -3, 4.5)
    assert (histogram.labels().count, histogram.labels().sum) == (1, 0.02)


def test_instrument_with_labels_refuses_to_count_without_them(
    registry: InstrumentRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    registry.counter("c", labels=("a", "b")).add(1)
    registry.up_down_counter("u", labels=("a",)).add(1)
    registry.gauge("g", labels=("a",)).set(1)
    registry.gauge("g", labels=("a",)).add(1)
    registry.histogram("h", labels=("a",)).record(1)

    assert values(registry, "tradespan.metrics.refused") == {"c": 1, "u": 1, "g": 2, "h": 1}
    assert "c: it has the labels a, b, so that only `labels(…)` counts" in caplog.text


def test_what_is_refused_is_counted_for_its_instrument_and_told_once(
    registry: InstrumentRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    counter = registry.counter("c")
    for value in (math.nan, -1, "secret", math.inf):
        counter.add(value)  # type: ignore[arg-type]
    registry.gauge("g").set(math.nan)

    assert values(registry, "tradespan.metrics.refused") == {"c": 4.0, "g": 1.0}
    assert [record.message.split(";")[0] for record in caplog.records] == [
        "c: nan is no value for it",
        "g: nan is no value for it",
    ]
    assert "secret" not in caplog.text


def test_log_handler_that_fails_reaches_nobody(registry: InstrumentRegistry) -> None:
    class Failing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise RuntimeError("full")

    handler = Failing()
    logging.getLogger("tradespan").addHandler(handler)
    try:
        registry.counter("c").add(math.nan)
    finally:
        logging.getLogger("tradespan").removeHandler(handler)

    assert values(registry, "tradespan.metrics.refused") == {"c": 1.0}


def test_interrupt_in_a_value_goes_on_to_the_program(registry: InstrumentRegistry) -> None:
    class Interrupted:
        def __float__(self) -> float:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        registry.counter("c").add(Interrupted())


def test_removed_gauge_is_as_if_it_had_never_been_set(registry: InstrumentRegistry) -> None:
    gauge = registry.gauge("g", labels=("symbol",))
    gauge.labels("BTC").set(5)
    gauge.remove("BTC")
    gauge.remove(symbol="never asked for")

    assert [(labels, child.value) for labels, child in gauge.series()] == [({"symbol": "BTC"}, 0.0)]
    assert not hasattr(registry.counter("c"), "remove")


def test_instruments_beyond_the_cap_count_for_nobody_and_harm_nobody(
    registry: InstrumentRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_INSTRUMENTS", 2)
    kept = [registry.counter(f"c{number}") for number in range(2)]
    lost = registry.counter("c2")
    lost.add(1)

    assert registry.counter("c1") is kept[1]
    assert lost.labels().value == 1.0
    assert lost not in registry.instruments()
    assert values(registry, "tradespan.metrics.overflow") == {"c2": 1.0}


def test_copies_are_the_instruments_and_children_of_the_process(way: str) -> None:
    counter = tradespan.counter("tests.copied.c", unit="1", labels=("a",))
    histogram = tradespan.histogram(f"tests.copied.{way}", bounds=(1,))
    child, own = counter.labels("x"), histogram.labels()
    held = {"counter": counter, "child": child, "histogram": histogram, "own": own}

    for copied in (copy.deepcopy(held), pickle.loads(pickle.dumps(held)), copy.copy(held)):
        assert copied == held


def test_copy_in_another_process_is_made_there(way: str) -> None:
    child = tradespan.counter("tests.pickled", unit="{order}", labels=("a",)).labels("x")
    child.add(3)
    data = pickle.dumps(child)
    script = (
        "import pickle, sys; c = pickle.loads(sys.stdin.buffer.read()); c.add(2); print(c.value)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=data, capture_output=True, check=True
    )

    assert done.stdout == b"2.0\n"
