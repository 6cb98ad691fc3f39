"""The live check: what is told of telemetry that deviates, and what is not."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.unit.conventions.builders import SOUND
from tradespan.conventions import live
from tradespan.conventions.findings import Finding, Findings, Level
from tradespan.conventions.known import Known
from tradespan.conventions.live import LiveCheck, Series
from tradespan.conventions.reading import read_groups
from tradespan.conventions.tables import parse_yaml
from tradespan.declare.events import EVENTS
from tradespan.declare.instruments import INSTRUMENTS, TRADING_CYCLE_DURATION

V, M, N = Level.VIOLATION, Level.IMPROVEMENT, Level.INFORMATION


@pytest.fixture
def check() -> LiveCheck:
    return LiveCheck(Known.ours())


def only(check: LiveCheck) -> Finding:
    (finding,) = check.findings.ranked()
    return finding


def facts(check: LiveCheck) -> list[tuple[Level, str, str]]:
    return [(each.level, each.rule, each.name) for each in check.findings.ranked()]


# ── attributes ──────────────────────────────────────────────────────────────────────────────────


def test_declared_attributes_of_their_types_are_no_deviation(check: LiveCheck) -> None:
    check.span(
        "submit",
        {
            "trading.order.side": "buy",
            "trading.order.price": 187.15,
            "trading.order.quantity": 300,
            "trading.event_time": 1735828200000000000,
            "trading.pair.success": True,
            "tradespan.args.self.order": "Order(…)",
            "tradespan.result": None,
            "tradespan.log.tags": ["arbitrage"],
            "code.function.name": "bot.submit",
            "desk.anything": object,
        },
        [("exception", {"exception.type": "ValueError"})],
    )

    assert facts(check) == []
    assert check.looked_at == {"span": 1, "log": 0, "metric": 0}


def test_an_unknown_name_of_ours_is_told_with_the_nearest_one_and_counted(
    check: LiveCheck,
) -> None:
    for _ in range(3):
        check.span("submit", {"trading.order.sid": "buy"}, where=" of trace abcd1234")

    assert only(check) == Finding(
        V, "unknown_attribute", "trading.order.sid", "no attribute of this name is declared",
        "trading.order.side", 3, "span submit of trace abcd1234",
    )  # fmt: skip


def test_a_name_that_is_like_none_gets_no_near_one(check: LiveCheck) -> None:
    check.span("submit", {"trading.bad": 1})

    assert only(check).near == ""


def test_an_attribute_of_something_inside_a_span_is_looked_at(check: LiveCheck) -> None:
    check.span("submit", {}, [("http request", {"trading.api.attempt.durations": 0.1})])

    finding = only(check)
    assert finding.near == "trading.api.attempt.duration"
    assert finding.example == "span submit, event http request"


@pytest.mark.parametrize(
    ("name", "value", "came"),
    [
        ("trading.order.price", "187.15", "string"),
        ("trading.order.price", True, "boolean"),
        ("trading.event_time", 1.5, "double"),
        ("trading.symbol", 7, "int"),
        ("trading.pair.success", 1, "int"),
        ("trading.pair.success", "true", "string"),
        ("tradespan.log.tags", "arbitrage", "string"),
        ("trading.order.side", None, "NoneType"),
    ],
)
def test_a_value_of_another_type_is_told(
    check: LiveCheck, name: str, value: Any, came: str
) -> None:
    check.span("submit", {name: value})

    finding = only(check)
    assert (finding.level, finding.rule) == (V, "wrong_type")
    assert finding.message.endswith(f"came as {came}")
    assert repr(value) in finding.example


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_told(check: LiveCheck, value: float) -> None:
    check.span("submit", {"trading.order.price": value})

    assert facts(check) == [(V, "not_a_number", "trading.order.price")]


def test_values_are_open_and_a_misspelt_one_is_worth_a_word(check: LiveCheck) -> None:
    check.span("submit", {"trading.order.side": "BUY"})
    check.span("submit", {"trading.order.type": "iceberg"})

    misspelt, other = check.findings.ranked()
    assert (misspelt.level, misspelt.rule, misspelt.near) == (M, "undeclared_value", "buy")
    assert (other.level, other.rule, other.near) == (N, "undeclared_value", "")


def test_a_span_of_a_signal_without_what_it_needs_is_told_once_it_is_over(
    check: LiveCheck,
) -> None:
    attributes = {"tradespan.signal": "decision", "trading.symbol": "AAPL"}
    check.span("decide", attributes, finished=False)
    assert facts(check) == []

    check.span("decide", attributes)
    assert facts(check) == [(M, "missing_attribute", "trading.decision.outcome")]


# ── events ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("event", EVENTS)
def test_a_declared_event_with_what_it_needs_is_no_deviation(check: LiveCheck, event: str) -> None:
    values: dict[str, Any] = {"tradespan.elapsed": 1.5}
    check.log(event, {name: values.get(name, "x") for name in EVENTS[event].required})
    check.log(
        event,
        {"tradespan.event.source": "bot", "trading.event_time": 7}
        | {name: values.get(name, "x") for name in EVENTS[event].required},
    )

    assert facts(check) == []


def test_log_lines_have_no_event_name(check: LiveCheck) -> None:
    check.log("", {"tradespan.log.category": "risk", "note": "x"})

    assert facts(check) == []


def test_an_undeclared_event_of_our_namespace_is_told_with_the_nearest_one(
    check: LiveCheck,
) -> None:
    check.log("trading.order.fillled", {})

    finding = only(check)
    assert (finding.level, finding.rule) == (V, "unknown_event")
    assert finding.near == "trading.order.filled"


def test_another_documents_name_for_an_event_is_told_with_ours(check: LiveCheck) -> None:
    check.log("order_filled", {})
    check.log("TRADE_REJECTED", {})

    assert {(each.rule, each.name, each.near) for each in check.findings.ranked()} == {
        ("other_name", "order_filled", "trading.order.filled"),
        ("other_name", "TRADE_REJECTED", "trading.order.rejected"),
    }


def test_an_event_of_the_users_that_no_file_declares_is_worth_a_word(check: LiveCheck) -> None:
    check.log("moon_phase", {})

    assert facts(check) == [(N, "unknown_event", "moon_phase")]


def test_a_field_that_an_event_is_declared_without_is_told(check: LiveCheck) -> None:
    check.log("trading.feed.stale", {"trading.order.price": 1.0, "note": "x"})

    assert facts(check) == [(M, "undeclared_field", "trading.order.price")]


def test_an_event_without_what_it_needs_is_told(check: LiveCheck) -> None:
    check.log("tradespan.operation.slow", {"tradespan.operation": "load"})

    assert facts(check) == [(M, "missing_attribute", "tradespan.elapsed")]


# ── instruments ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_each_instrument_as_it_is_declared_is_no_deviation(check: LiveCheck, name: str) -> None:
    declared = INSTRUMENTS[name]
    labels = dict.fromkeys(declared.labels, "")
    bounds = declared.bounds or None
    check.metric(Series(name, declared.unit, declared.kind, labels, (1.0,), bounds))
    check.metric(Series(name, declared.unit, declared.kind, {"otel.metric.overflow": "true"}))

    assert facts(check) == []


CYCLES = Series("trading.cycles", "{cycle}", "counter", {"trading.strategy": "momentum"}, (1.0,))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"name": "trading.cycle"}, (V, "unknown_metric", "trading.cycle", "trading.cycles")),
        ({"unit": ""}, (V, "wrong_unit", "trading.cycles", "{cycle}")),
        ({"unit": "1"}, (V, "wrong_unit", "trading.cycles", "{cycle}")),
        ({"kind": "gauge"}, (V, "wrong_instrument", "trading.cycles", "counter")),
        ({"labels": {"trading.strateg": "x"}},
         (V, "label_not_allowed", "trading.cycles", "trading.strategy")),
        ({"values": (math.nan,)}, (V, "not_a_number", "trading.cycles", "")),
        ({"values": (1.0, math.inf)}, (V, "not_a_number", "trading.cycles", "")),
    ],
)  # fmt: skip
def test_a_series_that_deviates_is_told(
    check: LiveCheck, change: dict[str, Any], expected: tuple[Level, str, str, str]
) -> None:
    check.metric(CYCLES._replace(**change))

    finding = only(check)
    assert (finding.level, finding.rule, finding.name, finding.near) == expected


def test_an_id_never_becomes_a_label_of_anything(check: LiveCheck) -> None:
    check.metric(Series("desk.orders", "{order}", "counter", {"desk.order_id": "7"}))

    assert facts(check) == [(V, "id_as_label", "desk.orders")]


def test_other_bounds_than_the_declared_ones_are_told(check: LiveCheck) -> None:
    declared = TRADING_CYCLE_DURATION
    check.metric(Series(declared.name, "s", "histogram", {}, (), (0.1, 1.0)))

    assert facts(check) == [(M, "other_bounds", "trading.cycle.duration")]


def test_a_labels_value_is_text_whatever_the_attributes_type_is(check: LiveCheck) -> None:
    labels = {"trading.connection.close_code": "1006", "trading.connection.closed_by": "network"}
    check.metric(Series("trading.connection.closed", "{connection}", "counter", labels))
    assert facts(check) == []

    labels["trading.connection.closed_by"] = "Network"
    check.metric(Series("trading.connection.closed", "{connection}", "counter", labels))
    assert facts(check) == [(M, "undeclared_value", "trading.connection.closed_by")]


def test_compatibility_names_and_other_peoples_instruments_are_no_deviation(
    check: LiveCheck,
) -> None:
    check.metric(Series("live_trading_trades_total", "", "counter", {"symbol": "AAPL"}))
    check.metric(Series("http.client.request.duration", "s", "histogram", {"any": "thing"}))

    assert facts(check) == []


# ── a user's own, and how much is kept ──────────────────────────────────────────────────────────


def test_a_users_namespace_is_held_to_the_users_declarations() -> None:
    known = Known.ours()
    known.add(read_groups({"desk.yaml": parse_yaml(SOUND)}, []))
    check = LiveCheck(known)
    check.span("hedge", {"desk.book": "delta_one", "trading.symbol": "AAPL"})
    check.log("desk.book.closed", {"desk.book": "delta_one", "desk.ticket.id": "T-1"})
    labels = {"desk.book": "delta_one", "trading.venue": "XNAS"}
    check.metric(Series("desk.hedge.delay", "s", "histogram", labels, (0.2,), (0.1, 1.0, 10.0)))
    assert facts(check) == []

    check.span("hedge", {"desk.boook": "delta_one", "desk.urgency": 7})
    assert facts(check) == [
        (V, "unknown_attribute", "desk.boook"),
        (V, "wrong_type", "desk.urgency"),
    ]


def test_the_worst_comes_first_and_then_the_most_frequent(check: LiveCheck) -> None:
    check.log("moon_phase", {})
    check.span("a", {"trading.one": 1})
    for _ in range(2):
        check.span("a", {"trading.two": 1})
    check.log("order_filled", {})

    assert [each.name for each in check.findings.ranked()] == [
        "trading.two", "trading.one", "order_filled", "moon_phase",
    ]  # fmt: skip


def test_as_many_kinds_are_kept_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []

    def compare(word: str, words: object) -> str:
        compared.append(word)
        return ""

    monkeypatch.setattr(live, "nearest", compare)
    check = LiveCheck(Known.ours(), Findings(most=10))
    for number in range(50):
        check.span("a", {f"trading.order.n{number}": 1})
    check.span("a", {"trading.order.n3": 1})

    assert len(check.findings.ranked()) == 10
    assert check.findings.ranked()[0].count == 2
    assert check.findings.further == 40
    assert check.findings.count(V) == 51
    assert len(compared) == 10, "a near name is looked for where one will be shown"


def test_a_hostile_name_is_shortened_and_still_counted_as_one(check: LiveCheck) -> None:
    for _ in range(2):
        check.span("x" * 10_000, {"trading." + "y" * 100_000: 1})

    finding = only(check)
    assert finding.count == 2
    assert len(finding.name) + len(finding.example) < 300
