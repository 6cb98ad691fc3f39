"""The demo: bot → spool → agent → OTLP receiver and store. One run, looked at from all sides."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract.desk import Desk, Ended, ids
from tests.support.otlp import ReceivedSpan
from tests.support.receiver import Receiver

TICK = "momentum_bot.strategy.MomentumStrategy.on_tick"
SUBMIT = "momentum_bot.execution.Execution.submit"
ACKNOWLEDGED = "momentum_bot.execution.Execution.on_acknowledgement"
FILL = "momentum_bot.execution.Execution.on_fill"


@dataclass(frozen=True)
class Demo:
    """What a run of the demo left behind."""

    desk: Desk
    ended: Ended
    received: list[ReceivedSpan]
    address: str

    def spans_of(self, function: str) -> list[ReceivedSpan]:
        return [
            span for span in self.received if span.attributes.get("code.function.name") == function
        ]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    desk = Desk(tmp_path_factory.mktemp("demo"))
    with Receiver() as receiver:
        words = ("--for", "4", "--no-ui", "--root", desk.root, "--endpoint", receiver.address)
        ended = desk.tradespan("demo", *words)
        yield Demo(desk, ended, receiver.spans, receiver.address)
    desk.close()


def test_ends_with_0_and_a_summary(demo: Demo) -> None:
    assert demo.ended.status == 0, demo.ended.err
    spans = len(demo.desk.stored())
    found = re.search(
        r"([\d,]+) spans in [\d,]+ traces · ([\d,]+) orders · ([\d,]+) fills · [\d,]+ errors",
        demo.ended.out,
    )
    assert found is not None, demo.ended.out
    assert int(found[1].replace(",", "")) == spans
    assert int(found[2]) >= 1
    assert int(found[3]) >= 1
    # Spans go to the store and the receiver, what the demo logs to a file and the receiver, the
    # agent's readings of metrics to the receiver.
    _, store, log_file, receiver, again = demo.ended.out.splitlines()
    assert store == f"{spans:,} spans in the store {demo.desk.store}"
    lines = re.fullmatch(r"([\d,]+ log lines?) in (.+\.jsonl)", log_file)
    assert lines is not None, demo.ended.out
    assert Path(lines[2]).is_relative_to(demo.desk.root)
    assert re.fullmatch(
        rf"{spans:,} spans, {lines[1]}, [\d,]+ readings? of metrics at {demo.address}", receiver
    )
    assert again.startswith("look again: ")


def test_bot_itself_says_what_it_says_without_tradespan(demo: Demo) -> None:
    told = [line for line in demo.ended.err.splitlines() if line.startswith("tradespan:")]
    assert told == []


def test_tells_where_its_metrics_can_be_scraped(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    ended = desk.tradespan("demo", "--for", "1", "--no-ui", "--metrics-port", port)
    assert ended.status == 0, ended.err
    assert f"tradespan: metrics at http://127.0.0.1:{port}/metrics\n" in ended.err


def test_every_span_arrives_once_at_receiver_and_store(demo: Demo) -> None:
    received = ids(demo.received)
    assert len(received) > 100
    assert len(set(received)) == len(received)
    assert ids(demo.desk.stored()) == received


def test_every_parent_exists_in_its_trace(demo: Demo) -> None:
    known = {(span.trace_id, span.span_id) for span in demo.received}
    orphans = [
        span
        for span in demo.received
        if span.parent_id and (span.trace_id, span.parent_id) not in known
    ]
    assert orphans == []


def test_one_trace_leads_from_the_tick_to_the_fill(demo: Demo) -> None:
    spans = {(span.trace_id, span.span_id): span for span in demo.received}
    assert demo.spans_of(FILL)
    for fill in demo.spans_of(FILL):
        order = fill.attributes["trading.order.client_id"]
        (submit,) = (
            span
            for span in demo.spans_of(SUBMIT)
            if span.attributes["trading.order.client_id"] == order
        )
        (acknowledged,) = (
            span
            for span in demo.spans_of(ACKNOWLEDGED)
            if span.attributes["trading.order.client_id"] == order
        )
        assert {fill.trace_id, acknowledged.trace_id} == {submit.trace_id}
        for span in (fill, acknowledged, submit):
            assert chain_to_root(span, spans)[-1] == TICK
        assert submit.start <= acknowledged.start <= fill.start


def test_the_connection_to_the_exchange_is_told(demo: Demo) -> None:
    told = [span for span in demo.received if span.name == "websocket connect"]
    assert told
    assert {span.attributes["server.address"] for span in told} == {"127.0.0.1"}


def test_maps_of_the_settings_file_become_attributes(demo: Demo) -> None:
    submit = demo.spans_of(SUBMIT)[0].attributes
    assert submit["tradespan.signal"] == "order.submitted"
    assert submit["trading.strategy"] == "momentum"
    assert submit["trading.venue"] == "DEMO"
    assert submit["trading.order.side"] in {"buy", "sell"}
    assert submit["trading.order.quantity"] > 0
    assert submit["trading.order.price"] > 0
    fill = demo.spans_of(FILL)[0].attributes
    assert fill["tradespan.signal"] == "order.filled"
    assert fill["trading.order.status"] in {"filled", "partially_filled"}
    assert 0 < fill["trading.execution.quantity"] <= submit["trading.order.quantity"] * 1_000
    assert fill["trading.event_time"] > 1_500_000_000 * 10**9
    assert demo.spans_of(TICK)[0].attributes["tradespan.signal"] == "cycle"


def test_resource_tells_who_recorded(demo: Demo) -> None:
    resources = [span.resource for span in demo.received]
    assert {each["service.name"] for each in resources} == {"momentum-bot"}
    assert {each["trading.mode"] for each in resources} == {"paper"}
    (instance,) = {each["service.instance.id"] for each in resources}
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", instance)


def test_nothing_stays_in_the_spool(demo: Demo) -> None:
    assert demo.desk.folder_of_run.segments() == []
    drained = demo.desk.folder_of_run.drained
    assert drained is not None
    assert drained["complete"] is True


def chain_to_root(span: ReceivedSpan, spans: dict[tuple[str, str], ReceivedSpan]) -> list[str]:
    """Functions from the span up to its root."""
    chain = [span]
    while chain[-1].parent_id:
        chain.append(spans[chain[-1].trace_id, chain[-1].parent_id])
    return [each.attributes["code.function.name"] for each in chain]
