"""Short lines stay short and are quick to make, whatever the value."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradespan.capture.serialize import smart


@dataclasses.dataclass
class Order:
    parent: Any


def test_circular_values_end() -> None:
    items: list[Any] = [1]
    items.append(items)
    assert smart(items) == "[1, [1, [1, [+2 more]]]]"
    mapping: dict[str, Any] = {}
    mapping["self"] = mapping
    assert smart(mapping) == "{'self': ...}"
    order = Order(None)
    order.parent = order
    assert smart(order).count("Order(") == 4


@pytest.mark.parametrize(
    "value",
    [
        "x" * 10_000_000,
        ["x" * 10_000_000] * 10,
        {"k" * 1_000_000: 1},
        [[["y" * 1000] * 3] * 3] * 3,
        list(range(1_000_000)),
        {n: n for n in range(100_000)},
        10**100_000,
        [10**100_000],
        Decimal(10) ** 400,
        "password=" * 100_000,
    ],
    ids=lambda value: type(value).__name__,
)
def test_large_values_are_short_and_quick(value: Any) -> None:
    began = time.perf_counter()
    shown = smart(value)
    assert time.perf_counter() - began < 0.05
    assert len(shown) <= 1_003


def test_a_value_that_changes_meanwhile_does_not_get_out() -> None:
    shown = set()
    changing = {n: n for n in range(3)}
    stop = threading.Event()

    def change() -> None:
        n = 0
        while not stop.is_set():
            changing[n % 7] = n
            changing.pop((n + 3) % 7, None)
            n += 1

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(2_000):
            shown.add(type(smart(changing)))
    finally:
        stop.set()
        thread.join()
    assert shown == {str}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=20,
)


@settings(max_examples=300)
@given(VALUES, st.integers(1, 300))
def test_whatever_the_value_what_is_recorded_is_plain_short_and_json(
    value: Any, length: int
) -> None:
    shown = smart(value, length)
    assert type(shown) in (str, int, float, bool)
    json.loads(json.dumps(shown, allow_nan=False))
    if type(shown) is str:
        assert len(shown) <= 4 * length + 12  # quotes and escapes come on top
        shown.encode()
