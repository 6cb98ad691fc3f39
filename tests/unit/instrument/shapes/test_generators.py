"""Watched generator functions: one span from the first item to the end, however it ends."""

from __future__ import annotations

import contextvars
import gc
import threading
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

from tests.support.captured import Captured
from tests.unit.instrument.shapes.kinds import current
from tradespan.declare import names
from tradespan.instrument.monitor import monitor

ITEMS = names.TRADESPAN_GENERATOR_ITEMS
ENDED_BY = names.TRADESPAN_ENDED_BY


@monitor
def leaf(n: int) -> int:
    return n


@monitor
def ticks(count: int) -> Iterator[int]:
    for n in range(count):
        yield leaf(n)


@monitor
def endless(*held: Any) -> Iterator[int]:
    while True:
        yield 1


@monitor
def forgiving() -> Generator[str, Any, str]:
    while True:
        try:
            yield "ready"
        except ValueError:
            yield "forgiven"


# ── one span, from the first item to the end ────────────────────────────────────────────────────


def test_a_generator_read_to_its_end_is_one_span(captured: Captured) -> None:
    assert list(ticks(3)) == [0, 1, 2]
    span = captured.one("ticks")
    assert span.arguments == {"count": 3}
    assert span.own[ITEMS] == 3
    assert ENDED_BY not in span.own
    assert not span.failed


def test_its_result_is_the_first_item(captured: Captured) -> None:
    @monitor
    def symbols() -> Iterator[str]:
        yield "BTC"
        yield "ETH"

    assert list(symbols()) == ["BTC", "ETH"]
    assert captured.one("symbols").result == "'BTC'"


def test_the_first_item_is_shown_as_it_was_when_it_was_given(captured: Captured) -> None:
    @monitor
    def queues() -> Iterator[list[int]]:
        yield [1, 2]
        yield [3]

    @monitor
    def look() -> list[int]:
        return [1, 2]

    for queue in queues():
        queue.clear()
    look()
    assert captured.one("queues").result == captured.one("look").result


def test_an_empty_generator_is_recorded_with_no_item(captured: Captured) -> None:
    assert list(ticks(0)) == []
    span = captured.one("ticks")
    assert span.own[ITEMS] == 0
    assert span.result is None


def test_a_generator_that_was_never_started_is_not_recorded(captured: Captured) -> None:
    ticks(3)
    ticks(3).close()  # type: ignore[attr-defined]
    gc.collect()
    assert captured.spans == []


def test_the_span_begins_with_the_first_item_and_ends_with_the_last(captured: Captured) -> None:
    generator = ticks(1)
    leaf(10)
    next(generator)
    leaf(11)
    assert list(generator) == []
    leaf(12)
    span = captured.one("ticks").record
    before, during, after = (
        next(s.record for s in captured.named("leaf") if s.arguments["n"] == n)
        for n in (10, 11, 12)
    )
    assert before.end <= span.start <= during.start
    assert during.end <= span.end <= after.start


def test_arguments_are_shown_as_they_were_before_the_body_ran(captured: Captured) -> None:
    @monitor
    def drain(queue: list[int]) -> Iterator[int]:
        while queue:
            yield queue.pop()

    @monitor
    def look(queue: list[int]) -> None: ...

    look([1, 2])
    assert list(drain([1, 2])) == [2, 1]
    assert captured.one("drain").arguments == captured.one("look").arguments


# ── what is current while it runs, and between its items ────────────────────────────────────────


def test_children_of_the_body_nest_under_it(captured: Captured) -> None:
    list(ticks(3))
    span = captured.one("ticks")
    assert {child.parent_id for child in captured.named("leaf")} == {span.span_id}
    assert {child.trace_id for child in captured.named("leaf")} == {span.trace_id}


def test_it_is_not_current_in_the_consumer_between_items(captured: Captured) -> None:
    @monitor
    def consume() -> list[int]:
        seen = [current()]
        for _ in ticks(3):
            seen.append(current())
            leaf(100)
        return [*seen, current()]

    seen = consume()
    consumer = captured.one("consume")
    assert set(seen) == {consumer.span_id}
    assert captured.one("ticks").parent_id == consumer.span_id
    parents = {s.parent_id for s in captured.named("leaf") if s.arguments["n"] == 100}
    assert parents == {consumer.span_id}


def test_nothing_is_current_after_an_item_taken_outside_of_any_span(captured: Captured) -> None:
    generator = ticks(2)
    for _ in range(2):
        next(generator)
        assert current() == 0
    assert next(generator, None) is None
    assert current() == 0


def test_two_generators_read_in_turns_keep_their_children_apart(captured: Captured) -> None:
    @monitor
    def side(name: str) -> Iterator[int]:
        for n in range(3):
            yield leaf(n)

    for _ in zip(side("bid"), side("ask"), strict=True):
        assert current() == 0
    sides = captured.named("side")
    assert len({span.trace_id for span in sides}) == 2
    counts = [sum(c.parent_id == s.span_id for c in captured.named("leaf")) for s in sides]
    assert counts == [3, 3]


