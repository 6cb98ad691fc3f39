"""The other options of `@monitor`: what is captured, how it is shown, what is hidden, metrics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.captured import Captured
from tests.unit.instrument.shapes.kinds import KINDS, Kind
from tradespan.core import guard
from tradespan.instrument.monitor import monitor

every_kind = pytest.mark.parametrize("kind", KINDS, ids=str)


@pytest.fixture
def lenient() -> Iterator[None]:
    before = guard.raise_errors(False)
    yield
    guard.raise_errors(before)


def same(value: Any) -> Any:
    return value


# ── capture ─────────────────────────────────────────────────────────────────────────────────────


@every_kind
@pytest.mark.parametrize(
    ("capture", "arguments", "result"),
    [
        (None, {"value": 5}, 5),
        ("none", {}, None),
        ("all", {"value": 5}, 5),
        ({}, {"value": 5}, 5),
        ({"args": False}, {}, 5),
        ({"result": False}, {"value": 5}, None),
        ({"args": False, "result": False}, {}, None),
        ({"locals": True}, {"value": 5}, 5),
    ],
    ids=str,
)
def test_what_is_captured_is_what_was_asked_for(
    captured: Captured, kind: Kind, capture: Any, arguments: dict[str, Any], result: Any
) -> None:
    assert kind.call(monitor(capture=capture)(kind.function(same)), 5) == 5
    span = captured.one()
    assert (span.arguments, span.result) == (arguments, result)


@pytest.mark.parametrize(
    ("capture", "word"),
    [("some", "some"), ({"arguments": True}, "arguments"), ({"args": 1, "self": 1}, "self")],
)
def test_an_unknown_word_for_what_to_capture_is_refused_with_the_known_ones(
    capture: Any, word: str
) -> None:
    with pytest.raises(ValueError, match="capture=") as refused:
        monitor(capture=capture)
    for told in (word, "args", "result", "locals"):
        assert told in str(refused.value)


def lose(value: Any) -> None:
    margin = 4711
    api_key = "do-not-tell"  # noqa: F841 - a variable of the frame
    raise ValueError(f"no {margin - margin}")


@every_kind
@pytest.mark.parametrize("capture", ["all", {"locals": True}])
def test_variables_of_the_frames_are_kept_with_an_error_where_asked_for(
    captured: Captured, kind: Kind, capture: Any
) -> None:
    with pytest.raises(ValueError, match="no 0"):
        kind.call(monitor(capture=capture)(kind.function(lose)), "BTC")
    told = repr(captured.one().failure)
    assert "4711" in told
    assert "api_key" in told
    assert "do-not-tell" not in told


@every_kind
def test_variables_are_not_kept_where_nobody_asked(captured: Captured, kind: Kind) -> None:
    with pytest.raises(ValueError, match="no 0"):
        kind.call(monitor(kind.function(lose)), "BTC")
    assert "4711" not in repr(captured.one().failure)


# ── serializer, max_repr ────────────────────────────────────────────────────────────────────────


@every_kind
def test_a_serializer_of_the_users_shows_arguments_and_results(
    captured: Captured, kind: Kind
) -> None:
    def show(value: Any) -> str:
        return f"a {type(value).__name__}"

    kind.call(monitor(serializer=show)(kind.function(same)), [1, 2])
    assert captured.one().arguments == {"value": "a list"}
    assert captured.one().result == "a list"


@every_kind
def test_json_shows_what_json_has(captured: Captured, kind: Kind) -> None:
    value = {"symbol": "BTC", "levels": [1, 2.5, None], "open": True}
    kind.call(monitor(serializer="json")(kind.function(same)), value)
    assert json.loads(captured.one().arguments["value"]) == value
    assert json.loads(str(captured.one().result)) == value


@every_kind
def test_repr_shows_what_the_object_says_of_itself(captured: Captured, kind: Kind) -> None:
    class Order:
        def __repr__(self) -> str:
            return "Order(BTC, 5)"

    kind.call(monitor(serializer="repr")(kind.function(same)), Order())
    assert captured.one().arguments == {"value": "Order(BTC, 5)"}


@every_kind
def test_a_serializer_that_fails_costs_its_value_only(
    captured: Captured, lenient: None, kind: Kind
) -> None:
    class Order: ...

    def broken(value: Any) -> str:
        raise RuntimeError("not today")

    order = Order()
    assert kind.call(monitor(serializer=broken)(kind.function(same)), order) is order
    span = captured.one()
    assert "Order" in str(span.arguments["value"])
    assert not span.failed


@pytest.mark.parametrize("serializer", ["pickle", 5, ""])
def test_an_unknown_serializer_is_refused(serializer: Any) -> None:
    with pytest.raises(ValueError, match="serializer"):
        monitor(serializer=serializer)(same)


@every_kind
@pytest.mark.parametrize("serializer", ["smart", "repr", "json", str])
def test_values_are_cut_at_max_repr(captured: Captured, kind: Kind, serializer: Any) -> None:
    kind.call(monitor(max_repr=20, serializer=serializer)(kind.function(same)), "x" * 500)
    for shown in (captured.one().arguments["value"], captured.one().result):
        assert "xxxxx" in shown
        assert len(shown) <= 25


@pytest.mark.parametrize("length", [0, -1])
def test_a_length_that_shows_nothing_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="max_repr"):
        monitor(max_repr=length)


# ── sensitive_fields ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("serializer", ["smart", "repr", "json"])
def test_fields_that_the_function_calls_sensitive_are_hidden(
    captured: Captured, serializer: Any
) -> None:
    @monitor(sensitive_fields=("account", "iban"), serializer=serializer)
    def pay(account: str, order: dict[str, Any], symbol: str = "X") -> dict[str, Any]:
        return {"iban": "DE-secret", "done": 1}

    pay("A-secret", {"account": "B-secret", "at": 5}, symbol="BTC")
    span = captured.one()
    assert "secret" not in str(span.attributes)
    assert "secret" not in str(span.result)
    assert span.arguments["account"] == "***"
    assert "BTC" in span.arguments["symbol"]


def test_they_are_hidden_besides_the_ordinary_ones_and_for_this_function_only(
    captured: Captured,
) -> None:
    @monitor(sensitive_fields=("account",))
    def hidden(account: str, password: str) -> None: ...

    @monitor
    def shown(account: str, password: str) -> None: ...

    hidden("A-1", "p")
    shown("A-1", "p")
    assert captured.one("hidden").arguments == {"account": "***", "password": "***"}
    assert captured.one("shown").arguments == {"account": "'A-1'", "password": "***"}


@every_kind
def test_they_are_hidden_in_functions_of_every_kind(captured: Captured, kind: Kind) -> None:
    watched = monitor(sensitive_fields=["value"])(kind.function(same))
    kind.call(watched, "A-secret")
    assert captured.one().arguments == {"value": "***"}


def test_they_are_hidden_in_the_variables_of_an_error(captured: Captured) -> None:
    @monitor(sensitive_fields=("iban",), capture="all")
    def failing() -> None:
        iban = "DE-secret"
        raise ValueError(len(iban))

    with pytest.raises(ValueError, match="9"):
        failing()
    variables = [getattr(frame, "variables", {}) for frame in captured.one().failure.frames]
    assert "DE-secret" not in str(variables)
    assert any("iban" in each for each in variables)


# ── metrics, objective and the rest ─────────────────────────────────────────────────────────────


@every_kind
@pytest.mark.parametrize(
    "options",
    [
        {"metrics": False},
        {"objective": {"latency": 0.05, "success": 0.999}},
        {"objective": {"success": 0.9}},
        {"durable": True},
        {"queue_warning_threshold": 1000},
        {"sample_rate": 1},
        {"min_duration": 0},
    ],
    ids=str,
)
def test_a_call_with_any_of_these_is_still_one_span(
    captured: Captured, kind: Kind, options: dict[str, Any]
) -> None:
    assert kind.call(monitor(**options)(kind.function(same)), 5) == 5
    captured.one("watched")


@pytest.mark.parametrize(
    "objective",
    [{"success": 1.5}, {"success": 0}, {"latency": -1.0}, {"latencies": 1.0}, "fast"],
    ids=str,
)
def test_an_objective_that_cannot_be_met_or_read_is_refused(objective: Any) -> None:
    with pytest.raises(ValueError, match="objective"):
        monitor(objective=objective)
