from __future__ import annotations

from tests.unit.web.builders import MILLISECOND, NOON, make_span
from tradespan.store.rows import SpanEvent, SpanLink
from tradespan.web.details import describe_span, parse_frames, show_value

CHAINED = """Traceback (most recent call last):
  File "/srv/bot/venue.py", line 7, in send
ConnectionError: reset

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/srv/bot/app.py", line 3, in main
  File "/srv/bot/execution.py", line 64, in submit
execution.ExchangeTimeout: no answer in 2.0 s
"""


def test_arguments_result_and_static_facts_are_told_apart() -> None:
    span = make_span(
        "a",
        attributes={
            "tradespan.args.symbol": "'AAPL'",
            "tradespan.args.api_key": "***",
            "tradespan.result": 300,
            "code.file.path": "/srv/bot/risk.py",
            "code.line.number": 21,
            "trading.symbol": "AAPL",
        },
    )
    shown = describe_span(span)
    assert shown["arguments"] == {"symbol": "'AAPL'", "api_key": "***"}
    assert shown["result"] == "300"
    assert shown["attributes"] == {"trading.symbol": "AAPL"}
    assert shown["function"]["code.line.number"] == "21"
    assert shown["place"] == "risk.py:21"


def test_exception_names_its_frames_innermost_first() -> None:
    failure = SpanEvent(
        "exception",
        NOON,
        {
            "exception.type": "execution.ExchangeTimeout",
            "exception.message": "no answer in 2.0 s",
            "exception.stacktrace": CHAINED,
        },
    )
    retried = SpanEvent("retry", NOON + 3 * MILLISECOND, {"attempt": 2})
    shown = describe_span(make_span("a", events=[failure, retried]))
    (exception,) = shown["exceptions"]
    assert exception["type"] == "execution.ExchangeTimeout"
    assert [(frame["file"], frame["line"], frame["name"]) for frame in exception["frames"]] == [
        ("execution.py", 64, "submit"),
        ("app.py", 3, "main"),
    ]
    assert exception["stacktrace"] == CHAINED
    assert shown["events"] == [
        {"name": "retry", "offset": 3 * MILLISECOND, "attributes": {"attempt": "2"}}
    ]


def test_text_without_frames_has_none() -> None:
    assert parse_frames("") == []
    assert parse_frames("ValueError: no traceback was taken") == []


def test_links_lead_to_other_traces() -> None:
    shown = describe_span(make_span("a", links=[SpanLink("f" * 32, "e" * 16, {"why": "order"})]))
    assert shown["links"] == [
        {"trace_id": "f" * 32, "span_id": "e" * 16, "attributes": {"why": "order"}}
    ]


def test_start_is_exact_to_the_nanosecond() -> None:
    assert describe_span(make_span("a"))["start"] == str(NOON)


def test_values_are_shown_as_text() -> None:
    assert show_value(b"\x01\xff") == "01 ff"
    assert show_value([1, 2]) == "[1, 2]"
    assert show_value(True) == "True"
    assert show_value(0.5) == "0.5"


def test_a_call_whose_process_died_says_of_what() -> None:
    span = make_span(
        "a",
        status="ERROR",
        status_message="process ended while running",
        attributes={"tradespan.death.cause": "SIGSEGV"},
    )
    assert describe_span(span)["status_message"] == "process ended while running: SIGSEGV"
