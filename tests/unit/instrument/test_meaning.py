"""Mapped calls are told to a listener: all of them, with their facts, and never to their harm."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from types import FunctionType
from typing import Any

import pytest
from hypothesis import given, settings
from opentelemetry.trace import get_current_span

from tests.support.captured import Captured
from tests.unit.instrument.shapes.test_protocol import (
    STEPS,
    Step,
    async_failing,
    async_patient,
    async_stubborn,
    do_async,
    history,
)
from tradespan.core import guard
from tradespan.declare.names import TRADESPAN_SIGNAL
from tradespan.instrument.meaning import LISTENER
from tradespan.instrument.options import Field, Watch
from tradespan.instrument.recorder import SLOT
from tradespan.instrument.watch import watch_function

FIELDS = (
    Field("trading.symbol", "args", ("symbol",)),
    Field("trading.venue", "=", literal="XNAS"),
)
STATUS = Field("trading.order.status", "result", ("status",))


class Listening:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, bool]] = []
        self.events: list[bool] = []
        self.begun: list[dict[str, Any]] = []
        self.over: list[tuple[dict[str, Any], Exception | None]] = []
        self.missing: list[tuple[str, str]] = []
        self.seconds: list[float] = []

    def __call__(self, signal: str, function: str, *, late: bool, events: bool) -> Listening:
        self.events.append(events)
        self.asked.append((signal, function.rpartition(".")[2], late))
        return self

    def begins(self, facts: dict[str, Any]) -> None:
        self.begun.append(dict(facts))

    def ended(self, facts: dict[str, Any], seconds: float, error: Exception | None) -> None:
        self.over.append((dict(facts), error))
        self.seconds.append(seconds)

    def missed(self, attribute: str, problem: str) -> None:
        self.missing.append((attribute, problem))


@pytest.fixture
def listening() -> Iterator[Listening]:
    listener = Listening()
    LISTENER.listener = listener
    yield listener
    LISTENER.listener = None


def watch(function: Callable[..., Any], *more: Field, **options: Any) -> Any:
    assert isinstance(function, FunctionType)
    attributes = {TRADESPAN_SIGNAL: "order.submitted"}
    made = Watch(fields=(*FIELDS, *more), attributes=attributes, **options)
    return watch_function(function, made, SLOT)


def submit(symbol: str) -> dict[str, str]:
    if symbol == "bad":
        raise ValueError(symbol)
    return {"status": "new"}


def test_a_call_is_told_with_what_its_arguments_give_and_its_end_with_the_result(
    captured: Captured, listening: Listening
) -> None:
    watched = watch(submit, STATUS)
    assert watched("AAPL") == {"status": "new"}
    facts = {"trading.symbol": "AAPL", "trading.venue": "XNAS"}
    assert listening.asked == [("order.submitted", "submit", True)]
    assert listening.begun == [facts]
    assert listening.over == [(facts | {"trading.order.status": "new"}, None)]
    assert listening.seconds[0] >= 0
    assert len(captured.spans) == 1


def test_a_call_that_raises_is_told_with_its_error(
    captured: Captured, listening: Listening
) -> None:
    with pytest.raises(ValueError, match="bad") as raised:
        watch(submit, STATUS)("bad")
    assert [error for _, error in listening.over] == [raised.value]
    assert "trading.order.status" not in listening.over[0][0]


def test_calls_that_sampling_passes_over_are_told_as_well(
    captured: Captured, listening: Listening
) -> None:
    watched = watch(submit, sample_rate=0.0)
    for _ in range(5):
        watched("AAPL")
    assert len(listening.begun) == len(listening.over) == 5
    assert captured.spans == []


def test_nobody_is_told_before_tradespan_is_configured(listening: Listening) -> None:
    assert SLOT.recorder is None
    assert watch(submit)("AAPL") == {"status": "new"}
    assert listening.begun == []


def test_functions_that_no_table_names_are_what_they_would_be_without_a_listener(
    captured: Captured, listening: Listening
) -> None:
    watched = watch_function(submit, Watch(fields=FIELDS), SLOT)  # type: ignore[arg-type]
    watched("AAPL")
    assert listening.asked == []
    assert submit in [cell.cell_contents for cell in watched.__closure__ or ()]


def test_the_function_looks_the_same_and_its_traceback_has_only_the_programs_frames(
    captured: Captured, listening: Listening
) -> None:
    watched = watch(submit)
    assert (watched.__name__, watched.__wrapped__) == ("submit", submit)
    with pytest.raises(ValueError, match="bad") as raised:
        watched("bad")
    files = {frame.filename for frame in traceback.extract_tb(raised.value.__traceback__)}
    assert files == {__file__}
    assert captured.spans[0].frames[-1].endswith("submit")
    assert len(captured.spans[0].frames) <= 2


def test_the_calls_span_is_current_when_it_is_told(
    captured: Captured, listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    current: list[int] = []

    def note(facts: dict[str, Any]) -> None:
        current.append(get_current_span().get_span_context().span_id)

    monkeypatch.setattr(listening, "begins", note)
    watch(submit)("AAPL")
    assert current == [captured.spans[0].span_id]


def test_coroutines_and_generators_are_told_at_their_end(
    captured: Captured, listening: Listening
) -> None:
    async def work(symbol: str) -> dict[str, str]:
        await asyncio.sleep(0)
        return {"status": symbol}

    def give(symbol: str) -> Generator[str, str, None]:
        sent = yield symbol
        yield sent

    assert asyncio.run(watch(work, STATUS)("AAPL")) == {"status": "AAPL"}
    assert listening.over[-1][0]["trading.order.status"] == "AAPL"
    items = watch(give)("MSFT")
    assert len(listening.begun) == 1
    assert (next(items), items.send("sent")) == ("MSFT", "sent")
    assert len(listening.over) == 1
    assert list(items) == []
    assert listening.over[-1] == ({"trading.symbol": "MSFT", "trading.venue": "XNAS"}, None)


def test_a_cancelled_call_and_a_closed_generator_are_no_errors(
    captured: Captured, listening: Listening
) -> None:
    async def work(symbol: str) -> None:
        raise asyncio.CancelledError

    def give(symbol: str) -> Iterator[str]:
        yield symbol
        yield symbol

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(watch(work)("AAPL"))
    items = watch(give)("AAPL")
    next(items)
    items.close()
    assert [error for _, error in listening.over] == [None, None]


async def giving(symbol: str) -> AsyncGenerator[str, str]:
    sent = yield symbol
    if sent == "bad":
        raise ValueError(sent)
    yield sent


AAPL = {"trading.symbol": "AAPL", "trading.venue": "XNAS"}


def test_an_asynchronous_generator_is_told_when_it_is_exhausted(
    captured: Captured, listening: Listening
) -> None:
    async def read() -> None:
        items = watch(giving)("AAPL")
        assert listening.begun == []
        assert [await anext(items), await items.asend("sent")] == ["AAPL", "sent"]
        assert (listening.begun, listening.over) == ([AAPL], [])
        assert [each async for each in items] == []

    asyncio.run(read())
    assert listening.over == [(AAPL, None)]


def test_an_asynchronous_generator_that_raises_is_told_with_its_error(
    captured: Captured, listening: Listening
) -> None:
    async def read() -> None:
        items = watch(giving)("AAPL")
        await anext(items)
        await items.asend("bad")

    with pytest.raises(ValueError, match="bad") as raised:
        asyncio.run(read())
    assert listening.over == [(AAPL, raised.value)]


@pytest.mark.parametrize("closes", [True, False], ids=["closed", "left to the loop"])
def test_an_asynchronous_generator_left_early_has_ended_without_an_error(
    captured: Captured, listening: Listening, closes: bool
) -> None:
    async def read() -> None:
        items = watch(giving)("AAPL")
        async for _ in items:
            break
        if closes:
            await items.aclose()
            assert len(listening.over) == 1

    asyncio.run(read())
    assert listening.over == [(AAPL, None)]


@pytest.mark.parametrize("function", [async_patient, async_stubborn, async_failing])
@pytest.mark.parametrize("recording", [True, False], ids=["recorded", "not recorded"])
def test_a_mapped_asynchronous_generator_answers_as_the_bare_one(
    captured: Captured, listening: Listening, function: Any, recording: bool
) -> None:
    watched = watch(function)
    if not recording:
        captured.slot.recorder = None

    @settings(deadline=None)
    @given(STEPS)
    def run(steps: list[Step]) -> None:
        assert history(watched, do_async, steps) == history(function, do_async, steps)

    run()


@pytest.mark.parametrize("where", ["begins", "ended", "missed"])
def test_a_listener_that_fails_does_not_reach_the_program(
    captured: Captured,
    listening: Listening,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(listening, where, fail)
    strict = guard.raise_errors(strict=False)
    try:
        watched = watch(submit, Field("trading.strategy", "args", ("none",)))
        assert watched("AAPL") == {"status": "new"}
        with pytest.raises(ValueError, match="bad"):
            watched("bad")
    finally:
        guard.raise_errors(strict)


class Order:
    px = None

    @property
    def broken(self) -> int:
        raise OSError

    @property
    def ends(self) -> int:
        sys.exit(3)

    @property
    def interrupted(self) -> int:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        (("order", "price"), "Order has no 'price'"),
        (("order", "px"), "it is None"),
        (("order", "px", "value"), "it is None before 'value'"),
        (("order", "broken"), "OSError was raised on the way"),
        (("order", "ends"), "SystemExit was raised on the way"),
        (("orders",), "there is no parameter 'orders'"),
        (("limit",), "nan is no number to record"),
    ],
)
def test_a_field_that_is_not_there_is_told_with_the_reason(
    captured: Captured, listening: Listening, path: tuple[str, ...], problem: str
) -> None:
    def send(symbol: str, order: Order, limit: float = float("nan")) -> None:
        """Take an order."""

    strict = guard.raise_errors(strict=False)  # the span's own reading of `broken`
    try:
        watch(send, Field("trading.order.price", "args", path))("AAPL", Order())
    finally:
        guard.raise_errors(strict)
    assert listening.missing == [("trading.order.price", problem)]


def test_a_result_without_the_field_is_told(captured: Captured, listening: Listening) -> None:
    watch(submit, Field("trading.order.id", "result", ("id",)))("AAPL")
    assert listening.missing == [("trading.order.id", "dict has no 'id'")]


def test_what_ends_the_program_while_a_field_is_read_is_the_programs(
    captured: Captured, listening: Listening
) -> None:
    def make(symbol: str) -> Order:
        return Order()

    watched = watch(make, Field("trading.order.price", "result", ("interrupted",)))
    with pytest.raises(KeyboardInterrupt):
        watched("AAPL")
    strict = guard.raise_errors(strict=False)  # the span's own reading
    try:
        watched = watch(make, Field("trading.order.price", "result", ("ends",)))
        assert isinstance(watched("AAPL"), Order)
    finally:
        guard.raise_errors(strict)
    assert listening.missing == [("trading.order.price", "SystemExit was raised on the way")]
