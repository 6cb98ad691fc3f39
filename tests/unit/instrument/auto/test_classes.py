"""Classes of watched modules: their methods are recorded, and they behave as they did."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from tests.support.captured import Captured
from tests.unit.instrument.auto.conftest import Write
from tradespan.instrument.auto.watcher import Watcher

Import = Callable[[str], ModuleType]


@pytest.fixture
def desk(write: Write, watch: Callable[..., Watcher], load: Import) -> Import:
    """A watched module of the given code."""

    def make(code: str) -> ModuleType:
        write(desk=code, other="class Base:\n    def inherited(self): return self.own()")
        watch(r"desk\..*")
        return load("desk")

    return make


def names(captured: Captured) -> list[str]:
    return [span.name.removeprefix("desk.") for span in captured.spans]


def test_methods_of_every_kind_are_watched(captured: Captured, desk: Import) -> None:
    module = desk("""
        class Book:
            def add(self, n): return n
            @staticmethod
            def rounded(n): return n
            @classmethod
            def empty(cls): return cls()
            async def fetch(self): return 1
            def __call__(self, n): return n
    """)
    book = module.Book.empty()
    book.add(1)
    book.rounded(2)
    module.Book.rounded(3)
    book(4)
    with pytest.raises(StopIteration):
        book.fetch().send(None)
    assert names(captured) == [
        "Book.empty",
        "Book.add",
        "Book.rounded",
        "Book.rounded",
        "Book.__call__",
        "Book.fetch",
    ]
    assert type(vars(module.Book)["rounded"]) is staticmethod
    assert type(vars(module.Book)["empty"]) is classmethod


def test_what_is_no_plain_method_is_left_alone(captured: Captured, desk: Import) -> None:
    module = desk("""
        import functools
        class Book:
            def __init__(self): self.n = 1
            def __repr__(self): return "Book"
            def __eq__(self, other): return True
            def __hash__(self): return 1
            def __len__(self): return 5
            def __getattr__(self, name): raise AttributeError(name)
            @property
            def price(self): return self.n
            @price.setter
            def price(self, n): self.n = n
            @functools.cached_property
            def cached(self): return 7
            @functools.lru_cache
            def slow(self): return 8
            half = functools.partialmethod(divmod, 2)
            @functools.singledispatchmethod
            def show(self, value): return "any"
            @show.register
            def _(self, value: int): return "int"
    """)
    book = module.Book()
    book.price = 3
    assert (book.price, book.cached, book.slow(), repr(book), len(book)) == (3, 7, 8, "Book", 5)
    assert book == book  # noqa: PLR0124 - its __eq__ is called
    assert (book.show(1), book.show("x")) == ("int", "any")
    assert not hasattr(book, "missing")
    # Registered with the method above, and a function of the class's own.
    assert names(captured) == ["Book._"]


def test_an_inherited_method_is_recorded_once_under_the_class_that_defines_it(
    captured: Captured, desk: Import
) -> None:
    module = desk("""
        class Strategy:
            def decide(self): return 1
            def risk(self): return 2
        class Momentum(Strategy):
            def decide(self): return super().decide() + 1
        class Fast(Momentum):
            pass
    """)
    assert module.Fast().decide() == 2
    assert module.Fast().risk() == 2
    assert names(captured) == ["Momentum.decide", "Strategy.decide", "Strategy.risk"]


def test_a_method_of_a_base_elsewhere_is_left_to_its_module(
    captured: Captured, desk: Import
) -> None:
    module = desk("""
        from other import Base
        class Book(Base):
            def own(self): return 5
    """)
    assert module.Book().inherited() == 5
    assert names(captured) == ["Book.own"]


def test_nested_classes_are_watched(captured: Captured, desk: Import) -> None:
    module = desk("""
        class Book:
            class Side:
                class Level:
                    def add(self): return 1
                def best(self): return 2
            Alias = Side
        Book.Side.owner = Book
    """)
    module.Book.Side.Level().add()
    module.Book.Side().best()
    assert names(captured) == ["Book.Side.Level.add", "Book.Side.best"]


def test_a_method_that_another_class_borrows_goes_by_its_own_name(
    captured: Captured, desk: Import
) -> None:
    module = desk("""
        class OrderBook:
            def add(self): return 1
        class Order:
            borrowed = OrderBook.add
    """)
    module.Order().borrowed()
    module.OrderBook().add()
    assert names(captured) == ["OrderBook.add", "OrderBook.add"]


def test_dataclasses_behave_as_they_did(captured: Captured, desk: Import) -> None:
    module = desk("""
        import dataclasses
        @dataclasses.dataclass(order=True)
        class Plain:
            n: int
            items: list = dataclasses.field(default_factory=list)
            def value(self): return self.n
        @dataclasses.dataclass(frozen=True, slots=True)
        class Frozen:
            n: int
            def __post_init__(self): object.__setattr__(self, "n", self.n + 1)
            def value(self): return self.n
    """)
    assert module.Plain(1) == module.Plain(1)
    assert module.Plain(1) < module.Plain(2)
    assert repr(module.Plain(1)) == "Plain(n=1, items=[])"
    assert module.Frozen(1).value() == 2
    assert hash(module.Frozen(1)) == hash(module.Frozen(1))
    assert copy.deepcopy(module.Plain(1, [2])).items == [2]
    assert pickle.loads(pickle.dumps(module.Frozen(1))) == module.Frozen(2 - 1)
    with pytest.raises(AttributeError):
        module.Frozen(1).n = 5
    module.Plain(7).value()
    assert names(captured) == ["Frozen.value", "Plain.value"]


def test_enums_behave_as_they_did(captured: Captured, desk: Import) -> None:
    module = desk("""
        import enum
        class Side(enum.Enum):
            BUY = "b"
            SELL = "s"
            def other(self): return Side.SELL if self is Side.BUY else Side.BUY
            @classmethod
            def _missing_(cls, value): return cls.BUY
        class Flags(enum.Flag):
            A = enum.auto()
            B = enum.auto()
    """)
    assert module.Side.BUY.other() is module.Side.SELL
    assert module.Side("unknown") is module.Side.BUY
    assert list(module.Side) == [module.Side.BUY, module.Side.SELL]
    assert (module.Flags.A | module.Flags.B).value == 3
    assert pickle.loads(pickle.dumps(module.Side.SELL)) is module.Side.SELL
    assert names(captured) == ["Side.other", "Side._missing_"]


def test_named_tuples_behave_as_they_did(captured: Captured, desk: Import) -> None:
    module = desk("""
        import collections, typing
        class Tick(typing.NamedTuple):
            symbol: str
            price: float = 1.0
            def value(self): return self.price
        Old = collections.namedtuple("Old", "a b")
        class Sub(Old):
            def total(self): return self.a + self.b
    """)
    tick = module.Tick("X")
    assert tick._replace(price=2.0).price == 2.0
    assert tick._asdict() == {"symbol": "X", "price": 1.0}
    assert module.Tick._make(["Y", 3.0]) == ("Y", 3.0)
    assert module.Old(1, 2)._replace(a=5) == (5, 2)
    assert tick.value() == 1.0
    assert module.Sub(1, 2).total() == 3
    assert names(captured) == ["Tick.value", "Sub.total"]


def test_abstract_classes_and_protocols_behave_as_they_did(
    captured: Captured, desk: Import
) -> None:
    module = desk("""
        import abc, typing
        class Feed(abc.ABC):
            @abc.abstractmethod
            def read(self): ...
            @classmethod
            @abc.abstractmethod
            def open(cls): ...
        class Tape(Feed):
            def read(self): return 1
            @classmethod
            def open(cls): return cls()
        @typing.runtime_checkable
        class Readable(typing.Protocol):
            def read(self) -> int: ...
        class Unrelated:
            def write(self): ...
        T = typing.TypeVar("T")
        class Box(typing.Generic[T]):
            def get(self): return 1
        class Config(typing.TypedDict):
            symbol: str
    """)
    with pytest.raises(TypeError, match="abstract"):
        module.Feed()
    assert module.Tape.open().read() == 1
    assert isinstance(module.Tape(), module.Readable)
    assert not isinstance(module.Unrelated(), module.Readable)
    assert module.Box[int]().get() == 1
    assert module.Config(symbol="X") == {"symbol": "X"}
    assert names(captured) == ["Tape.open", "Tape.read", "Box.get"]


def test_a_class_that_refuses_to_be_changed_is_watched_all_the_same(
    captured: Captured, desk: Import
) -> None:
    module = desk("""
        class Sealed(type):
            def __setattr__(cls, name, value): raise RuntimeError("sealed")
        class Closed(metaclass=Sealed):
            def f(self): return 1
    """)
    assert module.Closed().f() == 1
    assert names(captured) == ["Closed.f"]


def test_no_attribute_of_a_class_is_asked_for_anything(captured: Captured, desk: Import) -> None:
    module = desk("""
        touched = []
        class Lazy:
            def __get__(self, instance, owner):
                touched.append("get")
                raise RuntimeError("descriptor run")
            def __getattribute__(self, name):
                touched.append(name)
                raise RuntimeError(name)
        class Book:
            lazy = Lazy()
            def add(self): return 1
    """)
    module.Book().add()
    assert module.touched == []
    assert names(captured) == ["Book.add"]


def test_functions_and_methods_keep_their_signature_and_source(
    captured: Captured, desk: Import
) -> None:
    module = desk("""
        class Book:
            def add(self, price: float, size: int = 1, *, side: str = "buy") -> int:
                '''Adds.'''
                return size
    """)
    add = module.Book.add
    shown = "(self, price: float, size: int = 1, *, side: str = 'buy') -> int"
    assert str(inspect.signature(add)) == shown
    assert (add.__doc__, add.__qualname__, add.__module__) == ("Adds.", "Book.add", "desk")
    assert "'''Adds.'''" in inspect.getsource(add)
    assert pickle.loads(pickle.dumps(add)) is add
    bound: Any = module.Book().add
    assert str(inspect.signature(bound)) == shown.replace("self, ", "")


def test_decorators_that_keep_what_they_decorate_keep_working(
    captured: Captured, desk: Import
) -> None:
    module = desk("""
        import contextlib, functools
        @functools.singledispatch
        def show(value): return "any"
        @show.register
        def _(value: int): return "int"
        @contextlib.contextmanager
        def session():
            yield 5
        def counted(function):
            @functools.wraps(function)
            def inner(*args):
                inner.calls += 1
                return function(*args)
            inner.calls = 0
            return inner
        @counted
        def work(n): return n
    """)
    assert (module.show(1), module.show("x")) == ("int", "any")
    with module.session() as value:
        assert value == 5
    assert [module.work(1), module.work(2)] == [1, 2]
    assert {"show", "session", "work"} <= set(names(captured))
