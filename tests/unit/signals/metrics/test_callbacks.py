"""Callbacks of observable instruments, in the thread that runs them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.metrics import CallbackOptions, Observation

from tests.unit.signals.metrics.conftest import Run
from tests.unit.signals.metrics.reading import Read, one, read_run
from tradespan.signals.metrics import callbacks
from tradespan.signals.metrics.callbacks import Observer
from tradespan.signals.metrics.meters import Meter
from tradespan.signals.metrics.provider import MeterProvider
from tradespan.signals.metrics.registry import InstrumentRegistry
from tradespan.signals.slot import SignalSlot

NEVER = 3_600.0
"""Seconds between two rounds, where a test asks for each."""
PATIENCE = 30.0
NAME = "tradespan-observe"


@pytest.fixture
def run(tmp_path: Path, signals: SignalSlot) -> Run:
    return Run(tmp_path, signals)


@pytest.fixture
def observer(registry: InstrumentRegistry) -> Iterator[Observer]:
    made = Observer(registry)
    yield made
    made.end(PATIENCE)


@pytest.fixture
def meter(registry: InstrumentRegistry, observer: Observer) -> Meter:
    return MeterProvider(registry, observer).get_meter("lib")


def of(run: Run, name: str) -> dict[tuple[str, ...], Read]:
    found = [each for each in read_run(run.folder) if each.name == name]
    return {tuple(each.labels.values()): each for each in found}


def alive() -> int:
    return sum(thread.name == NAME for thread in threading.enumerate())


def test_there_is_no_thread_before_something_observes(meter: Meter, observer: Observer) -> None:
    before = alive()
    observer.begin(NEVER)
    meter.create_counter("c").add(1)
    meter.create_observable_gauge("empty")
    assert alive() == before
    meter.create_observable_gauge("g", [lambda _: []])
    meter.create_observable_gauge("g2", [lambda _: []])
    assert alive() == before + 1
    observer.end(PATIENCE)
    assert alive() == before


def test_observations_are_what_is_there_and_not_added(
    run: Run, meter: Meter, observer: Observer
) -> None:
    numbers = iter([10, 25, 3])

    def observe(options: CallbackOptions) -> list[Observation]:
        number = next(numbers)
        return [Observation(number, {"a": "x"}), Observation(-number, {"a": "y"})]

    meter.create_observable_counter("c", [observe])
    numbers_of_level = iter([7, 5, 6])
    meter.create_observable_up_down_counter("u", [lambda _: [Observation(next(numbers_of_level))]])
    observer.begin(NEVER)
    for expected, level in ((10, 7), (25, 5), (3, 6)):
        assert observer.observe(PATIENCE)
        assert one(run.folder, "c", a="x").value == expected
        assert one(run.folder, "u").value == level


def test_it_observes_each_interval(run: Run, meter: Meter, observer: Observer) -> None:
    rounds = threading.Semaphore(0)

    def observe(_: CallbackOptions) -> list[Observation]:
        rounds.release()
        return []

    meter.create_observable_gauge("g", [observe])
    observer.begin(0.001)
    for _ in range(3):
        assert rounds.acquire(timeout=PATIENCE)


def test_a_generator_is_sent_the_options_each_time(
    run: Run, meter: Meter, observer: Observer
) -> None:
    sent = []

    def observe() -> Generator[Iterable[Observation], CallbackOptions, None]:
        options = yield []
        for number in (5, 9):
            sent.append(options)
            options = yield [Observation(number)]

    meter.create_observable_gauge("g", [observe()])
    observer.begin(NEVER)
    for expected in (5, 9):
        observer.observe(PATIENCE)
        assert one(run.folder, "g").value == expected
    assert all(isinstance(each, CallbackOptions) for each in sent)
    observer.observe(PATIENCE)  # it has ended
    assert one(run.folder, "g").set_at == 0


def test_a_function_may_be_a_generator_function(run: Run, meter: Meter, observer: Observer) -> None:
    def observe(_: CallbackOptions) -> Iterator[Observation]:
        yield Observation(1, {"a": "x"})
        yield Observation(2, {"a": "y"})

    meter.create_observable_gauge("g", [observe])
    observer.begin(NEVER)
    observer.observe(PATIENCE)
    assert {labels: each.value for labels, each in of(run, "g").items()} == {("x",): 1, ("y",): 2}


def test_what_is_observed_no_more_is_told_no_more(
    run: Run, meter: Meter, observer: Observer
) -> None:
    there = {"x", "y"}

    def observe(_: CallbackOptions) -> list[Observation]:
        return [Observation(4, {"a": each}) for each in sorted(there)]

    meter.create_observable_gauge("g", [observe])
    meter.create_observable_up_down_counter("u", [observe])
    meter.create_observable_counter("c", [observe])
    observer.begin(NEVER)
    observer.observe(PATIENCE)
    assert of(run, "g")["y",].set_at > 0
    there.remove("y")
    observer.observe(PATIENCE)
    assert (of(run, "g")["x",].set_at > 0, of(run, "g")["y",].set_at) == (True, 0)
    assert (of(run, "u")["y",].value, of(run, "c")["y",].value) == (0, 4)


def raise_error(_: CallbackOptions) -> list[Observation]:
    raise ValueError("no feed")


def raise_exit(_: CallbackOptions) -> list[Observation]:
    raise SystemExit(3)


def give_nonsense(_: CallbackOptions) -> Any:
    return [5, None]


@pytest.mark.parametrize("broken", [raise_error, raise_exit, give_nonsense])
def test_a_callback_that_fails_is_counted_and_the_others_run(
    run: Run, meter: Meter, observer: Observer, broken: Callable[[CallbackOptions], Any]
) -> None:
    meter.create_observable_gauge("bad", [broken, lambda _: [Observation(8)]])
    meter.create_observable_gauge("good", [lambda _: [Observation(9)]])
    observer.begin(NEVER)
    for _ in range(2):
        assert observer.observe(PATIENCE)
    assert (one(run.folder, "bad").value, one(run.folder, "good").value) == (8, 9)
    failures = of(run, "tradespan.metrics.callback.failures")
    assert {labels: each.value for labels, each in failures.items()} == {("bad",): 2}
    durations = of(run, "tradespan.metrics.callback.duration")
    assert {labels: sum(each.buckets) for labels, each in durations.items()} == {
        ("bad",): 2,
        ("good",): 2,
    }


def test_a_callback_that_fails_forgets_nothing(run: Run, meter: Meter, observer: Observer) -> None:
    fails = False

    def observe(_: CallbackOptions) -> list[Observation]:
        if fails:
            raise ValueError
        return [Observation(4)]

    meter.create_observable_gauge("g", [observe])
    observer.begin(NEVER)
    observer.observe(PATIENCE)
    fails = True
    observer.observe(PATIENCE)
    assert (one(run.folder, "g").value, one(run.folder, "g").set_at > 0) == (4, True)


def test_a_slow_callback_is_told_once(
    meter: Meter,
    observer: Observer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(callbacks, "SLOW", -1.0)
    meter.create_observable_gauge("g", [lambda _: []])
    observer.begin(NEVER)
    for _ in range(3):
        assert observer.observe(PATIENCE)
    assert caplog.text.count("Observing g took") == 1


def test_the_end_waits_for_no_callback_that_hangs(
    run: Run, meter: Meter, observer: Observer, caplog: pytest.LogCaptureFixture
) -> None:
    begun, released = threading.Event(), threading.Event()

    def hang(_: CallbackOptions) -> list[Observation]:
        begun.set()
        released.wait(PATIENCE)
        return []

    meter.create_observable_gauge("stuck", [hang])
    observer.begin(0.001)
    try:
        assert begun.wait(PATIENCE)
        assert observer.observe(0.001) is False
        observer.end(0.001)
        assert "Observing stuck has not come back" in caplog.text
    finally:
        released.set()


def test_the_end_observes_once_more(run: Run, meter: Meter, observer: Observer) -> None:
    meter.create_observable_gauge("g", [lambda _: [Observation(6)]])
    observer.begin(NEVER)
    observer.end(PATIENCE)
    assert one(run.folder, "g").value == 6


def test_it_can_begin_again(run: Run, meter: Meter, observer: Observer) -> None:
    meter.create_observable_gauge("g", [lambda _: [Observation(6)]])
    for _ in range(2):
        observer.begin(NEVER)
        assert observer.observe(PATIENCE)
        observer.end(PATIENCE)
    durations = of(run, "tradespan.metrics.callback.duration")
    assert sum(durations["g",].buckets) == 4


def test_while_it_is_paused_there_is_no_thread(meter: Meter, observer: Observer) -> None:
    before = alive()
    assert observer.pause() is False
    meter.create_observable_gauge("g", [lambda _: []])
    observer.begin(NEVER)
    (thread,) = [each for each in threading.enumerate() if each.name == NAME][before:]
    assert observer.pause() is True
    thread.join(PATIENCE)
    assert not thread.is_alive()
    observer.resume()
    assert observer.observe(PATIENCE)
    assert alive() == before + 1


def test_more_callbacks_of_the_same_instrument_are_run_too(
    run: Run, meter: Meter, observer: Observer
) -> None:
    for label in ("x", "y"):
        observation = Observation(1, {"a": label})
        meter.create_observable_gauge("g", [lambda _, told=observation: [told]])  # type: ignore[misc]
    observer.begin(NEVER)
    observer.observe(PATIENCE)
    assert sorted(of(run, "g")) == [("x",), ("y",)]
