"""One function whose calls mean different things: by its arguments, its object or its result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterator
from types import FunctionType
from typing import Any

import pytest

from tests.support.captured import Captured
from tests.unit.instrument.test_meaning import Listening
from tradespan.core import guard
from tradespan.declare.names import TRADESPAN_SIGNAL
from tradespan.instrument.meaning import LISTENER
from tradespan.instrument.options import Case, Check, Field, Watch
from tradespan.instrument.recorder import SLOT
from tradespan.instrument.watch import watch_function

KIND = ("message", "kind")
ORDER = Field("trading.order.client_id", "args", ("message", "id"))
FILL = Case(
    "order.filled",
    when=(Check("args", KIND, frozenset({"fill", "partial"})),),
    fields=(Field("trading.execution.price", "args", ("message", "px")),),
)
REJECT = Case(
    "order.rejected",
    events=False,
    when=(Check("args", KIND, frozenset({"reject"})),),
    fields=(Field("trading.order.reject_reason", "result", ("why",)),),
)
OTHER = Case("message")


class BySignal:
    """Keeps what it is told, signal by signal."""

    def __init__(self) -> None:
        self.told: dict[str, Listening] = {}
        self.asked: list[tuple[str, bool, bool]] = []

    def __call__(self, signal: str, function: str, *, late: bool, events: bool) -> Listening:
        self.asked.append((signal, late, events))
        return self.told.setdefault(signal, Listening())


@pytest.fixture
def listener() -> Iterator[BySignal]:
    by_signal = BySignal()
    LISTENER.listener = by_signal
    yield by_signal
    LISTENER.listener = None


def on_message(message: dict[str, Any]) -> dict[str, str]:
    if message["kind"] == "bad":
        raise ValueError(message["kind"])
    return {"why": "too late"}


def watch(function: Callable[..., Any], *cases: Case, **options: Any) -> Any:
    assert isinstance(function, FunctionType)
    return watch_function(function, Watch(fields=(ORDER,), cases=cases, **options), SLOT)


def test_each_call_is_told_as_the_first_case_that_it_meets(
    captured: Captured, listener: BySignal
) -> None:
    watched = watch(on_message, FILL, REJECT, OTHER)
    for kind in ("partial", "reject", "fill", "hello"):
        watched({"kind": kind, "id": "g1", "px": 10})
    assert listener.asked == [
        ("order.filled", False, True),
        ("order.rejected", True, False),
        ("message", False, True),
    ]
    order = {"trading.order.client_id": "g1"}
    told = listener.told
    assert told["order.filled"].begun == [order | {"trading.execution.price": 10}] * 2
    assert [facts for facts, _ in told["order.rejected"].over] == [
        order | {"trading.order.reject_reason": "too late"}
    ]
    assert told["message"].begun == [order]


def test_the_span_says_what_its_call_was(captured: Captured, listener: BySignal) -> None:
    watched = watch(on_message, FILL, REJECT)
    for kind in ("fill", "reject", "hello"):
        watched({"kind": kind, "id": "g1", "px": 10})
    order = {"trading.order.client_id": "g1"}
    assert [span.own for span in captured.spans] == [
        order | {TRADESPAN_SIGNAL: "order.filled", "trading.execution.price": 10},
        order | {TRADESPAN_SIGNAL: "order.rejected", "trading.order.reject_reason": "too late"},
        order,
    ]


def test_a_call_that_meets_no_case_is_not_told(captured: Captured, listener: BySignal) -> None:
    watched = watch(on_message, FILL)
    for message in ({"kind": "hello"}, {"kind": None}, {"kind": "FILL"}, {"kind": ["fill"]}):
        watched(message)
    assert listener.told["order.filled"].begun == []
    assert len(captured.spans) == 4


def check(order: Any) -> Any:
    if order == "bad":
        raise ValueError(order)
    return order != 7, "too big"


REFUSED = Case(
    "order.rejected",
    when=(Check("result", ("0",), frozenset({"false"})),),
    fields=(
        Field("trading.order.reject_reason", "result", ("1",)),
        Field("trading.order.quantity", "args", ("order",)),
    ),
)


def test_the_result_may_say_what_a_call_was(captured: Captured, listener: BySignal) -> None:
    watched = watch_function(check, Watch(cases=(REFUSED,)), SLOT)  # type: ignore[arg-type]
    assert [watched(6), watched(7)] == [(True, "too big"), (False, "too big")]
    facts = {"trading.order.quantity": 7, "trading.order.reject_reason": "too big"}
    assert listener.asked == [("order.rejected", True, True)]
    assert [told for told, _ in listener.told["order.rejected"].over] == [facts]
    assert [span.own for span in captured.spans] == [
        {},
        {TRADESPAN_SIGNAL: "order.rejected", **facts},
    ]


def test_a_call_that_raised_has_no_result_to_go_by(captured: Captured, listener: BySignal) -> None:
    function: FunctionType = check  # type: ignore[assignment]
    with pytest.raises(ValueError, match="bad"):
        watch_function(function, Watch(cases=(REFUSED,)), SLOT)("bad")
    with pytest.raises(ValueError, match="bad") as raised:
        watch_function(function, Watch(cases=(REFUSED, OTHER)), SLOT)("bad")
    assert listener.told["order.rejected"].over == []
    assert listener.told["message"].over == [({}, raised.value)]


def test_calls_that_sampling_passes_over_are_told_and_no_other_span_is_written_to(
    captured: Captured, listener: BySignal
) -> None:
    inner = watch(on_message, FILL, sample_rate=0.0)

    def outer() -> None:
        inner({"kind": "fill", "id": "g1", "px": 10})

    watch_function(outer, Watch(), SLOT)()  # type: ignore[arg-type]
    assert len(listener.told["order.filled"].begun) == 1
    assert captured.one().own == {}


def test_only_the_fields_of_the_case_that_is_met_are_missed(
    captured: Captured, listener: BySignal
) -> None:
    late = Case("late", when=(Check("result", ("why",), frozenset({"*"})),), fields=FILL.fields)
    watched = watch(on_message, REFUSED, late)
    watched({"kind": "fill", "id": "g1"})
    assert listener.told["order.rejected"].missing == []
    assert listener.told["late"].missing == [("trading.execution.price", "dict has no 'px'")]


@pytest.mark.parametrize(
    ("words", "values", "met"),
    [
        ({"1"}, (1, 1.0, "1", True), [True, True, True, False]),
        ({"true"}, (True, 1, "true"), [True, False, True]),
        ({"none"}, (None, "none", 0), [True, True, False]),
        ({"*"}, (None, "x", 0), [False, True, True]),
    ],
)
def test_values_are_compared_as_text(
    captured: Captured, listener: BySignal, words: set[str], values: Any, met: list[bool]
) -> None:
    watched = watch(on_message, Case("met", when=(Check("args", KIND, frozenset(words)),)))
    told = []
    for value in values:
        listener.told["met"].begun.clear()
        watched({"kind": value})
        told.append(bool(listener.told["met"].begun))
    assert told == met


def test_a_condition_on_a_parameter_that_is_not_there_is_never_met(
    captured: Captured, listener: BySignal
) -> None:
    watched = watch(on_message, Case("a", when=(Check("args", ("mesage",), frozenset({"*"})),)))
    watched({"kind": "fill"})
    assert listener.told["a"].begun == []


def test_all_conditions_have_to_be_met_those_on_the_object_too(
    captured: Captured, listener: BySignal
) -> None:
    class Desk:
        def __init__(self, venue: str) -> None:
            self.venue = venue

        def on_message(self, kind: str) -> None: ...

    both = (Check("self", ("venue",), frozenset({"KRK"})), Check("args", ("kind",), frozenset("f")))
    function: FunctionType = Desk.on_message  # type: ignore[assignment]
    watched = watch_function(function, Watch(cases=(Case("a", when=both),)), SLOT)
    for venue, kind in (("KRK", "f"), ("BNB", "f"), ("KRK", "r")):
        watched(Desk(venue), kind)
    assert len(listener.told["a"].begun) == 1


def test_coroutines_and_generators_have_cases_too(captured: Captured, listener: BySignal) -> None:
    async def later(message: dict[str, Any]) -> dict[str, str]:
        await asyncio.sleep(0)
        return {"why": "x"}

    def steps(message: dict[str, Any]) -> Generator[int, None, dict[str, str]]:
        yield 1
        return {"why": "y"}

    asyncio.run(watch(later, FILL, REJECT)({"kind": "reject", "id": "g1"}))
    assert list(watch(steps, FILL, REJECT)({"kind": "reject", "id": "g2"})) == [1]
    reasons = [
        facts["trading.order.reject_reason"] for facts, _ in listener.told["order.rejected"].over
    ]
    assert reasons == ["x", "y"]
    assert [span.own[TRADESPAN_SIGNAL] for span in captured.spans] == ["order.rejected"] * 2


def test_what_breaks_on_the_way_is_not_the_programs(captured: Captured, listener: BySignal) -> None:
    class Broken:
        @property
        def kind(self) -> str:
            raise RuntimeError("a property that fails")

    def receive(message: Any) -> str:
        return "done"

    before = guard.raise_errors(False)
    try:
        assert watch(receive, FILL, OTHER)(Broken()) == "done"
    finally:
        guard.raise_errors(before)
    assert len(captured.spans) == 1
