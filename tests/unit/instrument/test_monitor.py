"""`@monitor`: what a watched function is, and what one call of it records."""

from __future__ import annotations

import abc
import functools
import inspect
import pickle
import typing
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from tests.support.captured import Captured
from tradespan.instrument.monitor import monitor


@monitor
def price_of(symbol: str, quantity: int = 1, *, venue: str = "DEMO") -> float:
    """What an order costs."""
    return 1.5 * quantity


def unwatched(symbol: str) -> str:
    return symbol


class Desk:
    @monitor
    def place(self, symbol: str) -> str:
        return f"{symbol} placed"

    @staticmethod
    @monitor
    def checked(quantity: int) -> int:
        return quantity

    @monitor
    @staticmethod
    def rounded(quantity: float) -> int:
        return round(quantity)

    @classmethod
    @monitor
    def opened(cls, name: str) -> str:
        return f"{cls.__name__} {name}"

    @monitor
    @classmethod
    def closed(cls, name: str) -> str:
        return f"{cls.__name__} {name}"


class NightDesk(Desk):
    pass


# ── what the wrapped function looks like ────────────────────────────────────────────────────────


def test_the_function_keeps_its_name_documentation_and_signature() -> None:
    assert price_of.__name__ == "price_of"
    assert price_of.__qualname__ == "price_of"
    assert price_of.__module__ == __name__
    assert price_of.__doc__ == "What an order costs."
    signature = "(symbol: 'str', quantity: 'int' = 1, *, venue: 'str' = 'DEMO') -> 'float'"
    assert str(inspect.signature(price_of)) == signature
    assert typing.get_type_hints(price_of)["quantity"] is int
    assert "What an order costs" in inspect.getsource(price_of)


def test_the_function_can_be_pickled_by_its_name() -> None:
    assert pickle.loads(pickle.dumps(price_of)) is price_of


def test_a_coroutine_function_stays_one() -> None:
    async def fetch() -> None: ...

    assert inspect.iscoroutinefunction(monitor(fetch))
    assert not inspect.iscoroutinefunction(price_of)


def test_attributes_of_the_function_are_kept() -> None:
    def route() -> None: ...

    route.path = "/orders"  # type: ignore[attr-defined]
    assert monitor(route).path == "/orders"  # type: ignore[attr-defined]


def test_an_abstract_method_stays_abstract() -> None:
    class Strategy(abc.ABC):
        @monitor
        @abc.abstractmethod
        def decide(self) -> None: ...

    with pytest.raises(TypeError, match="abstract"):
        Strategy()  # type: ignore[abstract]


def test_a_function_is_watched_once_however_often_it_is_decorated(captured: Captured) -> None:
    watched = monitor(monitor(unwatched))
    watched("X")
    assert len(captured.spans) == 1


def test_a_decorator_around_a_watched_function_can_be_watched_too(captured: Captured) -> None:
    @monitor
    def inner() -> int:
        return 1

    @monitor(name="outer")
    @functools.wraps(inner)
    def outer() -> int:
        return inner()

    outer()
    assert captured.one("inner").parent_id == captured.one("outer").span_id


@pytest.mark.parametrize("capture", ["some", {"arguments": True}, {"args": True, "local": True}])
def test_an_unknown_word_for_what_to_capture_is_refused(capture: Any) -> None:
    with pytest.raises(ValueError, match="capture="):
        monitor(capture=capture)


@pytest.mark.parametrize("option", ["max_repr", "queue_warning_threshold"])
def test_a_number_that_makes_no_sense_is_refused_by_its_name(option: str) -> None:
    options: dict[str, Any] = {option: 0}
    with pytest.raises(ValueError, match=option):
        monitor(**options)


# ── until something records ─────────────────────────────────────────────────────────────────────


def test_an_undecided_function_passes_through() -> None:
    assert price_of("X", 2) == 3.0
    assert Desk().place("X") == "X placed"


def test_a_function_watched_before_recording_began_is_recorded(captured: Captured) -> None:
    price_of("X")
    assert captured.one("price_of").result == 1.5


# ── what a call records ─────────────────────────────────────────────────────────────────────────


def test_a_call_is_a_span_with_its_place_in_the_code(captured: Captured) -> None:
    price_of("X", 2)
    span = captured.one()
    assert span.name == f"{__name__}.price_of"
    assert span.attributes["code.function.name"] == f"{__name__}.price_of"
    assert span.attributes["code.file.path"] == __file__
    line = inspect.getsourcelines(price_of)[1]
    assert span.attributes["code.line.number"] in (line, line + 1)
    assert span.record.kind == SpanKind.INTERNAL.value
    assert span.record.status == 0
    assert span.parent_id == 0
    assert span.trace_id != 0
    assert span.record.trace_flags == 0x03


