"""`serializer=`: smart, repr, json or a function; each bounded, redacted, and never raising."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradespan.capture.names import configure_names
from tradespan.capture.serializers import serializer
from tradespan.core import guard


@dataclasses.dataclass
class Order:
    symbol: str
    account: str
    api_key: str


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


ORDER = Order("AAPL", "DU123", "S3CRET")


@pytest.fixture
def names() -> Iterator[None]:
    yield
    configure_names((), (), enabled=True)


@pytest.mark.parametrize(
    ("option", "value", "shown"),
    [
        ("smart", ORDER, "Order(symbol='AAPL', account=***, api_key=***)"),
        ("repr", ORDER, "Order(symbol='AAPL', account=***, api_key=***)"),
        ("repr", [1, "x", (2,)], "[1, 'x', (2,)]"),
        ("repr", {"account": "DU123", "x": {1}}, "{'account': ***, 'x': {1}}"),
        ("repr", set(), "set()"),
        ("repr", None, "None"),
        ("repr", 42, 42),
        ("repr", "hello", "'hello'"),
        ("repr", b"abc", "b'abc'"),
        ("repr", Decimal("1.50"), "Decimal('1.50')"),
        ("json", ORDER, '{"symbol":"AAPL","account":"***","api_key":"***"}'),
        ("json", {"a": [1, 2.5, None, True]}, '{"a":[1,2.5,null,true]}'),
        ("json", {1: Decimal("1.5")}, '{"1":"1.5"}'),
        ("json", datetime(2026, 11, 21, tzinfo=UTC), '"2026-11-21T00:00:00Z"'),
        ("json", [b"abc"], '["<bytes of 3 bytes>"]'),
        ("json", "token=abc", '"token=***"'),
        ("json", 42, 42),
        (lambda order: order.symbol, ORDER, "AAPL"),
        (lambda order: order, ORDER, "Order(symbol='AAPL', account=***, api_key=***)"),
        (lambda order: f"key api_key={order.api_key}", ORDER, "key api_key=***"),
        (lambda order: len(order.symbol), ORDER, 4),
    ],
)
def test_each_serializer_has_its_form(option: Any, value: Any, shown: Any) -> None:
    assert serializer(option, ["account"])(value, 1_000) == shown


@pytest.mark.parametrize("option", ["", "Smart", "pickle", None, 3])
def test_another_option_is_refused_in_words(option: Any) -> None:
    with pytest.raises(ValueError, match='use "smart", "repr", "json" or a function of the value'):
        serializer(option)


@pytest.mark.parametrize("option", ["repr", lambda value: value.no_such, lambda value: 1 / 0])
def test_what_fails_is_the_types_name(option: Any) -> None:
    assert serializer(option)(Broken(), 100) == "<Broken>"


def test_json_of_what_it_has_no_form_for_is_as_by_smart() -> None:
    shown = serializer("json")({"a": Broken()}, 100)
    assert json.loads(shown)["a"].startswith("<Broken at 0x")


@pytest.mark.parametrize("option", ["smart", "repr", "json"])
def test_a_large_value_is_not_rendered_whole(option: Any) -> None:
    class Counting(str):
        asked = 0
        __slots__ = ()

        def __repr__(self) -> str:
            Counting.asked += 1
            return "x"

    rows: list[Any] = [[Counting("x")] * 1_000] * 1_000
    shown = serializer(option)(rows, 1_000_000)
    assert Counting.asked <= 500
    assert "more" in shown
    assert len(shown) < 20_000


@pytest.mark.parametrize("option", ["smart", "repr", "json"])
def test_circular_values_end(option: Any) -> None:
    items: list[Any] = []
    items += [items, {"again": items}]
    assert len(serializer(option)(items, 1_000)) <= 1_001


@pytest.mark.parametrize("option", ["smart", "repr", "json", str])
def test_what_is_shown_is_cut_at_the_length(option: Any) -> None:
    assert len(serializer(option)(["x" * 50] * 10, 20)) == 21


def test_a_name_hides_names_that_contain_its_words() -> None:
    show = serializer("repr", ["account"])
    value = {"sub_account": "a", "accountId": "b", "accounting": "c", "author": "d"}
    assert show(value, 200) == (
        "{'sub_account': ***, 'accountId': ***, 'accounting': 'c', 'author': 'd'}"
    )


def test_fields_of_fix_are_hidden_by_number_and_levels_of_a_book_are_not() -> None:
    assert serializer("repr")({554: "pw", "553": "bob", 96: 1.5}, 100) == (
        "{554: ***, '553': ***, 96: 1.5}"
    )


def test_settings_reach_serializers_made_before(names: None) -> None:
    show = serializer("repr", ["account"])
    assert show({"desk": "x"}, 100) == "{'desk': 'x'}"
    configure_names(["desk"], (), enabled=True)
    assert show({"desk": "x", "account": 1}, 100) == "{'desk': ***, 'account': ***}"


SECRET = "S3CRETxyz"
NAMES = st.sampled_from(
    ["password", "apiKey", "X-MBX-APIKEY", "listen_key", "seed", "account", "private.key"]
)


def planted(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Values that hold the secret under a sensitive name, or in a text beside its key."""
    under = st.builds(lambda name, value: {name: value}, NAMES, st.just(SECRET) | inner)
    beside = st.builds(
        lambda form, name: form.format(name, SECRET),
        st.sampled_from(["{}={}", "x {}: {}", '{{"{}": "{}"}}', "('{}', '{}')"]),
        NAMES,
    )
    order = st.builds(lambda value: Order("AAPL", SECRET, value), st.just(SECRET) | inner)
    around = st.lists(inner, max_size=3) | st.tuples(inner, inner)
    return under | beside | order | around | st.dictionaries(st.text(max_size=3), inner, max_size=2)


