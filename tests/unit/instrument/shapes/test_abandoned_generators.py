"""Watched generators that nobody reads to their end: collected, somewhere, at some time."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.captured import Captured
from tests.unit.instrument.shapes.kinds import current
from tradespan.declare import names
from tradespan.instrument.monitor import monitor

ITEMS = names.TRADESPAN_GENERATOR_ITEMS
ENDED_BY = names.TRADESPAN_ENDED_BY


@monitor
def ticks(count: int) -> Iterator[int]:
    yield from range(count)


@monitor
def endless(*held: Any) -> Iterator[int]:
    while True:
        yield 1


def test_a_generator_without_a_reader_goes_at_once_with_what_it_holds(captured: Captured) -> None:
    class Book: ...

    book = Book()
    generator = endless(book)
    next(generator)
    gone = weakref.ref(book)
    del book, generator
    assert gone() is None, "a cycle keeps it until the collector comes"
    assert captured.one("endless").own == {ENDED_BY: "GeneratorExit", ITEMS: 1}


@pytest.mark.parametrize("rate", [1.0, 0.0])
def test_an_item_that_its_reader_dropped_is_not_kept(captured: Captured, rate: float) -> None:
    class Book: ...

    @monitor(sample_rate=rate)
    def books() -> Iterator[Book]:
        while True:
            yield Book()

    generator = books()
    first = weakref.ref(next(generator))
    second = weakref.ref(next(generator))
    assert first() is None, "the first item lives as long as its generator"
    assert second() is None, "an item lives until the next one"


def collect_in_another_thread(generators: list[Any]) -> None:
    def collect() -> None:
        generators.clear()
        gc.collect()

    thread = threading.Thread(target=collect)
    thread.start()
    thread.join()


@pytest.mark.parametrize("cycle", [False, True], ids=["by count", "by the collector"])
def test_a_generator_collected_in_another_thread_says_nothing(
    captured: Captured, quiet: Callable[[], list[str]], cycle: bool
) -> None:
    def start() -> list[Any]:
        held: list[Any] = []
        generator = endless(held if cycle else None)
        next(generator)
        if cycle:
            held.append(generator)
        return [generator]

    with captured.tracer.start_as_current_span("reader") as reader:
        collect_in_another_thread(start())
        assert current() == reader.get_span_context().span_id
    span = captured.one("endless")
    assert span.own == {ENDED_BY: "GeneratorExit", ITEMS: 1}
    assert span.parent_id == captured.one("reader").span_id
    assert quiet() == []


def test_a_generator_begun_before_recording_and_ended_after_is_harmless() -> None:
    generator = ticks(3)
    assert next(generator) == 0
    assert list(generator) == [1, 2]


def test_what_was_read_before_recording_began_is_not_recorded_in_the_middle(
    captured: Captured,
) -> None:
    slot, recorder = captured.slot, captured.slot.recorder
    slot.recorder = None
    generator = ticks(3)
    next(generator)
    slot.recorder = recorder
    assert list(generator) == [1, 2]
    assert captured.named("ticks") == []
