"""`[[map]]` fields: attributes taken out of arguments, the receiver and the result."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Context, Decimal, Inexact, localcontext
from types import FunctionType
from typing import Any

import pytest

from tests.support.captured import Captured
from tradespan.capture.arguments import Signature
from tradespan.core import guard
from tradespan.instrument.fields import FieldCapture, as_attribute, converter_of
from tradespan.instrument.options import Field, Watch
from tradespan.instrument.recorder import SLOT
from tradespan.instrument.watch import watch_function


class Side(enum.Enum):
    BUY = "buy"


@dataclass
class Order:
    symbol: str = "AAPL"
    side: Side = Side.BUY
    price: Decimal = Decimal("100.50")
    legs: list[dict[str, Any]] = field(default_factory=lambda: [{"qty": 5}, {"qty": 7}])
    levels: dict[int, float] = field(default_factory=lambda: {1: 99.5})
    api_key: str = "abc"

    @property
    def broken(self) -> int:
        raise ValueError("a property that fails")

    @property
    def missing(self) -> int:
        raise AttributeError("missing")


class Desk:
    venue = "DEMO"

    def submit(
        self, order: Any, quantity: int = 10, *extra: Any, tag: str = "auto", **more: Any
    ) -> Any:
        return {"id": "X-1", "fills": [{"px": 100.5}]}


def watch(*fields: Field) -> Callable[..., Any]:
    function: FunctionType = Desk.submit  # type: ignore[assignment]
    return watch_function(function, Watch(fields=fields), SLOT)


@pytest.fixture
def lenient() -> Iterator[None]:
    before = guard.raise_errors(False)
    yield
    guard.raise_errors(before)


@pytest.mark.parametrize(
    ("source", "path", "value"),
    [
        ("args", "order.symbol", "AAPL"),
        ("args", "order.side", "buy"),
        ("args", "order.price", 100.5),
        ("args", "order.legs.0.qty", 5),
        ("args", "order.legs.-1.qty", 7),
        ("args", "order.levels.1", 99.5),
        ("args", "quantity", 10),
        ("args", "tag", "auto"),
        ("args", "extra.0", "first"),
        ("args", "more.strategy", "momentum"),
        ("args", "strategy", "momentum"),
        ("self", "venue", "DEMO"),
        ("result", "id", "X-1"),
        ("result", "fills.0.px", 100.5),
    ],
)
def test_a_path_leads_to_its_value(captured: Captured, source: str, path: str, value: Any) -> None:
    submit = watch(Field("mapped", source, tuple(path.split("."))))
    extra = ["first"] if path == "extra.0" else []
    quantity = [10] if extra else []
    submit(Desk(), Order(), *quantity, *extra, strategy="momentum")
    assert captured.one().own == {"mapped": value}


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("args", "order.unknown"),
        ("args", "order.legs.7"),
        ("args", "order.legs.x"),
        ("args", "order.levels.9"),
        ("args", "order.missing"),
        ("args", "order.symbol.0"),
        ("args", "strategy"),
        ("args", "extra.0"),
        ("result", "nothing.here"),
    ],
)
def test_a_path_that_leads_nowhere_gives_no_attribute(
    captured: Captured, source: str, path: str
) -> None:
    watch(Field("mapped", source, tuple(path.split("."))))(Desk(), Order())
    assert captured.one().own == {}


def test_literals_are_set_as_they_are(captured: Captured) -> None:
    watch(Field("side", "=", literal="buy"), Field("live", "=", literal=True))(Desk(), Order())
    assert captured.one().own == {"side": "buy", "live": True}


def test_arguments_by_keyword_and_by_place_are_the_same(captured: Captured) -> None:
    submit = watch(Field("symbol", "args", ("order", "symbol")), Field("n", "args", ("quantity",)))
    submit(Desk(), Order(), 3)
    submit(Desk(), order=Order(), quantity=3)
    assert [span.own for span in captured.spans] == [{"symbol": "AAPL", "n": 3}] * 2


def test_a_field_that_fails_costs_nothing_but_itself(captured: Captured, lenient: None) -> None:
    submit = watch(
        Field("first", "args", ("order", "symbol")),
        Field("broken", "args", ("order", "broken")),
        Field("last", "args", ("quantity",)),
    )
    assert submit(Desk(), Order())["id"] == "X-1"
    assert captured.one().own == {"first": "AAPL", "last": 10}


def test_a_secret_is_not_mapped_by_accident(captured: Captured) -> None:
    watch(Field("key", "args", ("order", "api_key")))(Desk(), Order())
    assert captured.one().own == {"key": "***"}


def test_a_parameter_that_the_function_does_not_have_is_known() -> None:
    def submit(order: Order) -> None: ...

    wanted = Field("mapped", "args", ("ordr", "symbol"))
    capture = FieldCapture([wanted], Signature(submit))  # type: ignore[arg-type]
    assert capture.unknown == [wanted]


def test_a_call_that_does_not_fit_is_pythons_to_refuse(captured: Captured) -> None:
    submit = watch(Field("venue", "self", ("venue",)), Field("symbol", "args", ("order", "symbol")))
    with pytest.raises(TypeError, match="missing"):
        submit()
    assert captured.one().failed


@pytest.mark.parametrize(
    ("value", "attribute"),
    [
        (True, True),
        (5, 5),
        (2**70, str(2**70)),
        (1.5, 1.5),
        (float("nan"), None),
        (Decimal("Infinity"), None),
        (Decimal("1.5"), 1.5),
        ("x" * 2_000, "x" * 1_000 + "…"),
        ("token=abc", "token=***"),
        (datetime.date(2026, 11, 21), "2026-11-21"),
        (
            datetime.datetime(2026, 11, 21, 9, 30, tzinfo=datetime.UTC),
            "2026-11-21T09:30:00+00:00",
        ),
        (Side.BUY, "buy"),
        (enum.IntEnum("Level", {"HIGH": 2}).HIGH, 2),  # type: ignore[attr-defined]
        (type("Price", (float,), {})(1.5), 1.5),
        ([1, 2], "[1, 2]"),
        (None, None),
    ],
    ids=repr,
)
def test_mapped_values_are_plain(value: Any, attribute: Any) -> None:
    assert as_attribute(value) == attribute
    assert type(as_attribute(value)) is type(attribute)


SIDES: dict[str, str | bool | int | float] = {
    "B": "buy",
    "S": "sell",
    "buy": "bought",
    "2": "two",
    "true": "yes",
    "false": 0,
}


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("B", "buy"),
        (Side.BUY, "bought"),
        (2, "two"),
        (2.0, "two"),
        (Decimal("2.00"), "two"),
        (True, "yes"),
        (False, 0),
        ("X", "X"),
        (2.5, 2.5),
        (None, None),
    ],
    ids=repr,
)
def test_the_programs_words_are_told_in_others(value: Any, meant: Any) -> None:
    assert converter_of(Field("side", "args", values=SIDES))(value) == meant


def test_any_other_value_and_none_have_words_too() -> None:
    convert = converter_of(Field("did", "result", values={"*": "sent", "none": "held", "0": "?"}))
    assert [convert(each) for each in ("g17", None, 0, 7, True, float("nan"))] == [
        "sent", "held", "?", "sent", "sent", "sent",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "factor", "scaled"),
    [
        (6_000_123, "0.01", 60_001.23),
        (110, "1.1", 121),
        (3, "-1", -3),
        (1.1, "3", 3.3),
        ("60000.10", "0.001", 60.0001),
        (Decimal("0.1"), "3", 0.3),
        (10**22, "1e-18", 10_000),
        (10**30, "10", 1e31),
        (enum.Enum("Size", {"ROUND": 100}).ROUND, "0.01", 1),  # type: ignore[attr-defined]
        (True, "2", None),
        (None, "2", None),
        ("many", "2", None),
        (float("inf"), "2", None),
        (Decimal("1e999999"), "1e9", None),
    ],
    ids=repr,
)
def test_a_factor_makes_the_number_nearest_to_the_exact_one(
    value: Any, factor: str, scaled: Any
) -> None:
    convert = converter_of(Field("price", "args", factor=Decimal(factor)))
    with localcontext(Context(prec=3, traps=[Inexact])):  # the host's own
        assert convert(value) == scaled
        assert type(convert(value)) is type(scaled)


def test_a_time_in_seconds_becomes_nanoseconds() -> None:
    convert = converter_of(Field("trading.event_time", "args", factor=Decimal("1e9")))
    for seconds in (1_767_225_600.25, "1767225600.25", Decimal("1767225600.25")):
        assert convert(seconds) == 1_767_225_600_250_000_000
        assert type(convert(seconds)) is int


def test_fields_are_converted_before_and_after_the_call(captured: Captured) -> None:
    submit = watch(
        Field("symbol", "args", ("order", "symbol"), values={"AAPL": "Apple"}),
        Field("price", "args", ("order", "price"), factor=Decimal(100)),
        Field("filled", "result", ("fills", "0", "px"), factor=Decimal("0.01")),
        Field("id", "result", ("id",), values={"X-1": 1}),
    )
    submit(Desk(), Order())
    assert captured.one().own == {"symbol": "Apple", "price": 10_050.0, "filled": 1.005, "id": 1}


def test_a_text_that_is_no_number_is_told_without_it() -> None:
    def submit(price: str) -> None: ...

    field = Field("price", "args", ("price",), factor=Decimal(2))
    missed: list[tuple[str, str]] = []
    capture = FieldCapture([field], Signature(submit))  # type: ignore[arg-type]
    capture.take(("a lot",), {}, lambda *told: missed.append(told))
    assert missed == [("price", "the text is no number")]
