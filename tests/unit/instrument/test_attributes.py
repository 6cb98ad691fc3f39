"""What is hidden of attributes that are set through OpenTelemetry's API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.trace import Link, SpanContext, StatusCode, TraceFlags

from tests.support.captured import Captured
from tradespan.capture.attributes import (
    clean_attribute,
    clean_attributes,
    clean_description,
    clean_value,
)
from tradespan.capture.redact import configure_redaction


@pytest.fixture
def defaults() -> Iterator[None]:
    yield
    configure_redaction()


@pytest.mark.parametrize(
    ("key", "value", "kept"),
    [
        ("symbol", "BTC-USDT", "BTC-USDT"),
        ("quantity", 1.5, 1.5),
        ("retry", 0, 0),
        ("live", True, True),
        ("api_key", "abc", "***"),
        ("exchange.apiSecret", 7, "***"),
        ("http.request.header.authorization", ["Bearer x"], "***"),
        ("url.full", "https://a:b@host/?signature=1&x=2", "https://a:***@host/?signature=***&x=2"),
        ("headers", {"X-MBX-APIKEY": "a", "Host": "h"}, {"X-MBX-APIKEY": "***", "Host": "h"}),
        ("lines", ["token=a", "b"], ["token=***", "b"]),
        ("nested", [{"a": [{"password": "x", "b": ("secret=1",)}]}],
         [{"a": [{"password": "***", "b": ["secret=***"]}]}]),
        ("trading.session", "open", "open"),
        ("author", "Ann", "Ann"),
        ("llm.tokens_per_minute", 5, 5),
    ],
)  # fmt: skip
def test_attributes_are_redacted_by_name_and_by_look(key: str, value: Any, kept: Any) -> None:
    for _ in range(2):  # the second time by what is remembered
        assert clean_attribute(key, value, None) == kept
    assert clean_attributes({key: value}, None, None) == ({key: kept}, 0)


def test_a_text_is_cut_to_the_limit_without_a_mark_and_without_half_a_secret() -> None:
    assert clean_attribute("note", "abcdef", 3) == "abc"
    assert clean_attribute("note", "abcdef", None) == "abcdef"
    assert clean_attribute("note", "abcdef", 3) == "abc"
    assert clean_value("ok https://bob:hunter2@host/", 19) == "ok https://bob:***@"[:19]


def test_settings_reach_keys_that_were_judged_before(defaults: None) -> None:
    assert clean_attribute("desk", "A", None) == "A"
    configure_redaction(names=["desk"])
    assert clean_attribute("desk", "A", None) == "***"


def test_attributes_of_a_spans_start_its_events_and_links_are_redacted(captured: Captured) -> None:
    link = Link(SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(1)), {"token": "S3CRET"})
    with captured.tracer.start_as_current_span(
        "order", attributes={"password": "S3CRET"}, links=[link]
    ) as span:
        span.add_event("login", {"api_key": "S3CRET", "url": "https://a:S3CRET@host"})
        span.record_exception(ValueError("x"), {"secret": "S3CRET"})
    assert "S3CRET" not in repr(captured.one("order").record)


def test_a_description_is_redacted() -> None:
    assert clean_description("refused: api_key=abc") == "refused: api_key=***"
    assert clean_description(7) == "7"


def test_attributes_set_later_and_descriptions_of_a_status_are_redacted(captured: Captured) -> None:
    span = captured.tracer.start_span("login")
    span.set_attribute("api_key", "S3CRET")
    span.set_attributes({"note": "password=S3CRET", "symbol": "BTC-USDT"})
    span.set_status(StatusCode.ERROR, "refused: password=S3CRET")
    span.end()
    recorded = captured.one()
    assert "S3CRET" not in repr(recorded.record)
    assert recorded.own == {"api_key": "***", "note": "password=***", "symbol": "BTC-USDT"}
    assert recorded.record.status_message == "refused: password=***"
