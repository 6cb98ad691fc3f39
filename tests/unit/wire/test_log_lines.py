"""A log record as a line of JSON: valid whatever is in it, and nothing that a terminal obeys."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradespan.core.records import LogRecord
from tradespan.signals.logs.text import format_line
from tradespan.wire import log_lines
from tradespan.wire.escaping import escape_text
from tradespan.wire.log_lines import encode_line, format_time, line_fields

NOW = 1_736_951_025_123_456_789
BOT = {"service.name": "order_router", "host.name": "desk", "process.pid": 41, "x": 1}
NASTY = [
    "two\nlines", "return\rover", "\x1b[31mred\x1b[0m", "\x9b31m", "\x1b]0;title\x07", "null\x00",
    "\u202eabc", "\u2066a\u2069", "\u200b\u200e\ufeff", "\u2028\u2029", "\x85", "\x7f",
    '","level":"CRITICAL', "\\u0000", "\U000e0041", "\ud800", "\ue000", "é 日本 😀",
]  # fmt: skip


def make_record(**facts: Any) -> LogRecord:
    given: dict[str, Any] = {"site": 1, "time": NOW, "severity_number": 9, "severity_text": "INFO"}
    return LogRecord(**{**given, **facts})


def read(record: LogRecord) -> dict[str, Any]:
    line = encode_line(line_fields(record, "bot.orders", BOT))
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_line_has_the_documented_keys_in_their_order() -> None:
    record = make_record(
        body="Paired order executed",
        trace_id=bytes(15) + b"\x01",
        span_id=2,
        event_name="pair_execution_completed",
        attributes={
            "edge_cents": 320,
            "tradespan.log.category": "order",
            "tradespan.log.tags": ["arbitrage"],
            "exception.type": "ValueError",
            "exception.message": "no",
            "exception.stacktrace": "Traceback",
            "code.file.path": "/bot.py",
            "code.line.number": 3,
            "code.function.name": "main",
            "thread.name": "feed",
        },
    )
    line = read(record)
    assert line == {
        "timestamp": "2025-01-15T14:23:45.123456Z",
        "level": "INFO",
        "service": "order_router",
        "logger": "bot.orders",
        "trace_id": f"{1:032x}",
        "span_id": f"{2:016x}",
        "message": "Paired order executed",
        "event": "pair_execution_completed",
        "category": "order",
        "tags": ["arbitrage"],
        "data": {"edge_cents": 320},
        "exception": {"type": "ValueError", "message": "no", "stack": "Traceback"},
        "source": {"file": "/bot.py", "line": 3, "function": "main"},
        "thread": "feed",
        "host": "desk",
        "pid": 41,
    }
    documented = [row.split()[0] for row in (module_keys())]
    assert list(line) == documented


def module_keys() -> list[str]:
    text = log_lines.__doc__ or ""
    return [row for row in text.splitlines() if row.startswith("    ")]


def test_keys_without_a_value_are_left_out_but_for_the_message() -> None:
    line = read(make_record(body=""))
    assert list(line) == ["timestamp", "level", "service", "logger", "message", "host", "pid"]


def test_a_body_of_fields_is_the_data_and_the_event_the_message() -> None:
    line = read(make_record(body={"quantity": 5}, event_name="order_filled"))
    assert (line["message"], line["data"]) == ("order_filled", {"quantity": 5})


def test_a_number_that_json_does_not_have_is_null() -> None:
    line = read(make_record(attributes={"a": float("nan"), "b": float("inf"), "c": 1.5}))
    assert line["data"] == {"a": None, "b": None, "c": 1.5}


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, ""), (NOW, "2025-01-15T14:23:45.123456Z"), (2**62, "2116-02-20T23:53:38.427387Z")],
)
def test_times_are_utc_with_microseconds(number: int, shown: str) -> None:
    assert format_time(number) == shown


@pytest.mark.parametrize("text", NASTY)
def test_nothing_that_is_said_breaks_a_line_or_reaches_a_terminal(text: str) -> None:
    attributes: Any = {"x": text, text: 1, "tradespan.log.tags": [text], "exception.message": text}
    record = make_record(body=text, attributes=attributes)
    raw = encode_line(line_fields(record, text, {"service.name": text})).decode()
    assert raw.count("\n") == 1
    assert not unsafe(raw[:-1])
    line = json.loads(raw)
    expected = text.encode(errors="replace").decode()
    assert (line["message"], line["logger"], line["data"]["x"]) == (expected, expected, expected)


@pytest.mark.parametrize("text", NASTY)
def test_nothing_that_is_said_forges_a_line_for_people(text: str) -> None:
    fields = line_fields(
        make_record(body=text, attributes={"x": text, "exception.stacktrace": f"T\n{text}"}),
        text,
        {},
    )
    first, *stack = format_line(fields, "12:00:00.000", colours=False).split("\n")
    assert not unsafe(first)
    assert all(line.startswith("    ") and not unsafe(line) for line in stack)


@given(st.text())
def test_any_text_comes_back_from_its_line(text: str) -> None:
    assert read(make_record(body=text))["message"] == text.encode(errors="replace").decode()


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_escaped_text_has_nothing_that_is_not_seen(text: str) -> None:
    assert not unsafe(escape_text(text))


def unsafe(text: str) -> list[str]:
    """Characters that do something else than to be seen."""
    bad = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    return [hex(ord(c)) for c in text if unicodedata.category(c) in bad]