def test_options_are_seen_in_the_span(captured: Captured) -> None:
    @monitor(
        name="submit order",
        kind=SpanKind.CLIENT,
        process_group="execution",
        attributes={"trading.venue": "DEMO"},
    )
    def submit() -> None: ...

    submit()
    span = captured.one("submit order")
    assert span.record.kind == SpanKind.CLIENT.value
    assert span.attributes["tradespan.process_group"] == "execution"
    assert span.attributes["trading.venue"] == "DEMO"


@pytest.mark.parametrize(
    ("call", "name", "arguments"),
    [
        (lambda: Desk().place("X"), "Desk.place", {"symbol": "'X'"}),
        (lambda: Desk.place(Desk(), symbol="X"), "Desk.place", {"symbol": "'X'"}),
        (lambda: Desk.checked(5), "Desk.checked", {"quantity": 5}),
        (lambda: Desk().checked(5), "Desk.checked", {"quantity": 5}),
        (lambda: Desk().rounded(1.2), "Desk.rounded", {"quantity": 1.2}),
        (lambda: Desk.opened("A"), "Desk.opened", {"name": "'A'"}),
        (lambda: NightDesk.opened("A"), "Desk.opened", {"name": "'A'"}),
        (lambda: NightDesk().closed("A"), "Desk.closed", {"name": "'A'"}),
    ],
)
def test_methods_of_every_kind_are_recorded_without_their_receiver(
    captured: Captured, call: Callable[[], Any], name: str, arguments: dict[str, Any]
) -> None:
    call()
    span = captured.one()
    assert span.name == f"{__name__}.{name}"
    assert span.arguments == arguments


def test_class_methods_see_the_class_they_were_called_on(captured: Captured) -> None:
    assert NightDesk.opened("A") == "NightDesk A"
    assert NightDesk.closed("A") == "NightDesk A"


@pytest.mark.parametrize(
    ("result", "shown"), [(None, "None"), (0, 0), (False, False), ("x", "'x'"), ([], "[]")]
)
def test_results_are_recorded_nothing_too(captured: Captured, result: Any, shown: Any) -> None:
    @monitor
    def give() -> Any:
        return result

    assert give() is result
    assert captured.one().result == shown


def test_nothing_is_captured_where_nothing_is_asked_for(captured: Captured) -> None:
    @monitor(capture="none")
    def quiet(x: int) -> int:
        return x

    @monitor(capture={"args": False})
    def result_only(x: int) -> int:
        return x

    quiet(1)
    result_only(2)
    assert (captured.one("quiet").arguments, captured.one("quiet").result) == ({}, None)
    assert (captured.one("result_only").arguments, captured.one("result_only").result) == ({}, 2)


def test_nested_calls_are_a_tree(captured: Captured) -> None:
    @monitor
    def leaf(n: int) -> int:
        return n

    @monitor
    def branch() -> int:
        return leaf(1) + leaf(2)

    branch()
    branch()
    first, second = captured.named("branch")
    assert first.trace_id != second.trace_id
    parents = [span.parent_id for span in captured.named("leaf")]
    assert parents == [first.span_id] * 2 + [second.span_id] * 2
    assert {span.trace_id for span in captured.named("leaf")[:2]} == {first.trace_id}


def test_a_recursion_is_a_chain(captured: Captured) -> None:
    @monitor
    def countdown(n: int) -> int:
        return n if n == 0 else countdown(n - 1)

    countdown(5)
    spans = {span.arguments["n"]: span for span in captured.spans}
    for n in range(5):
        assert spans[n].parent_id == spans[n + 1].span_id
    assert spans[5].parent_id == 0


def test_the_current_span_is_known_at_the_bottom_of_a_deep_recursion(captured: Captured) -> None:
    @monitor(capture="none")
    def down(n: int) -> int:
        if n:
            return down(n - 1)
        return trace.get_current_span().get_span_context().span_id

    depth = 300
    assert captured.named("down") == []
    bottom = down(depth)
    assert bottom in {span.span_id for span in captured.named("down")}


def test_a_child_lies_within_its_parent(captured: Captured) -> None:
    @monitor
    def inner() -> None: ...

    @monitor
    def outer() -> None:
        inner()

    outer()
    parent, child = captured.one("outer").record, captured.one("inner").record
    assert parent.start <= child.start
    assert child.end <= parent.end


def test_a_span_that_the_body_ended_is_recorded_once(captured: Captured) -> None:
    @monitor
    def hasty() -> None:
        trace.get_current_span().end()

    hasty()
    assert captured.one("hasty").record.duration >= 0


def test_the_body_can_add_to_its_span(captured: Captured) -> None:
    @monitor
    def decide() -> None:
        span = trace.get_current_span()
        span.set_attribute("trading.decision", "TRADE")
        span.add_event("signal crossed")

    decide()
    span = captured.one("decide")
    assert span.own == {"trading.decision": "TRADE"}
    assert [event.name for event in span.events] == ["signal crossed"]
