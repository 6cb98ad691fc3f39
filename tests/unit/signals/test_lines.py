"""What becomes of a log line on its way to disk."""

from __future__ import annotations

from pathlib import Path

from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

from tests.support.captured import CapturedLine, capture, read_lines
from tradespan.core.records import MAX_RECORD_BYTES, Lane
from tradespan.signals.lines import declare_scope, write_line
from tradespan.signals.slot import SIGNALS

NOW = 1_700_000_000_000_000_000
INFO, ERROR = 9, 17


def write(body: object = "hello", severity: int = INFO, **more: object) -> bool:
    return write_line(declare_scope("bot"), body, time=NOW, severity=severity, **more)  # type: ignore[arg-type]


def only(folder: Path) -> CapturedLine:
    (line,) = read_lines(folder)
    return line


def test_a_line_is_safe_when_it_was_written_with_scope_time_and_severity(tmp_path: Path) -> None:
    with capture(tmp_path):
        assert write(severity_text="INFO", attributes={"quantity": 5}, event_name="order_filled")
        line = only(tmp_path)
    assert (line.scope, line.record.time, line.lane) == ("bot", NOW, Lane.ORDINARY)
    assert (line.record.severity_number, line.record.severity_text) == (INFO, "INFO")
    assert line.record.attributes == {"quantity": 5}
    assert line.record.event_name == "order_filled"


def test_a_line_carries_the_current_span_of_whomever_made_it(tmp_path: Path) -> None:
    context = SpanContext(7 << 64, 9, is_remote=False, trace_flags=TraceFlags(1))
    with capture(tmp_path), use_span(NonRecordingSpan(context)):
        write()
    record = only(tmp_path).record
    assert record.trace_id == (7 << 64).to_bytes(16, "big")
    assert (record.span_id, record.trace_flags) == (9, 1)


def test_a_line_outside_of_any_span_has_no_ids(tmp_path: Path) -> None:
    with capture(tmp_path):
        write()
    assert (only(tmp_path).record.trace_id, only(tmp_path).record.span_id) == (b"", 0)


def test_errors_travel_in_the_error_lane_and_others_if_asked_to(tmp_path: Path) -> None:
    with capture(tmp_path):
        write("failed", ERROR)
        write("audit", INFO, lane=Lane.ERROR)
        write("ordinary", INFO)
    lanes = {line.record.body: line.lane for line in read_lines(tmp_path)}
    assert lanes == {"failed": Lane.ERROR, "audit": Lane.ERROR, "ordinary": Lane.ORDINARY}


def test_secrets_are_hidden_in_body_and_attributes(tmp_path: Path) -> None:
    with capture(tmp_path):
        write("password=hunter2", attributes={"api_key": "abc", "note": "token=xyzzy123"})
    record = only(tmp_path).record
    assert "hunter2" not in str(record)
    assert "xyzzy123" not in str(record)
    assert (record.attributes or {})["api_key"] == "***"


def test_a_line_over_a_mebibyte_is_cut_and_kept(tmp_path: Path) -> None:
    with capture(tmp_path):
        assert write("a" * (MAX_RECORD_BYTES + 1))
    body = only(tmp_path).record.body
    assert body.startswith("aaa")
    assert len(body) < MAX_RECORD_BYTES


def test_a_value_that_cannot_be_shown_costs_no_line(tmp_path: Path) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    with capture(tmp_path, strict=False):
        assert write("kept", attributes={"odd": Broken(), "lone": "\ud800"})
    assert only(tmp_path).record.body == "kept"


def test_without_a_place_to_record_in_nothing_is_written_and_nothing_raised() -> None:
    assert SIGNALS.spool is None
    assert not write()
