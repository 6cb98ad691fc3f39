"""What is captured of a call's arguments: the right value under the right name, before the body."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.captured import Captured
from tradespan.capture.arguments import Signature, argument_capture
from tradespan.instrument.monitor import monitor


@monitor
def everything(
    a: Any, b: Any = 2, /, c: Any = 3, *rest: Any, d: Any, e: Any = 5, **others: Any
) -> None: ...


@monitor
def login(user: str, password: str = "x", *, api_key: str = "", author: str = "") -> None: ...


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: everything(1, d=4), {"a": 1, "d": 4}),
        (lambda: everything(1, 20, 30, d=4), {"a": 1, "b": 20, "c": 30, "d": 4}),
        (lambda: everything(1, c=30, d=4, e=50), {"a": 1, "c": 30, "d": 4, "e": 50}),
        (
            lambda: everything(1, 2, 3, 4, 5, d=6),
            {"a": 1, "b": 2, "c": 3, "rest": "(4, 5)", "d": 6},
        ),
        (lambda: everything(1, d=4, x=7), {"a": 1, "d": 4, "others": "{'x': ...}"}),
        # The names of what can only be given by place are free for `**others`.
        (lambda: everything(1, d=4, a=9, b=8), {"a": 1, "d": 4, "others": "{'a': ..., 'b': ...}"}),
        # … and those of the collecting parameters, too.
        (lambda: everything(1, d=4, rest=9), {"a": 1, "d": 4, "others": "{'rest': ...}"}),
    ],
)
def test_every_kind_of_parameter_has_its_value(
    captured: Captured, call: Callable[[], None], expected: dict[str, Any]
) -> None:
    call()
    assert captured.one().arguments == expected


def test_a_default_that_the_call_leaves_out_is_not_captured(captured: Captured) -> None:
    login("bob")
    assert captured.one().arguments == {"user": "'bob'"}


def test_sensitive_parameters_are_masked_however_they_are_given(captured: Captured) -> None:
    login("bob", "hunter2", author="Ann")
    login(user="bob", password="hunter2", api_key="abc")
    first, second = (span.arguments for span in captured.named("login"))
    assert first == {"user": "'bob'", "password": "***", "author": "'Ann'"}
    assert second == {"user": "'bob'", "password": "***", "api_key": "***"}


def test_a_value_is_captured_before_the_body_changes_it(captured: Captured) -> None:
    @monitor
    def drain(orders: list[int]) -> list[int]:
        orders.clear()
        return orders

    drain([1, 2])
    assert captured.one().arguments == {"orders": "[1, 2]"}
    assert captured.one().result == "[]"


def test_the_receiver_is_not_captured_but_an_equal_name_elsewhere_is(captured: Captured) -> None:
    class Book:
        @monitor
        def compare(self, other: Any, self_: int = 0) -> None: ...

    @monitor
    def notify(who: str, self: str) -> None: ...

    Book().compare(1, 2)
    notify("me", self="you")
    assert captured.one("compare").arguments == {"other": 1, "self_": 2}
    assert captured.one("notify").arguments == {"who": "'me'", "self": "'you'"}


def test_no_code_of_an_argument_is_run(captured: Captured) -> None:
    class Hostile:
        def __getattribute__(self, name: str) -> Any:
            raise AssertionError(f"read {name}")

        def __repr__(self) -> str:
            raise AssertionError("printed")

        __str__ = __len__ = __iter__ = __bool__ = __eq__ = __hash__ = __repr__  # type: ignore[assignment]

    @monitor
    def take(value: Any) -> Any:
        return value

    take(Hostile())
    span = captured.one()
    assert span.arguments["value"].startswith("<Hostile at 0x")
    assert span.result.startswith("<Hostile at 0x")


def test_the_body_gets_its_arguments_untouched() -> None:
    given: list[Any] = []

    @monitor
    def take(*args: Any, **kwargs: Any) -> None:
        given.extend([args, kwargs])

    value = object()
    take(value, 1, key=value)
    assert given == [(value, 1), {"key": value}]


@settings(max_examples=200)
@given(
    args=st.lists(st.integers(), max_size=6),
    kwargs=st.dictionaries(st.sampled_from(["self", "a", "b", "c", "rest", "x"]), st.integers()),
)
def test_captured_or_not_no_call_makes_capturing_fail(
    args: list[int], kwargs: dict[str, int]
) -> None:
    def method(self: Any, a: int, /, b: int, *rest: int, c: int = 1, **others: int) -> None: ...

    def plain(a: int, b: int = 2) -> None: ...

    def nothing() -> None: ...

    for function in (method, plain, nothing):
        signature = Signature(function)  # type: ignore[arg-type]
        captured = argument_capture(signature, 100)(tuple(args), kwargs)
        assert len(captured) <= len(signature.names)


def test_large_values_are_cut_to_the_length_asked_for(captured: Captured) -> None:
    @monitor(max_repr=10)
    def take(text: str, items: list[str]) -> str:
        return text

    take("x" * 1000, ["y" * 1000])
    span = captured.one()
    assert span.arguments["text"] == f"'{'x' * 10}…'"
    assert len(span.arguments["items"]) <= 11
    assert span.result == f"'{'x' * 10}…'"


def test_numbers_stay_numbers(captured: Captured) -> None:
    @monitor
    def take(a: int, b: float, c: bool, d: Decimal, e: int, f: float) -> None: ...

    take(-5, 1.25, True, Decimal("1.50"), 10**30, float("nan"))
    assert captured.one().arguments == {
        "a": -5,
        "b": 1.25,
        "c": True,
        "d": "Decimal('1.50')",
        "e": str(10**30),
        "f": "nan",
    }


def test_a_number_too_long_to_write_out_is_described(captured: Captured) -> None:
    @monitor
    def take(n: int) -> None: ...

    take(10**5000)
    assert captured.one().arguments == {"n": "<int of 16,610 bits>"}