def test_generators_that_delegate_are_a_chain(captured: Captured) -> None:
    @monitor
    def outer() -> Iterator[int]:
        yield from ticks(2)

    assert list(outer()) == [0, 1]
    top, inner = captured.one("outer"), captured.one("ticks")
    assert inner.parent_id == top.span_id
    assert (top.own[ITEMS], inner.own[ITEMS]) == (2, 2)
    assert {child.parent_id for child in captured.named("leaf")} == {inner.span_id}


def test_a_scope_that_the_body_holds_over_an_item_stays_out_of_the_consumer(
    captured: Captured, quiet: Callable[[], list[str]]
) -> None:
    @monitor
    def quotes() -> Iterator[int]:
        with captured.tracer.start_as_current_span("connection"):
            yield 1
            yield 2

    with captured.tracer.start_as_current_span("consumer") as consumer:
        for _ in quotes():
            assert current() == consumer.get_span_context().span_id
        assert current() == consumer.get_span_context().span_id
    assert current() == 0
    assert captured.one("connection").parent_id == captured.one("quotes").span_id
    assert quiet() == []


def test_each_item_may_be_taken_in_another_context(
    captured: Captured, quiet: Callable[[], list[str]]
) -> None:
    generator = ticks(3)
    items = [contextvars.copy_context().run(next, generator) for _ in range(3)]
    assert items == [0, 1, 2]
    assert contextvars.copy_context().run(next, generator, None) is None
    assert {c.parent_id for c in captured.named("leaf")} == {captured.one("ticks").span_id}
    assert quiet() == []


def test_each_item_may_be_taken_in_another_thread(
    captured: Captured, quiet: Callable[[], list[str]]
) -> None:
    generator = ticks(3)
    items: list[int] = []
    for _ in range(4):
        thread = threading.Thread(target=lambda: items.append(next(generator, -1)))
        thread.start()
        thread.join()
    assert items == [0, 1, 2, -1]
    assert captured.one("ticks").own[ITEMS] == 3
    assert quiet() == []


# ── how it ends ─────────────────────────────────────────────────────────────────────────────────


def test_a_generator_left_early_is_no_error(captured: Captured) -> None:
    for n in ticks(10):
        if n == 1:
            break
    span = captured.one("ticks")
    assert span.own == {ENDED_BY: "GeneratorExit", ITEMS: 2}
    assert (span.failed, span.events) == (False, [])


def test_a_closed_generator_is_no_error_and_its_cleaning_up_is_part_of_it(
    captured: Captured,
) -> None:
    @monitor
    def session() -> Generator[int, None, None]:
        try:
            yield 1
        finally:
            leaf(5)

    generator = session()
    next(generator)
    generator.close()
    span = captured.one("session")
    assert span.own == {ENDED_BY: "GeneratorExit", ITEMS: 1}
    assert captured.one("leaf").parent_id == span.span_id
    assert current() == 0


def test_an_error_of_the_body_is_recorded_once_and_reaches_the_consumer(
    captured: Captured,
) -> None:
    error = ValueError("no quote")

    @monitor
    def failing() -> Iterator[int]:
        yield 1
        raise error

    generator = failing()
    assert next(generator) == 1
    with pytest.raises(ValueError, match="no quote") as raised:
        next(generator)
    assert raised.value is error
    assert list(generator) == []
    span = captured.one("failing")
    assert span.failed
    assert [event.name for event in span.events] == ["exception"]
    assert (span.failure.message, span.own[ITEMS]) == ("no quote", 1)


def test_an_error_of_the_consumer_is_none_of_the_generators(captured: Captured) -> None:
    def consume() -> None:
        for _ in endless():
            raise KeyError("consumer")

    with pytest.raises(KeyError):
        consume()
    gc.collect()
    span = captured.one("endless")
    assert (span.failed, span.events) == (False, [])


def test_an_exception_thrown_in_and_caught_inside_is_no_error(captured: Captured) -> None:
    generator = forgiving()
    assert next(generator) == "ready"
    assert generator.throw(ValueError("late")) == "forgiven"
    assert next(generator) == "ready"
    generator.close()
    span = captured.one("forgiving")
    assert (span.failed, span.events) == (False, [])
    assert span.own[ITEMS] == 3


def test_an_exception_thrown_in_that_passes_is_an_error_once(captured: Captured) -> None:
    generator = forgiving()
    next(generator)
    with pytest.raises(KeyError):
        generator.throw(KeyError("price"))
    span = captured.one("forgiving")
    assert span.failed
    assert span.failure.type == "KeyError"


@pytest.mark.parametrize("ending", [KeyboardInterrupt(), SystemExit(3)])
def test_what_is_no_error_is_only_named(captured: Captured, ending: BaseException) -> None:
    generator = forgiving()
    next(generator)
    with pytest.raises(type(ending)):
        generator.throw(ending)
    span = captured.one("forgiving")
    assert (span.failed, span.events) == (False, [])
    assert span.own[ENDED_BY] == type(ending).__name__
