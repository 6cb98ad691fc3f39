from __future__ import annotations

import io

from tests.unit.sinks.builders import make_batch, make_span
from tradespan.core.delivery import Accepted
from tradespan.sinks.console import ConsoleSink


def printed(**facts: object) -> str:
    stream = io.StringIO()
    assert ConsoleSink(stream).deliver(make_batch([make_span(1, **facts)])) == Accepted()
    (line,) = stream.getvalue().splitlines()
    return line


def test_a_span_is_a_line_with_time_duration_status_trace_name_and_values() -> None:
    line = printed(
        start=1_772_366_400_000_123_456,
        duration=2_500_000,
        flags=2,
        trace_id=bytes.fromhex("4bf92f3577b34da6a3ce929d0e0e4736"),
        attributes={"trading.order.side": "buy"},
        status_message="no answer",
    )
    assert line == (
        "12:00:00.000123      2.500 ms ERR 4bf92f35 momentum_bot.strategy.decide"
        " symbol=AAPL side=buy no answer"
    )


def test_a_span_of_a_lost_site_is_printed_by_its_own_name() -> None:
    assert printed(site=77, name="GET").endswith(" GET")


def test_what_would_break_the_line_or_the_terminal_is_escaped() -> None:
    line = printed(name="a\nb\x1b[2Jé\ud800", arguments=None)
    assert line.endswith(r" a\nb\x1b[2J\xe9\ud800")


def test_a_stream_that_is_closed_holds_nothing_up() -> None:
    stream = io.StringIO()
    stream.close()
    assert ConsoleSink(stream).deliver(make_batch(3)) == Accepted()


def test_spans_come_in_the_order_of_the_batch() -> None:
    stream = io.StringIO()
    spans = [make_span(number, name=f"n{number}", arguments=None) for number in (3, 1, 2)]
    ConsoleSink(stream).deliver(make_batch(spans))
    assert [line.rpartition(" ")[2] for line in stream.getvalue().splitlines()] == [
        "n3",
        "n1",
        "n2",
    ]
