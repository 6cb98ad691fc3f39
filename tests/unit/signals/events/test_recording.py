"""What of an event is on disk when `publish` returns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Any

from opentelemetry.trace import NonRecordingSpan, SpanContext, use_span

from tests.support.captured import CapturedLine, capture, read_lines
from tradespan.core import guard
from tradespan.core.records import Lane
from tradespan.declare.events import EVENTS
from tradespan.signals.events.bus import EventBus
from tradespan.signals.events.types import Event, EventType


def only(folder: Path) -> CapturedLine:
    (line,) = read_lines(folder)
    return line


def attributes(folder: Path) -> dict[str, Any]:
    return dict(only(folder).record.attributes or {})


def test_an_event_is_a_log_event_with_severity_source_time_and_trace(tmp_path: Path) -> None:
    bus = EventBus()
    event = Event(EventType.QUOTE_STALE, data={"symbol": "AAPL"}, source="feed", severity="warning")
    with capture(tmp_path), use_span(NonRecordingSpan(SpanContext(7, 9, is_remote=False))):
        bus.publish(event)
        line = only(tmp_path)
    assert (line.scope, line.record.event_name) == ("tradespan.events", "trading.feed.stale")
    assert (line.record.severity_number, line.record.severity_text) == (13, "warning")
    assert line.record.body == "QUOTE_STALE"
    assert line.record.time == int(event.timestamp.timestamp() * 1e6) * 1_000
    assert (line.record.trace_id, line.record.span_id) == ((7).to_bytes(16, "big"), 9)
    assert line.record.attributes == {
        "tradespan.event.source": "feed",
        "trading.symbol": "AAPL",
    }


def test_data_have_the_conventions_names_types_units_and_spelling(tmp_path: Path) -> None:
    bus = EventBus()
    with capture(tmp_path):
        bus.emit_trade("AAPL", "BUY", Decimal("10.5"), 187, order_id=17, mine="kept")  # type: ignore[arg-type]
    found = attributes(tmp_path)
    assert found["trading.execution.quantity"] == 10.5
    assert found["trading.execution.price"] == 187.0
    assert (found["trading.order.side"], found["trading.order.id"]) == ("buy", "17")
    assert found["mine"] == "kept"


def test_orders_and_safety_travel_in_the_lane_of_errors_and_the_rest_by_severity(
    tmp_path: Path,
) -> None:
    bus = EventBus()
    with capture(tmp_path):
        bus.emit_trade("AAPL", "buy", 1, 2)
        bus.emit_kill_switch("daily loss", -1_200, -1_000)
        bus.emit_cycle_start()
        bus.emit_error("no route")
    lanes = {line.record.event_name: line.lane for line in read_lines(tmp_path)}
    assert lanes == {
        "trading.order.filled": Lane.ERROR,
        "trading.kill_switch.triggered": Lane.ERROR,
        "trading.error": Lane.ERROR,
        "trading.cycle.started": Lane.ORDINARY,
    }


def test_an_exception_gives_its_type_and_message_and_the_context_is_there(tmp_path: Path) -> None:
    bus = EventBus()
    with capture(tmp_path):
        bus.emit_error(ValueError("no route"), {"order": "A1", "api_key": "s3cr3t-s3cr3t"})
    found = attributes(tmp_path)
    assert (found["error.type"], found["error.message"]) == ("ValueError", "no route")
    assert found["trading.error.context"] == '{"order":"A1","api_key":***}'
    assert "s3cr3t" not in str(only(tmp_path).record)


def test_a_backtests_time_is_an_attribute_and_the_record_has_the_clocks(tmp_path: Path) -> None:
    bus = EventBus()
    then = datetime(2015, 3, 1, 12, tzinfo=UTC)
    with capture(tmp_path):
        bus.publish(Event(EventType.CYCLE_START, timestamp=then))
        bus.publish(Event(EventType.CYCLE_START, timestamp=then.replace(tzinfo=None)))
    for line in read_lines(tmp_path):
        assert (line.record.attributes or {})["trading.event_time"] == int(then.timestamp()) * 10**9
        assert int(then.timestamp()) * 10**9 < line.record.time <= line.record.observed_time


def test_big_and_broken_data_are_recorded_in_short(tmp_path: Path) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no text")

        __repr__ = __str__

    loop: dict[str, Any] = {}
    loop["self"] = loop
    data = {"text": "x" * 5_000_000, "broken": Broken(), "loop": loop, "list": [*range(10_000)]}
    with capture(tmp_path):
        EventBus().publish(Event("mine", data={**data, 5: "five"}))  # type: ignore[dict-item]
    record = only(tmp_path).record
    assert len(str(record)) < 20_000
    assert (record.attributes or {})["5"] == "five"


def test_a_type_of_the_users_own_is_an_event_by_its_own_name(tmp_path: Path) -> None:
    with capture(tmp_path):
        EventBus().emit("rebalanced", {"legs": [1, 2]}, severity="emergency", source="risk")
    record = only(tmp_path).record
    assert (record.event_name, record.severity_number) == ("rebalanced", 24)
    assert (record.attributes or {})["legs"] == [1, 2]


def test_a_severity_that_is_not_known_is_recorded_as_info(tmp_path: Path) -> None:
    with capture(tmp_path):
        strict = guard.raise_errors(strict=False)
        EventBus().emit("rebalanced", severity="bad")
        guard.raise_errors(strict)
    record = only(tmp_path).record
    assert (record.severity_number, record.severity_text) == (9, "info")


def test_names_of_log_lines_are_recorded_as_the_event_they_mean(tmp_path: Path) -> None:
    with capture(tmp_path):
        EventBus().emit("order_filled", {"fill_qty": 5})
    assert only(tmp_path).record.event_name == "trading.order.filled"
    assert attributes(tmp_path)["trading.execution.quantity"] == 5.0


def test_it_is_recorded_before_anybody_is_told(tmp_path: Path) -> None:
    bus = EventBus()
    seen: list[int] = []
    bus.subscribe(None, lambda _: seen.append(len(list(read_lines(tmp_path)))), inline=True)
    with capture(tmp_path):
        bus.emit_cycle_start()
    assert seen == [1]


def test_what_cannot_be_recorded_is_told_all_the_same(tmp_path: Path) -> None:
    class Nowhere(tzinfo):
        def utcoffset(self, moment: datetime | None) -> timedelta:
            raise RuntimeError("nowhere")

        dst = utcoffset

        def tzname(self, moment: datetime | None) -> str:
            return "nowhere"

    bus = EventBus()
    received: list[Event] = []
    bus.subscribe(None, received.append)
    with capture(tmp_path, strict=False):
        bus.publish(Event("mine", timestamp=datetime(2026, 1, 1, tzinfo=Nowhere())))
    assert len(received) == 1


def test_no_nan_leaves_and_what_is_not_known_is_absent(tmp_path: Path) -> None:
    with capture(tmp_path):
        EventBus().emit_trade("AAPL", "buy", float("nan"), Decimal("inf"), venue=None)  # type: ignore[arg-type]
    assert attributes(tmp_path) == {
        "tradespan.event.source": "live_trading",
        "trading.symbol": "AAPL",
        "trading.order.side": "buy",
    }


def test_without_configure_the_bus_works_and_writes_nothing(tmp_path: Path) -> None:
    bus = EventBus()
    received: list[Event] = []
    bus.subscribe(None, received.append)
    bus.emit_trade("AAPL", "buy", 1, 2)
    assert len(received) == 1
    assert list(tmp_path.iterdir()) == []


def test_the_types_are_those_that_the_conventions_declare() -> None:
    declared = {each.member: each.name for each in EVENTS.values()}
    assert {each.name: each.value for each in EventType} == declared


def emit_all(bus: EventBus) -> None:
    bus.emit_engine_start(strategy="momentum")
    bus.emit_engine_stop("done")
    bus.emit_cycle_start(cycle=1)
    bus.emit_cycle_end(0.5, cycle=1)
    bus.emit_decision("AAPL", "buy", confidence=0.8)
    bus.emit_error("boom")
    bus.emit_configuration_change("max_position", 5, 10)
    bus.emit_trade_submitted("AAPL", "buy", 1, 2.5)
    bus.emit_trade_acknowledged("AAPL", "buy")
    bus.emit_trade("AAPL", "buy", 1, 2.5)
    bus.emit_trade_rejected("AAPL", "buy", 1, "no cash")
    bus.emit_trade_cancelled("AAPL", "buy")
    bus.emit_kill_switch("loss", -2, -1)
    bus.emit_kill_switch_reset("fixed")
    bus.emit_circuit_breaker("loss")
    bus.emit_trading_halted("venue_disconnect")
    bus.emit_daily_loss_warning(-8, -10)
    bus.emit_drawdown_warning(0.08, 0.1)
    bus.emit_position_limit_warning("AAPL", 85, 100)
    bus.emit_connection_lost("XNAS", "timeout")
    bus.emit_connection_restored("XNAS")
    bus.emit_quote_stale("AAPL", 15)
    bus.emit_data_error("bad tick", symbol="AAPL")


def test_each_emitting_method_gives_its_declared_event_severity_and_attributes(
    tmp_path: Path,
) -> None:
    with capture(tmp_path):
        emit_all(EventBus())
    lines = list(read_lines(tmp_path))
    names = {line.record.event_name for line in lines}
    assert len(names) == len(lines) == 23
    for line in lines:
        declared = EVENTS[line.record.event_name]
        assert line.record.severity_text == declared.severity
        unknown = set(line.record.attributes or {}) - {*declared.attributes}
        assert unknown <= {"tradespan.event.source"}, declared.name
