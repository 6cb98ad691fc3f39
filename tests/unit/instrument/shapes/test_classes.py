"""Methods of every sort: special ones, properties, slots, dataclasses, and context managers."""

from __future__ import annotations

import contextlib
import enum
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import pytest

from tests.support.captured import Captured
from tests.unit.instrument.shapes.kinds import KINDS, Kind, collect, current, drive
from tradespan.instrument.monitor import monitor


@monitor
def leaf(n: Any) -> Any:
    return n


# ── methods ─────────────────────────────────────────────────────────────────────────────────────


class Book:
    @monitor
    def levels(self, side: str) -> Iterator[int]:
        yield leaf(1)

    @monitor
    @classmethod
    def streamed(cls, side: str) -> Iterator[str]:
        yield cls.__name__

    @classmethod
    @monitor
    async def loaded(cls, side: str) -> str:
        return cls.__name__

    @monitor
    @staticmethod
    async def checked(side: str) -> str:
        return side

    @staticmethod
    @monitor
    async def fed(side: str) -> AsyncIterator[str]:
        yield side

    @property
    @monitor
    def spread(self) -> float:
        return 0.5

    @spread.setter
    @monitor
    def spread(self, value: float) -> None:
        leaf(value)

    @functools.cached_property
    @monitor
    def depth(self) -> int:
        return 10


class NightBook(Book):
    pass


def run(call: Callable[[], Any]) -> Any:
    """What a call gives, waited for, or its first item."""
    given = call()
    if hasattr(given, "__await__"):
        return drive(given)
    if hasattr(given, "__anext__"):
        return drive(collect(given))[0]
    return next(iter(list(given)))


@pytest.mark.parametrize(
    ("call", "name", "result"),
    [
        (lambda: Book().levels("bid"), "levels", 1),
        (lambda: NightBook.streamed("bid"), "streamed", "NightBook"),
        (lambda: NightBook().loaded("bid"), "loaded", "NightBook"),
        (lambda: Book.checked("bid"), "checked", "bid"),
        (lambda: Book().fed("bid"), "fed", "bid"),
    ],
)
def test_methods_of_every_kind_and_order_are_recorded_without_their_receiver(
    captured: Captured, call: Callable[[], Any], name: str, result: Any
) -> None:
    assert run(call) == result
    assert captured.one(f"Book.{name}").arguments == {"side": "'bid'"}


def test_a_propertys_functions_are_recorded(captured: Captured) -> None:
    book = Book()
    assert book.spread == 0.5
    book.spread = 0.7
    getter, setter = captured.named("Book.spread")
    assert getter.result == 0.5
    assert setter.arguments == {"value": 0.7}


def test_a_cached_property_is_recorded_when_it_is_computed(captured: Captured) -> None:
    book = Book()
    assert (book.depth, book.depth) == (10, 10)
    assert captured.one("Book.depth").result == 10


def test_a_property_can_be_watched_as_a_whole(captured: Captured) -> None:
    class Account:
        @monitor  # type: ignore[prop-decorator] # mypy knows no decorator above a property
        @property
        def equity(self) -> int:
            return 5

        @monitor  # type: ignore[prop-decorator]
        @functools.cached_property
        def margin(self) -> int:
            return 7

    account = Account()
    assert (account.equity, account.margin, account.margin) == (5, 7, 7)
    assert captured.one("Account.equity").result == 5
    assert captured.one("Account.margin").result == 7


def test_methods_of_a_dataclass_with_slots_are_recorded(captured: Captured) -> None:
    @dataclass(slots=True)
    class Order:
        symbol: str
        quantity: int = 1

        @monitor
        def __post_init__(self) -> None:
            self.quantity *= 2

        @monitor
        def cost(self, price: float) -> float:
            return self.quantity * price

    order = Order("X", 2)
    assert order.cost(1.5) == 6.0
    assert order == Order("X", 2)
    assert len(captured.named("Order.__post_init__")) == 2
    assert captured.one("Order.cost").arguments == {"price": 1.5}


def test_methods_of_a_class_with_slots_are_recorded(captured: Captured) -> None:
    class Tick:
        __slots__ = ("price",)

        @monitor
        def __new__(cls, price: float) -> Self:
            return object.__new__(cls)

        @monitor
        def __init__(self, price: float) -> None:
            self.price = price

        @monitor
        def moved(self, by: float) -> float:
            return self.price + by

    assert Tick(1.0).moved(by=0.5) == 1.5
    names = [span.name.rpartition(".")[2] for span in captured.spans]
    assert names == ["__new__", "__init__", "moved"]


def test_methods_of_enums_and_named_tuples_are_recorded(captured: Captured) -> None:
    class Side(enum.Enum):
        BUY = 1

        @monitor
        def letters(self) -> int:
            return len(self.name)

    class Fill(NamedTuple):
        price: float

        @monitor
        def cost(self, quantity: int) -> float:
            return self.price * quantity

    assert (Side.BUY.letters(), Fill(2.0).cost(3)) == (3, 6.0)
    assert list(Side) == [Side.BUY]
    assert [span.result for span in captured.spans] == [3, 6.0]


