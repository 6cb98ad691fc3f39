"""Where counts are: in memory at first, in the metric page of the run that is configured."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tests.unit.pages.builders import DECIDE, calls_in, count, problems_in
from tests.unit.signals.metrics.conftest import Run
from tests.unit.signals.metrics.reading import one, read_run
from tradespan.pages import metrics
from tradespan.signals.metrics.registry import InstrumentRegistry
from tradespan.signals.slot import SignalSlot


def test_series_are_declared_as_the_format_says(
    registry: InstrumentRegistry, signals: SignalSlot, tmp_path: Path
) -> None:
    Run(tmp_path, signals)
    counter = registry.counter("c", unit="{order}", description="Orders.", labels=("b", "a"))
    counter.labels("2", "1").add(1)
    registry.histogram("h", unit="s", bounds=(1, 2)).record(1.5)
    number, histogram = one(tmp_path, "c", a="1", b="2"), one(tmp_path, "h")
    scope = number.declaration.pop("scope")

    assert (number.kind, len(number.cells)) == (3, 64)
    assert number.declaration == {
        "name": "c",
        "instrument": "counter",
        "unit": "{order}",
        "description": "Orders.",
        "labels": [["a", "1"], ["b", "2"]],
    }
    assert (scope[0], scope[2]) == ("tradespan", "")
    assert (histogram.kind, len(histogram.cells)) == (4, 8 * (3 + 3 + 6))
    assert histogram.declaration["bounds"] == [1.0, 2.0]
    assert (histogram.buckets, histogram.parts) == ((0, 1, 0), (1.5, 1.5, 1.5))


def test_label_set_is_born_at_zero_before_anything_is_counted(
    registry: InstrumentRegistry, signals: SignalSlot, tmp_path: Path
) -> None:
    Run(tmp_path, signals)
    registry.counter("plain")
    registry.gauge("gauge")
    registry.counter("c", labels=("reason",)).declare("price")
    registry.counter("undeclared", labels=("reason",))

    assert one(tmp_path, "plain").value == 0.0
    assert one(tmp_path, "gauge").set_at == 0
    assert one(tmp_path, "c", reason="price").value == 0.0
    assert {each.name for each in read_run(tmp_path)} == {"plain", "gauge", "c"}


def test_what_was_counted_before_configure_goes_along(
    registry: InstrumentRegistry, signals: SignalSlot, tmp_path: Path
) -> None:
    counter, gauge, histogram = registry.counter("c"), registry.gauge("g"), registry.histogram("h")
    bound = registry.counter("labelled", labels=("a",)).labels("x")
    counter.add(3)
    bound.add(4)
    gauge.set(5)
    histogram.record(6)
    Run(tmp_path, signals)
    counter.add(1)
    bound.add(1)

    assert one(tmp_path, "c").value == 4.0
    assert one(tmp_path, "labelled", a="x").value == bound.value == 5.0
    assert (one(tmp_path, "g").value, one(tmp_path, "g").set_at > 0) == (5.0, True)
    assert one(tmp_path, "h").parts == (6.0, 6.0, 6.0)


def test_next_run_counts_from_zero_and_the_last_one_keeps_its_own(
    registry: InstrumentRegistry, signals: SignalSlot, tmp_path: Path
) -> None:
    counter, gauge = registry.counter("c"), registry.gauge("g")
    first = Run(tmp_path / "first", signals)
    counter.add(3)
    gauge.set(7)
    signals.clear()
    first.page.close()
    counter.add(1)
    between = registry.counter("between")
    between.add(2)
    value_after_the_end = counter.labels().value
    Run(tmp_path / "second", signals)
    counter.add(10)

    assert value_after_the_end == 4.0
    assert one(tmp_path / "first", "c").value == 3.0, "what it told is what it was"
    assert one(tmp_path / "second", "c").value == 10.0
    assert one(tmp_path / "second", "between").value == 2.0
    assert one(tmp_path / "second", "g").set_at == 0


def test_reader_of_functions_passes_over_the_series_of_instruments(
    registry: InstrumentRegistry, signals: SignalSlot, tmp_path: Path
) -> None:
    run = Run(tmp_path, signals)
    registry.counter("c").add(1)
    registry.histogram("h").record(1)
    count(run.page, DECIDE, 1)

    assert calls_in(tmp_path) == {DECIDE.name: 1}
    assert problems_in(tmp_path) == []


def test_without_a_page_all_counts_in_memory(
    registry: InstrumentRegistry, signals: SignalSlot, tmp_path: Path
) -> None:
    signals.fill(Run(tmp_path, SignalSlot()).writer, None)  # type: ignore[arg-type]
    counter = registry.counter("c")
    counter.add(3)

    assert counter.labels().value == 3.0
    assert not list(tmp_path.iterdir())


def test_page_that_fails_otherwise_reaches_nobody(
    registry: InstrumentRegistry,
    signals: SignalSlot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> Any:
        raise RuntimeError("broken")

    Run(tmp_path, signals)
    with monkeypatch.context() as patch:
        patch.setattr(metrics.MetricPage, "number", fail)
        counter = registry.counter("c", labels=("a",))
        counter.labels("x").add(1)
    counter.labels("y").add(2)
    counter.labels(None).add(3)

    assert one(tmp_path, "c", a="y").value == 2.0


def test_page_that_is_full_counts_in_the_overflow_series(
    registry: InstrumentRegistry,
    signals: SignalSlot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metrics, "MOST_INSTRUMENT_SERIES", 2)
    Run(tmp_path, signals)
    counter = registry.counter("c", labels=("number",))
    for number in range(5):
        counter.labels(number).add(number)

    assert one(tmp_path, "c", number="1").value == 1.0
    assert one(tmp_path, "c", otel_metric_overflow="true").value == 2 + 3 + 4


def test_2000_label_sets_have_cells_of_their_own(
    registry: InstrumentRegistry, signals: SignalSlot, tmp_path: Path
) -> None:
    Run(tmp_path, signals)
    histogram = registry.histogram("h", labels=("number",))
    for number in range(2_000):
        histogram.labels(number).record(number)
    found = {each.labels["number"]: each.parts[0] for each in read_run(tmp_path)}

    assert found == {str(number): float(number) for number in range(2_000)}


def test_label_set_whose_making_was_interrupted_gets_its_place_when_it_is_asked_for_again(
    registry: InstrumentRegistry,
    signals: SignalSlot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(*_: object) -> Any:
        raise KeyboardInterrupt

    Run(tmp_path, signals)
    counter = registry.counter("c", labels=("a",))
    with monkeypatch.context() as patch:
        patch.setattr(metrics.MetricPage, "number", interrupt)
        with pytest.raises(KeyboardInterrupt):
            counter.labels("x")
    counter.labels("x").add(1)

    assert one(tmp_path, "c", a="x").value == 1.0


def test_signal_handler_that_makes_and_counts_is_not_held_up(
    registry: InstrumentRegistry, signals: SignalSlot, tmp_path: Path
) -> None:
    Run(tmp_path, signals)
    counter = registry.counter("c", labels=("number",))
    handled = 0

    def handle(_: int, __: FrameType | None) -> None:
        nonlocal handled
        counter.labels(f"{handled % 500}").add(1)
        registry.counter(f"of.handler.{handled % 7}").add(1)
        handled += 1
        signal.setitimer(signal.ITIMER_REAL, 1e-4)

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 1e-4)
    try:
        made = 0
        while handled < 300:
            counter.labels(f"{made % 500}").add(1)
            made += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    assert sum(each.value for each in read_run(tmp_path) if each.name == "c") == made + handled
    assert sum(each.value for each in read_run(tmp_path) if each.name != "c") == handled


def test_threads_that_count_while_the_run_is_configured_lose_nothing(
    registry: InstrumentRegistry, signals: SignalSlot, tmp_path: Path, way: str
) -> None:
    counter = registry.counter("c", labels=("thread",))
    times = 100_000 if way == "native" else 10_000
    begun, configured = threading.Barrier(5), threading.Event()

    def work(number: int) -> None:
        bound = counter.labels(number % 2)
        begun.wait()
        for _ in range(times):
            bound.add(1)
        configured.wait()
        bound.add(1)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    begun.wait()
    Run(tmp_path, signals)
    configured.set()
    for thread in threads:
        thread.join()

    assert sum(each.value for each in read_run(tmp_path)) == 4 * times + 4


# ── forks ───────────────────────────────────────────────────────────────────────────────────────


def in_child(work: Any) -> int:
    """Run it in a forked child; its exit status."""
    child = os.fork()
    if not child:
        status = 1
        try:
            status = 0 if work() else 2
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_forked_child_counts_from_zero_in_its_own_page_and_leaves_the_parents_alone(
    registry: InstrumentRegistry, signals: SignalSlot, tmp_path: Path
) -> None:
    Run(tmp_path, signals)
    bound = registry.counter("c", labels=("a",)).labels("x")
    gauge, idle = registry.gauge("g"), registry.counter("idle")
    bound.add(5)
    gauge.set(7)
    idle.add(9)

    def work() -> bool:
        seen = bound.value, gauge.labels().value
        bound.add(3)
        return seen == (0.0, 0.0) and bound.value == 3.0

    assert in_child(work) == 0
    bound.add(1)
    values = sorted((each.name, each.value, each.set_at > 0) for each in read_run(tmp_path))

    # What the child has not counted is not there: each of a thousand workers would tell all.
    assert values == [("c", 3.0, False), ("c", 6.0, False), ("g", 7.0, True), ("idle", 9.0, False)]


def test_forked_child_that_counts_nothing_leaves_no_page(
    registry: InstrumentRegistry, signals: SignalSlot, tmp_path: Path
) -> None:
    Run(tmp_path, signals)
    registry.counter("c").add(5)

    assert in_child(lambda: True) == 0
    assert len(list(tmp_path.glob("*.metrics"))) == 1


def test_grandchild_counts_from_zero_too(
    registry: InstrumentRegistry, signals: SignalSlot, tmp_path: Path
) -> None:
    Run(tmp_path, signals)
    counter = registry.counter("c")
    counter.add(5)

    def work() -> bool:
        counter.add(1)
        counter.labels().add(1)
        return in_child(work_below) == 0

    def work_below() -> bool:
        counter.add(1)
        return counter.labels().value == 1.0

    assert in_child(work) == 0
    assert sorted(each.value for each in read_run(tmp_path)) == [1.0, 2.0, 5.0]


def test_fork_without_a_page_begins_at_zero_in_memory(registry: InstrumentRegistry) -> None:
    counter = registry.counter("c")
    counter.add(5)

    def work() -> bool:
        before = counter.labels().value
        counter.add(2)
        return (before, counter.labels().value) == (0.0, 2.0)

    assert in_child(work) == 0
    assert counter.labels().value == 5.0


def test_fork_while_another_thread_makes_children_leaves_the_child_free(
    registry: InstrumentRegistry, signals: SignalSlot, tmp_path: Path
) -> None:
    Run(tmp_path, signals)
    counter = registry.counter("c", labels=("number",))
    done = threading.Event()

    def make() -> None:
        number = 0
        while not done.is_set():
            counter.labels(number % 1_500).add(1)
            registry.gauge(f"g{number % 1_500}")
            number += 1

    def work() -> bool:
        signal.alarm(20)
        counter.labels("of the child").add(1)
        counter.labels("1").add(1)
        registry.counter("new").add(1)
        return counter.labels("1").value == 1.0

    thread = threading.Thread(target=make)
    thread.start()
    try:
        statuses = {in_child(work) for _ in range(10)}
    finally:
        done.set()
        thread.join()

    assert statuses == {0}
