"""The demo fills sets by its settings file alone; one run, looked at through the receiver."""

from __future__ import annotations

import json
import re
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.contract.desk import Desk, Ended
from tests.contract.test_receiver_down import free_port
from tests.support.metrics import ReceivedPoint, read_points
from tests.support.receiver import Receiver
from tradespan.cli.demo import find_examples
from tradespan.pages.readings import read_metric_pages

EXAMPLES = find_examples()
assert EXAMPLES is not None
SETTINGS = EXAMPLES / "momentum_bot" / "tradespan.toml"


@dataclass
class Demo:
    """What a run of the demo left behind."""

    desk: Desk
    ended: Ended
    spans: Counter[str]
    """By function."""
    points: list[ReceivedPoint]
    events: Counter[str]
    lines: list[Any] = field(repr=False)

    def total(self, name: str, **labels: str) -> float:
        """The last values of an instrument in the bot, added up; of a histogram the count."""
        wanted = {key.replace("_", "."): value for key, value in labels.items()}
        last = {
            point.series: point.value
            for point in sorted(self.points, key=lambda point: point.time)
            if point.name == name and point.has_value and wanted.items() <= point.labels.items()
        }
        return sum(last.values())

    def names(self) -> set[str]:
        return {point.name for point in self.points}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    desk = Desk(tmp_path_factory.mktemp("demo"))
    with Receiver() as receiver:
        words = ("--for", "5", "--no-ui", "--root", desk.root, "--endpoint", receiver.address)
        often = {"OTEL_METRIC_EXPORT_INTERVAL": "500"}
        ended = desk.tradespan("demo", *words, environment=often)
        lines = receiver.taken("logs")
        spans = Counter(
            str(span.attributes.get("code.function.name")).rpartition(".")[2]
            for span in receiver.spans
        )
        events = Counter(line.event_name for line in lines if line.event_name)
        yield Demo(desk, ended, spans, read_points(receiver), events, lines)
    desk.close()


def test_cycles_and_decisions_are_the_calls_that_mean_them(demo: Demo) -> None:
    assert demo.ended.status == 0, demo.ended.err
    assert demo.spans["on_tick"] > 20
    assert demo.total("trading.cycles") == demo.spans["on_tick"]
    assert demo.total("trading.cycle.duration") == demo.spans["on_tick"]
    assert demo.total("trading.decisions") == demo.spans["decide"]
    assert demo.total("trading.errors") == demo.spans["record_error"]


def test_orders_are_the_calls_that_mean_them(demo: Demo) -> None:
    assert demo.spans["submit"] >= 1
    assert demo.total("trading.orders.submitted", trading_venue="DEMO") == demo.spans["submit"]
    assert demo.total("trading.orders.fills") == demo.spans["on_fill"]
    assert demo.total("trading.orders.rejected") == demo.spans["on_reject"]
    assert demo.total("trading.orders.cancelled") == demo.spans["on_cancelled"]
    assert demo.total("trading.orders.acknowledged") == demo.spans["on_acknowledgement"]
    answers = demo.spans["on_acknowledgement"] + demo.spans["on_reject"]
    assert demo.total("trading.order.response_time") == answers
    if demo.spans["on_fill"]:
        assert demo.total("trading.trade.value", trading_currency="USD") > 0


def test_ids_are_no_labels(demo: Demo) -> None:
    labels = {name for point in demo.points for name in point.labels}
    assert not {name for name in labels if name.endswith(("client_id", "order.id"))}


def test_feed_and_exchange_tell_as_far_as_the_calls_do(demo: Demo) -> None:
    assert demo.total("trading.feed.updates") == demo.spans["normalise"]
    assert demo.total("trading.feed.latency") == demo.spans["normalise"]
    assert "trading.feed.staleness" in demo.names()
    assert demo.total("trading.exchange.connected", trading_venue="DEMO") == 1
    assert demo.total("trading.exchange.latency") == demo.spans["await_acknowledgement"]


def test_process_and_computer_are_told(demo: Demo) -> None:
    assert {
        "process.cpu.time", "process.memory.usage", "process.unix.file_descriptor.count",
        "system.cpu.load_average.1m", "cpython.gc.collections", "tradespan.event_loop.lag",
    } <= demo.names()  # fmt: skip