def test_hooks_of_a_class_that_python_makes_class_methods_still_are(captured: Captured) -> None:
    class Strategy:
        known: ClassVar[list[str]] = []

        @monitor
        def __init_subclass__(cls, **options: Any) -> None:
            cls.known.append(cls.__name__)

        @monitor
        def __class_getitem__(cls, symbol: str) -> str:
            return f"{cls.__name__} of {symbol}"

    class Momentum(Strategy):
        pass

    assert Strategy.known == ["Momentum"]
    assert Momentum["BTC"] == "Momentum of BTC"  # type: ignore[misc]
    assert [span.name.rpartition(".")[2] for span in captured.spans] == [
        "__init_subclass__",
        "__class_getitem__",
    ]


def test_recording_an_object_calls_none_of_its_methods(captured: Captured) -> None:
    class Position:
        @monitor
        def __repr__(self) -> str:
            return "Position"

        @monitor
        def __len__(self) -> int:
            return 0

        @monitor
        def __eq__(self, other: object) -> bool:
            return self is other

        @monitor
        def __hash__(self) -> int:
            return 1

        @monitor
        def __getattr__(self, name: str) -> Any:
            raise AttributeError(name)

        @property
        @monitor
        def value(self) -> float:
            return 1.0

    position = Position()
    assert leaf(position) is position
    assert [span.name.rpartition(".")[2] for span in captured.spans] == ["leaf"]
    assert (repr(position), bool(position), position == None) == ("Position", False, False)  # noqa: E711 - its `__eq__` is called
    assert len(captured.spans) == 4


def test_super_is_the_one_of_the_method(captured: Captured) -> None:
    class Base:
        @monitor
        def name(self) -> str:
            return "base"

    class Derived(Base):
        @monitor
        def name(self) -> str:
            return f"derived of {super().name()}"

    assert Derived().name() == "derived of base"
    assert captured.one("Base.name").parent_id == captured.one("Derived.name").span_id


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_function_assigned_to_a_class_later_is_a_method(captured: Captured, kind: Kind) -> None:
    class Desk: ...

    Desk.watched = monitor(kind.function(lambda self: self))  # type: ignore[attr-defined]
    desk: Any = Desk()
    assert kind.finish(desk.watched()) is desk


# ── context managers ────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
@monitor
def session(name: str) -> Iterator[str]:
    try:
        yield name
    except KeyError:
        leaf("forgiven")


def test_below_contextmanager_the_span_lasts_as_long_as_the_block(captured: Captured) -> None:
    with captured.tracer.start_as_current_span("caller") as caller:
        with session("A") as name:
            assert name == "A"
            assert current() == caller.get_span_context().span_id
            leaf(1)
        leaf(2)
    span = captured.one("session")
    inside, after = captured.named("leaf")
    assert span.arguments == {"name": "'A'"}
    assert inside.parent_id == after.parent_id == captured.one("caller").span_id
    assert span.record.start <= inside.record.start <= inside.record.end <= span.record.end
    assert span.record.end <= after.record.start
    assert not span.failed


def test_an_error_of_the_block_that_passes_through_is_an_error_once(captured: Captured) -> None:
    error = ValueError("in the block")
    with pytest.raises(ValueError, match="in the block") as raised, session("A"):
        raise error
    assert raised.value is error
    assert captured.one("session").failure.message == "in the block"


def test_an_error_of_the_block_that_is_caught_is_none(captured: Captured) -> None:
    with session("A"):
        raise KeyError("price")
    assert not captured.one("session").failed
    assert captured.one("leaf").parent_id == captured.one("session").span_id


def test_a_context_manager_can_still_decorate(captured: Captured) -> None:
    @session("B")
    def work() -> int:
        return 5

    assert (work(), work()) == (5, 5)
    assert len(captured.named("session")) == 2


def test_above_contextmanager_the_call_is_recorded_and_the_block_runs(captured: Captured) -> None:
    @monitor
    @contextlib.contextmanager
    def opened(name: str) -> Iterator[str]:
        yield name

    with opened("A") as name:
        assert name == "A"
        assert current() == 0
    span = captured.one("opened")
    assert "'A'" in str(span.arguments)
    assert not span.failed


@pytest.mark.parametrize("above", [True, False])
def test_asynchronous_context_managers_work_on_either_side(captured: Captured, above: bool) -> None:
    async def connection(name: str) -> AsyncIterator[str]:
        yield name

    if above:
        connected = monitor(contextlib.asynccontextmanager(connection))
    else:
        connected = contextlib.asynccontextmanager(monitor(connection))

    async def program() -> None:
        async with connected("A") as name:
            assert name == "A"
            leaf(1)

    drive(program())
    span = captured.one("connection")
    assert "'A'" in str(span.arguments)
    assert not span.failed
    assert captured.one("leaf").parent_id == 0


def test_enter_and_exit_of_a_class_are_recorded_with_the_error_they_see(
    captured: Captured,
) -> None:
    class Lock:
        @monitor
        def __enter__(self) -> Self:
            return self

        @monitor
        def __exit__(self, *error: object) -> bool:
            return True

    with Lock():
        raise ValueError("inside")
    assert len(captured.spans) == 2
    assert not any(span.failed for span in captured.spans)
