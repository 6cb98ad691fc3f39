"""Values as short lines: exact forms, bounded, and no code of the user's is run."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import enum
import subprocess
import sys
import threading
import typing
import zoneinfo
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import attrs
import msgspec
import numpy
import pandas
import polars
import pyarrow
import pydantic
import pydantic.v1
import pytest

from tests.support.ids import shown
from tradespan.capture.serialize import smart


class Side(enum.Enum):
    BUY = "buy"


class Level(enum.IntEnum):
    HIGH = 2


class Bits(enum.Flag):
    A = 1
    B = 2


class Tick(typing.NamedTuple):
    symbol: str
    price: float


@dataclasses.dataclass
class Order:
    symbol: str
    quantity: int
    api_key: str = "abc"
    note: str = dataclasses.field(default="x", repr=False)


@dataclasses.dataclass(slots=True)
class Slotted:
    symbol: str
    price: Decimal


class Model(pydantic.BaseModel):
    symbol: str
    password: str = "x"


class Struct(msgspec.Struct):
    symbol: str
    quantity: int


class OldModel(pydantic.v1.BaseModel):
    symbol: str
    token: str


@attrs.define
class Fill:
    symbol: str
    api_key: str
    note: str = attrs.field(default="x", repr=False)


class Portfolio:
    pass


class Price(float):
    pass


class Symbol(str):
    __slots__ = ()


DAY = datetime.datetime(2026, 11, 21, 9, 30, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (42, 42),
        (-1.5, -1.5),
        (True, True),
        (None, "None"),
        (float("inf"), "inf"),
        (2**63, "9223372036854775808"),
        (-(2**63), -(2**63)),
        ("hello", "'hello'"),
        ("it's", '"it\'s"'),
        ("a\nb", r"'a\nb'"),
        ("\ud800", r"'\ud800'"),
        (b"abc", "<bytes of 3 bytes>"),
        (bytearray(1024), "<bytearray of 1,024 bytes>"),
        (memoryview(bytes(8)).cast("Q"), "<memoryview of 8 bytes>"),
        ({}, "{}"),
        ({"a": 1}, "{'a': ...}"),
        ({chr(97 + n): n for n in range(10)}, "{'a': ..., 'b': ..., +8 more}"),
        ({1: 2, ("x", "y"): 3}, "{1: ..., (+2 more): ...}"),
        ({"eyJhbGciOiJIUzI.eyJzdWIi.abc": 1}, "{'***': ...}"),
        (collections.defaultdict(list, {"a": []}), "defaultdict({'a': ...})"),
        (collections.Counter("aab"), "Counter({'a': ..., 'b': ...})"),
        (collections.OrderedDict(), "OrderedDict({})"),
        ([], "[]"),
        ([1, 2, 3], "[1, 2, 3]"),
        (list(range(10)), "[0, 1, 2, +7 more]"),
        ((), "()"),
        ((1,), "(1,)"),
        ((1, "x"), "(1, 'x')"),
        (set(), "set()"),
        ({1}, "{1}"),
        (frozenset(), "frozenset()"),
        (frozenset({1}), "frozenset({1})"),
        (collections.deque([1, 2], maxlen=5), "deque([1, 2])"),
        ([[[[1]]]], "[[[[+1 more]]]]"),
        (range(5), "range(0, 5)"),
        (1 + 2j, "(1+2j)"),
        (Decimal("1.50"), "Decimal('1.50')"),
        (Fraction(1, 3), "Fraction(1, 3)"),
        (UUID(int=1), "UUID('00000000-0000-0000-0000-000000000001')"),
        (PurePosixPath("data/ticks.csv"), "'data/ticks.csv'"),
        (DAY.date(), "datetime.date(2026, 11, 21)"),
        (DAY, "datetime.datetime(2026, 11, 21, 9, 30, tzinfo=datetime.timezone.utc)"),
        (
            DAY.replace(tzinfo=zoneinfo.ZoneInfo("UTC")),
            "datetime.datetime(2026, 11, 21, 9, 30, tzinfo=zoneinfo.ZoneInfo(key='UTC'))",
        ),
        (datetime.timedelta(seconds=1), "datetime.timedelta(seconds=1)"),
        (Side.BUY, "Side.BUY"),
        (Level.HIGH, "Level.HIGH"),
        (Bits.A | Bits.B, "Bits.A|B"),
        (Tick("AAPL", 1.5), "Tick(symbol='AAPL', price=1.5)"),
        (Order("AAPL", 5), "Order(symbol='AAPL', quantity=5, api_key=***)"),
        (Slotted("AAPL", Decimal(1)), "Slotted(symbol='AAPL', price=Decimal('1'))"),
        (Model(symbol="AAPL"), "Model(symbol='AAPL', password=***)"),
        (OldModel(symbol="AAPL", token="x"), "OldModel(symbol='AAPL', token=***)"),
        (Fill("AAPL", "x"), "Fill(symbol='AAPL', api_key=***)"),
        (Bits(0), "Bits(0)"),
        (Struct("AAPL", 5), "Struct(symbol='AAPL', quantity=5)"),
        (Price(1.25), "1.25"),
        (Symbol("AAPL"), "'AAPL'"),
        ([Order("AAPL", 5)], "[Order(symbol='AAPL', quantity=5, api_key=***)]"),
        ("login token=abc ok", "'login token=*** ok'"),
    ],
    ids=shown,
)
def test_values_have_their_exact_form(value: Any, shown: Any) -> None:
    assert smart(value) == shown
    assert type(smart(value)) is type(shown)


def test_a_number_of_many_digits_is_described() -> None:
    assert smart([Decimal("1" * 100_000)]).startswith("[<Decimal of 42,")


@pytest.mark.parametrize(
    "value", [Portfolio(), lambda: 1, SimpleNamespace(a=1), threading.Lock(), Portfolio, iter([])]
)
def test_anything_else_is_its_type_and_address(value: Any) -> None:
    assert smart(value) == f"<{type(value).__name__} at {id(value):#x}>"


# ── arrays and tables ───────────────────────────────────────────────────────────────────────────

TABLE = pandas.DataFrame(numpy.zeros((1000, 50)))
LAZY = polars.DataFrame({"a": [1, 2], "b": [3, 4]}).lazy()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (TABLE, "[DataFrame 1000×50]"),
        (TABLE[0][:250], "[Series 250 float64]"),
        (TABLE.index, "[RangeIndex 1000 int64]"),
        (pandas.Series(["a"], dtype="category"), "[Series 1 category]"),
        (pandas.Timestamp("2026-11-21"), "Timestamp('2026-11-21 00:00:00')"),
        (pandas.NaT, "NaT"),
        (pandas.NA, "<NA>"),
        (numpy.zeros((100, 100)), "[ndarray float64 (100,100)]"),
        (numpy.zeros(3, dtype="int8"), "[ndarray int8 (3)]"),
        (numpy.array(1), "[ndarray int64 ()]"),
        (numpy.int64(5), "5"),
        (numpy.float64(1.5), "1.5"),
        (numpy.bool_(True), "True"),
        (numpy.str_("x"), "'x'"),
        (polars.DataFrame({"a": [1, 2]}), "[DataFrame 2×1]"),
        (polars.Series("a", [1.5]), "[Series 1 Float64]"),
        (LAZY, "[LazyFrame]"),
        (pyarrow.table({"a": [1, 2], "b": [3, 4]}), "[Table 2×2]"),
        (pyarrow.record_batch({"a": [1, 2]}), "[RecordBatch 2×1]"),
        (pyarrow.array([1.5, 2.5]), "[DoubleArray 2 double]"),
        (pyarrow.chunked_array([[1], [2]]), "[ChunkedArray 2 int64]"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_arrays_and_tables_are_their_shape(value: Any, shown: str) -> None:
    assert smart(value) == shown
    assert smart([value]) == f"[{shown}]"


def test_a_lazy_frame_is_not_collected() -> None:
    asked: list[int] = []

    def ask(frame: polars.DataFrame) -> polars.DataFrame:
        asked.append(len(frame))
        return frame

    assert smart(LAZY.map_batches(ask)) == "[LazyFrame]"
    assert asked == []


def test_a_data_type_of_somebody_elses_is_only_named() -> None:
    class Money:
        def __str__(self) -> str:
            raise AssertionError("the user's code was run")

    series = stand_in("polars.series.series", "Series", shape=(250,), dtype=Money())
    assert smart(series) == "[Series 250 Money]"


def stand_in(module: str, name: str, base: type = object, **facts: Any) -> Any:
    """A value whose type says that it is a library's, with the attributes that are read."""
    return type(name, (base,), {"__module__": module, **facts})()