def test_an_account_is_told_in_its_currency(demo: Demo) -> None:
    values = [point for point in demo.points if point.name == "trading.portfolio.value"]
    assert {point.labels["trading.currency"] for point in values} == {"USD"}


def test_each_mapped_call_is_an_event(demo: Demo) -> None:
    assert demo.events["trading.cycle.started"] == demo.spans["on_tick"]
    assert demo.events["trading.cycle.ended"] == demo.spans["on_tick"]
    assert demo.events["trading.decision.made"] == demo.spans["decide"]
    assert demo.events["trading.order.submitted"] == demo.spans["submit"]
    assert demo.events["trading.order.filled"] == demo.spans["on_fill"]
    assert demo.events["trading.connection.opened"] >= 1


def test_an_events_trace_is_the_calls(demo: Demo) -> None:
    submitted = [line for line in demo.lines if line.event_name == "trading.order.submitted"]
    assert all(len(line.trace_id) == 16 and any(line.span_id) for line in submitted)


def test_map_check_tells_what_each_table_found(demo: Demo) -> None:
    words = ("--root", demo.desk.root, "--config", SETTINGS, "--json")
    checked = demo.desk.tradespan("map", "check", *words)
    tables = [json.loads(line) for line in checked.out.splitlines()]
    found = {table["signal"]: table for table in tables}
    cycle = found["cycle"]
    assert cycle["calls"] == demo.spans["on_tick"]
    assert cycle["events"] == ["CYCLE_START", "CYCLE_END"]
    assert cycle["instruments"] == ["trading.cycles", "trading.cycle.duration"]
    assert {each["attribute"]: each["found"] for each in cycle["fields"]} == dict.fromkeys(
        ("trading.strategy", "trading.symbol", "trading.event_time"), demo.spans["on_tick"]
    )
    assert cycle["fields"][0]["example"] == "momentum"
    idle = [table for table in tables if not table["calls"]]
    assert checked.status == (1 if idle else 0)


def test_map_check_names_a_table_that_found_nothing_and_what_it_may_mean(demo: Demo) -> None:
    settings = demo.desk.write(
        "wrong.toml",
        r"""
        [[map]]
        function = 'momentum_bot\.strategy\.MomentumStrategy\.decides'
        signal = "decision"
        """,
    )
    words = ("--root", demo.desk.root, "--config", settings)
    checked = demo.desk.tradespan("map", "check", *words)
    assert checked.status == 1
    told = " ".join(checked.out.split())
    assert "no call of a watched function; called were:" in told
    assert "MomentumStrategy.decide" in told


def test_spans_events_and_points_are_as_the_conventions_have_them(desk: Desk) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"  # so that the events stay in the spool
    words = ("--for", "3", "--no-ui", "--root", desk.root, "--endpoint", nobody)
    desk.tradespan("demo", *words)
    checked = desk.tradespan("conventions", "live", "--root", desk.root)
    assert checked.status == 0, checked.out
    assert re.search(r"[1-9]\d* log lines", checked.out)
    assert "nothing deviates" in checked.out


def test_calls_that_sampling_passes_over_count_and_a_kill_takes_none(desk: Desk) -> None:
    bot = desk.write(
        "bot.py",
        """
        import os
        import signal


        def place(symbol):
            return symbol


        for number in range(1_000):
            place("AAPL")
        os.kill(os.getpid(), signal.SIGKILL)
        """,
    )
    desk.write(
        "tradespan.toml",
        r"""
        [[instrument]]
        pattern = 'bot\.place'
        sample_rate = 0.0

        [[map]]
        function = 'bot\.place'
        signal = "order.submitted"
        events = false
        [map.fields]
        "trading.symbol" = "args.symbol"
        """,
    )
    ended = desk.run(bot)
    assert ended.status == 128 + signal.SIGKILL, ended.err
    assert desk.stored_names() == []
    checked = desk.tradespan("map", "check", "--root", desk.root, "--json")
    (table,) = map(json.loads, checked.out.splitlines())
    assert checked.status == 0, checked.err
    assert (table["calls"], table["fields"][0]["found"], table["events"]) == (1_000, 1_000, [])
    (reading,) = [
        each
        for page in read_metric_pages(desk.folder_of_run.metric_pages)
        for each in page.numbers
        if each.series.name == "trading.orders.submitted"
    ]
    assert reading.value == 1_000
