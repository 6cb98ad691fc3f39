"""Label sets: by place or name, as text, bounded in length and number."""

from __future__ import annotations

import enum
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradespan.signals.metrics import arguments
from tradespan.signals.metrics.callbacks import Observer
from tradespan.signals.metrics.instruments import Counter
from tradespan.signals.metrics.named import MetricsRegistry
from tradespan.signals.metrics.provider import MeterProvider
from tradespan.signals.metrics.registry import InstrumentRegistry
from tradespan.signals.metrics.series import MOST_VALUE, text_of
from tradespan.signals.slot import SignalSlot


class Side(enum.Enum):
    BUY = "buy"


class Venue(str, enum.Enum):  # noqa: UP042 - as people still write it
    KRAKEN = "kraken"


class Level(enum.IntEnum):
    HIGH = 1


class Odd:
    def __str__(self) -> str:
        raise RuntimeError("no")

    __hash__ = None  # type: ignore[assignment]


class Hashless(str):
    __slots__ = ()

    def __hash__(self) -> int:
        raise RuntimeError("no")


@pytest.fixture
def counter(registry: InstrumentRegistry) -> Counter:
    return registry.counter("orders", labels=("trading.venue", "side"))


def test_label_set_is_one_child_however_it_is_named(counter: Counter) -> None:
    child = counter.labels("kraken", "buy")

    assert counter.labels(**{"trading.venue": "kraken", "side": "buy"}) is child
    assert counter.labels(side="buy", trading_venue="kraken") is child
    assert counter.labels("kraken", side="buy") is child
    assert counter.labels(Venue.KRAKEN, Side.BUY) is child
    assert counter.labels("kraken", "buy") is child
    assert counter.declare("kraken", "buy") is child
    assert [labels for labels, _ in counter.series()] == [
        {"side": "buy", "trading.venue": "kraken"}
    ]


def test_missing_value_is_empty(counter: Counter) -> None:
    assert counter.labels("kraken") is counter.labels("kraken", "")
    assert counter.labels(side="buy") is counter.labels(None, "buy")
    assert counter.labels() is counter.labels("", "")