@pytest.mark.parametrize("module", ["mypandas", "pandas_like.frame", "bot"])
def test_a_type_of_the_same_name_elsewhere_is_no_table(module: str) -> None:
    assert smart(stand_in(module, "DataFrame", shape=(1, 2))).startswith("<DataFrame at 0x")


def test_an_array_whose_shape_cannot_be_read_is_its_type() -> None:
    assert smart(stand_in("pandas", "DataFrame")) == "<DataFrame>"
    assert smart([stand_in("pandas", "DataFrame")]) == "<list>"


def test_recognising_types_imports_nothing() -> None:
    code = """
import sys
from tradespan.capture.serialize import smart
class DataFrame: shape = (1, 2)
DataFrame.__module__ = "pandas.core.frame"
from tradespan.capture.serializers import serializer
from tradespan.capture.failure import capture_failure
from tradespan.capture.variables import frame_variables
for option in ("smart", "repr", "json"):
    show = serializer(option, ["account"])
    for value in (DataFrame(), [1], {"a": object()}):
        show(value, 100)
try:
    frame = DataFrame()
    raise ValueError(frame)
except ValueError as error:
    capture_failure(error, variables=frame_variables(), source=True)
libraries = {"attr", "attrs", "numpy", "pandas", "polars", "pyarrow", "pydantic"}
print(libraries & set(sys.modules))
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"


# ── nothing of the user's is run ────────────────────────────────────────────────────────────────


class Lazy:
    """Like a lazy object: whatever is asked of it makes it connect."""

    def _connect(self, *args: Any) -> Any:
        raise AssertionError("the user's code was run")

    __getattribute__ = __repr__ = __str__ = __len__ = __iter__ = _connect
    __getitem__ = __bool__ = __eq__ = __hash__ = __float__ = _connect
    __class__ = property(_connect)


@dataclasses.dataclass
class WithProperty:
    symbol: str

    @property
    def value(self) -> float:
        raise AssertionError("the user's code was run")

    def __getattr__(self, name: str) -> Any:
        raise AssertionError("the user's code was run")

    def __repr__(self) -> str:
        raise AssertionError("the user's code was run")


class Zone(datetime.tzinfo):
    def _ask(self, *args: Any) -> Any:
        raise AssertionError("the user's code was run")

    utcoffset = dst = tzname = __repr__ = _ask


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise AssertionError("the user's code was run")

    __repr__ = __len__ = __getitem__ = __str__  # type: ignore[assignment]


class Named(typing.NamedTuple):
    symbol: str

    def __iter__(self) -> Any:
        raise AssertionError("the user's code was run")


@pytest.mark.parametrize(
    ("make", "shown"),
    [
        (Lazy, "<Lazy at 0x"),
        (lambda: [Lazy()], "[<Lazy at 0x"),
        (lambda: {"a": Lazy()}, "{'a': ...}"),
        (lambda: WithProperty("AAPL"), "WithProperty(symbol='AAPL')"),
        (lambda: DAY.replace(tzinfo=Zone()), "datetime.datetime(2026, 11, 21, 9, 30) in <Zone>"),
        (lambda: slice(Lazy()), "<slice at 0x"),
        (lambda: Text("AAPL"), "'AAPL'"),
        (lambda: Named("AAPL"), "Named(symbol='AAPL')"),
    ],
)
def test_no_code_of_the_users_is_run(make: Callable[[], Any], shown: str) -> None:
    assert smart(make()).startswith(shown)


def test_a_dataclass_that_is_not_complete_shows_what_it_has() -> None:
    slotted = Slotted.__new__(Slotted)
    assert smart(slotted) == "Slotted()"
    slotted.symbol = "AAPL"
    assert smart(slotted) == "Slotted(symbol='AAPL')"


def test_a_metaclass_that_fails_does_not_get_out() -> None:
    class Meta(type):
        def __hash__(cls) -> int:
            raise RuntimeError("no hash")

        @property
        def __name__(cls) -> str:  # type: ignore[override]
            raise RuntimeError("no name")

    class Odd(metaclass=Meta):
        pass

    assert smart(Odd()) == "<Odd>"