VALUES = st.recursive(st.integers() | st.text("ab", max_size=5), planted, max_leaves=12)


@settings(max_examples=300, deadline=None)
@given(VALUES, st.sampled_from(["smart", "repr", "json"]), st.integers(5, 400))
def test_whatever_the_value_a_planted_secret_never_shows(
    value: Any, option: Any, length: int
) -> None:
    shown = str(serializer(option, ["account"])(value, length))
    assert SECRET[:4] not in shown


# ── by name ─────────────────────────────────────────────────────────────────────────────────────

MODULE = """
def order(value):
    return f"{value.symbol} of {value.account}"

def broken(value):
    raise RuntimeError("no words")

def itself(value):
    from tradespan.capture.serializers import serializer
    return "again " + serializer("named_desk.itself")(value, 100)

class Shown:
    word = "no function"

    @staticmethod
    def of(value):
        return "an order"
"""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "named_desk.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    strict = guard.raise_errors(strict=False)
    monkeypatch.setattr(guard, "_last_logged", {})
    monkeypatch.setattr(guard, "_claims", {})
    yield "named_desk"
    guard.raise_errors(strict)
    sys.modules.pop("named_desk", None)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("order", "AAPL of DU123"),
        ("Shown.of", "an order"),
        ("broken", "<Order>"),
        ("itself", "again <Order>"),
    ],
)
def test_function_is_found_by_its_dotted_name_at_the_first_value(
    desk: str, name: str, shown: str
) -> None:
    show = serializer(f"{desk}.{name}")
    assert desk not in sys.modules
    assert [show(ORDER, 100), show(ORDER, 100)] == [shown, shown]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("named_desk.none", "module 'named_desk' has no attribute 'none'"),
        ("named_desk.Shown.word", "named_desk.Shown.word is no function: str"),
        ("named_nowhere.deep.show", "No module named 'named_nowhere'"),
    ],
)
def test_name_of_no_function_shows_the_type_and_is_logged_once(
    desk: str, caplog: pytest.LogCaptureFixture, name: str, says: str
) -> None:
    show = serializer(name)
    assert [show(ORDER, 100), show(ORDER, 100)] == ["<Order>", "<Order>"]
    (message,) = caplog.messages
    assert message.startswith(f"serializer {name}: ")
    assert says in message