@pytest.mark.parametrize(
    ("values", "named", "said"),
    [
        (("a", "b", "c"), {}, "given 3 values"),
        ((), {"sdie": "buy"}, "orders has no label 'sdie'; it has the labels trading.venue, side"),
        (("a",), {"trading_venue": "b"}, "two values of trading.venue"),
        ((), {"trading_venue": "b", "trading.venue": "b"}, "two values of trading.venue"),
    ],
)
def test_label_that_there_is_not_is_told_at_once(
    counter: Counter, values: Any, named: Any, said: str
) -> None:
    with pytest.raises(TypeError, match=said):
        counter.labels(*values, **named)
    assert counter.series() == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a=b,c", "a=b,c"),
        (True, "true"),
        (False, "false"),
        (None, ""),
        (7, "7"),
        (1.5, "1.5"),
        (Side.BUY, "buy"),
        (Venue.KRAKEN, "kraken"),
        (Level.HIGH, "1"),
        ("\ud800x", "?x"),
        ("ü" * 4096, "ü" * 255 + "…"),
        ("x" * 256, "x" * 256),
        (Odd(), "<Odd>"),
        (Hashless("x"), "x"),
        (10**5000, "<int>"),
        ([1], "[1]"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_value_becomes_text(registry: InstrumentRegistry, value: object, text: str) -> None:
    counter = registry.counter("c", labels=("v",))
    counter.labels(value).add(1)
    counter.labels(v=value).add(1)

    assert [(labels, child.value) for labels, child in counter.series()] == [({"v": text}, 2.0)]


def test_values_that_are_equal_and_read_differently_are_told_apart(
    registry: InstrumentRegistry,
) -> None:
    counter = registry.counter("c", labels=("v",))
    for value in ("1", 1, True, 1.0, Level.HIGH):
        counter.labels(value).add(1)

    assert {labels["v"]: child.value for labels, child in counter.series()} == {
        "1": 3.0,
        "true": 1.0,
        "1.0": 1.0,
    }


@given(st.one_of(st.text(), st.integers(), st.floats(), st.binary(), st.booleans(), st.none()))
def test_text_of_a_value_is_short_and_can_be_encoded(value: object) -> None:
    text = text_of(value)

    assert len(text) <= MOST_VALUE
    assert text.encode().decode() == text


def test_label_sets_beyond_the_cap_count_in_one_series(registry: InstrumentRegistry) -> None:
    counter = registry.counter("c", labels=("number",))
    for number in range(2_003):
        counter.labels(str(number)).add(1)
    counter.labels("2001").add(1)
    counter.labels("7").add(1)
    counted = {tuple(labels.items()): child.value for labels, child in counter.series()}
    (told,) = [each for each in registry.instruments() if "overflow" in each.name]

    assert len(counted) == 2_001
    assert counted[("otel.metric.overflow", "true"),] == 4.0
    assert counted[("number", "7"),] == 2.0
    assert [(labels, child.value) for labels, child in told.series()] == [
        ({"tradespan.instrument": "c"}, 4.0)
    ]


def test_overflow_of_the_overflow_ends(
    registry: InstrumentRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tradespan.signals.metrics.registry.MOST_LABEL_SETS", 1)
    for name in ("a", "b", "c"):
        counter = registry.counter(name, labels=("number",))
        for value in ("1", "2"):
            counter.labels(value).add(1)
    (told,) = [each for each in registry.instruments() if "overflow" in each.name]

    assert [(labels, child.value) for labels, child in told.series()] == [
        ({"tradespan.instrument": "a"}, 1.0),
        ({"otel.metric.overflow": "true"}, 2.0),
    ]


def test_threads_that_make_the_same_child_get_the_same(registry: InstrumentRegistry) -> None:
    counter = registry.counter("c", labels=("number",))
    ready = threading.Barrier(8)

    def work() -> None:
        ready.wait()
        for number in range(300):
            counter.labels(number).add(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {child.value for _, child in counter.series()} == {8.0}
    assert len(counter.series()) == 300


def test_threads_that_come_to_the_cap_together_keep_it(registry: InstrumentRegistry) -> None:
    counter = registry.counter("c", labels=("number",))
    ready = threading.Barrier(4)

    def work(name: str) -> None:
        ready.wait()
        for number in range(600):
            counter.labels(f"{name}{number}").add(1)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(counter.series()) == 2_001
    assert sum(child.value for _, child in counter.series()) == 2_400.0


def test_threads_that_make_the_same_instrument_get_the_same(way: str) -> None:
    registry = InstrumentRegistry(SignalSlot())
    ready, made = threading.Barrier(8), []

    def work() -> None:
        ready.wait()
        made.append(registry.counter("c"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(map(id, made))) == 1


# ── words ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("label", ["trading.order.client_id", "order_id", "id", "api.key"])
@pytest.mark.parametrize("kind", ["counter", "up_down_counter", "gauge", "histogram"])
def test_id_is_refused_as_a_label_where_the_instrument_is_made(
    registry: InstrumentRegistry, kind: str, label: str
) -> None:
    with pytest.raises(ValueError, match=f"^orders: {label} is an id .* put it on the span"):
        getattr(registry, kind)("orders", labels=("trading.venue", label))
    assert not [each for each in registry.instruments() if each.name == "orders"]
    getattr(registry, kind)("orders", labels=("trading.venue", "paid", "trading.order.side"))


def test_id_that_a_third_party_gives_is_taken_as_it_comes(registry: InstrumentRegistry) -> None:
    meter = MeterProvider(registry, Observer(registry)).get_meter("lib")
    meter.create_counter("hits").add(1, {"messaging.message.id": "7"})
    (hits,) = [each for each in registry.instruments() if each.name == "hits"]
    assert [labels for labels, _ in hits.series()] == [{"messaging.message.id": "7"}]


@pytest.mark.parametrize(
    ("unit", "word"), [("seconds", "s"), ("USD", "{currency}"), ("count", "{…}, such as {order}")]
)
def test_unit_that_ucum_writes_otherwise_is_told_once_an_instrument(
    registry: InstrumentRegistry,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    unit: str,
    word: str,
) -> None:
    monkeypatch.setattr(arguments, "_HINTED", set())
    for _ in range(3):
        assert registry.histogram("wait", unit=unit).unit == unit
    MetricsRegistry("desk", registry=registry).gauge("age", unit=unit)
    for good in ("s", "By", "{order}", "", "1"):
        registry.counter(f"good{len(good)}{good[:1].isalpha()}", unit=good)
    MeterProvider(registry, Observer(registry)).get_meter("lib").create_counter("theirs", unit)
    assert caplog.messages == [
        f"wait: the unit {unit!r} is none by UCUM; write {word}",
        f"desk_age: the unit {unit!r} is none by UCUM; write {word}",
    ]
