"""An engine that reports by hooks, as real processes: what arrives is what it says it did."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.contract.desk import Desk, Ended
from tests.contract.test_receiver_down import free_port
from tests.support.metrics import ReceivedPoint, read_points
from tests.support.otlp import decode_attributes, decode_value
from tests.support.receiver import Receiver
from tradespan.cli.demo import find_examples

EXAMPLES = find_examples()
assert EXAMPLES is not None
ENGINE = ("-m", "instrumented_engine", "--pace", "0", "--bars", "300", "--loss-limit", "120")
SEED = ("--seed", "7")


@dataclass
class Line:
    """A log record that arrived, or an event."""

    event: str
    body: Any
    attributes: dict[str, Any]
    trace_id: bytes
    span_id: bytes


@dataclass
class Run:
    """What a run of the engine said, and what arrived of it."""

    ended: Ended
    spans: list[Any] = field(repr=False)
    points: list[ReceivedPoint] = field(repr=False)
    lines: list[Line] = field(repr=False)

    @property
    def said(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.ended.out)
        return told

    def total(self, name: str, **labels: str) -> float:
        """The last values of an instrument, added up; of a histogram the count."""
        wanted = {f"trading.{key.replace('_', '.')}": value for key, value in labels.items()}
        last = {
            point.series: point.value
            for point in sorted(self.points, key=lambda point: point.time)
            if point.name == name and point.has_value and wanted.items() <= point.labels.items()
        }
        return sum(last.values())

    def events(self, name: str) -> list[Line]:
        return [line for line in self.lines if line.event == name]


@pytest.fixture(scope="module", params=["in code", "under run"])
def run(tmp_path_factory: pytest.TempPathFactory, request: Any) -> Iterator[Run]:
    desk = Desk(tmp_path_factory.mktemp("engine"))
    with Receiver() as receiver:
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.address,
            "PYTHONPATH": str(EXAMPLES),
            "TRADESPAN_MODE": "backtest",
        }
        if request.param == "in code":
            words = (*ENGINE, *SEED, "--record")
            ended = desk.python(*words, environment=environment)
        else:
            ended = desk.run("--no-ui", *ENGINE, *SEED, environment=environment)
        lines = [
            Line(
                each.event_name,
                decode_value(each.body),
                decode_attributes(each.attributes),
                each.trace_id,
                each.span_id,
            )
            for each in receiver.taken("logs")
        ]
        yield Run(ended, list(receiver.spans), read_points(receiver), lines)
    desk.close()


def test_each_cycle_is_a_span_with_its_number(run: Run) -> None:
    assert run.ended.status == 0, run.ended.err
    said = run.said
    assert said["cycles"] > 100
    cycles = [span for span in run.spans if span.name == "cycle"]
    numbers = sorted(span.attributes["trading.cycle.number"] for span in cycles)
    assert numbers == list(range(1, said["cycles"] + 1))
    assert {span.attributes["trading.strategy"] for span in cycles} == {"pairs"}
    roots = {span.span_id for span in cycles}
    sent = [span for span in run.spans if span.name.endswith("PaperBroker.send")]
    assert len(sent) == said["submitted"]
    assert {span.parent_id for span in sent} <= roots


def test_counters_are_what_the_engine_itself_counted(run: Run) -> None:
    said = run.said
    assert run.total("trading.cycles") == said["cycles"]
    assert run.total("trading.cycle.duration") == said["cycles"]
    assert run.total("trading.errors") == said["failed cycles"] > 0
    outcomes = {
        key.removeprefix("decisions "): count
        for key, count in said.items()
        if key.startswith("decisions ")
    }
    assert {"TRADE", "HOLD"} <= outcomes.keys()
    for outcome, count in outcomes.items():
        assert run.total("trading.decisions", decision_outcome=outcome) == count
    assert run.total("trading.trades") == outcomes["TRADE"]
    assert run.total("trading.trades", symbol="GOLD") == outcomes["TRADE"]
    assert run.total("trading.orders.submitted") == said["submitted"]
    assert run.total("trading.orders.filled") == said["filled"] > 0
    assert run.total("trading.orders.rejected") == said["rejected"] > 0
    assert run.total("trading.feed.updates") == 2 * (said["cycles"] - said["failed cycles"])
    assert run.total("trading.agent.predictions") == said["predictions"]
    for agent, right in said["right"].items():
        judged = run.total("trading.agent.outcomes", agent_name=agent)
        found = {
            point.labels["trading.agent.prediction.correct"]: point.value
            for point in sorted(run.points, key=lambda point: point.time)
            if point.name == "trading.agent.outcomes"
            and point.labels["trading.agent.name"] == agent
        }
        assert found["true"] == right
        assert run.total("trading.agent.accuracy", agent_name=agent) == right / judged
    for gauge in ("consensus", "brier_score", "calibration.error", "accuracy.recent"):
        assert run.total(f"trading.agent.{gauge}") > 0
    values = {point.value for point in run.points if point.name == "trading.portfolio.value"}
    assert values


def test_a_cycle_that_raises_ends_with_its_duration(run: Run) -> None:
    said = run.said
    started, ended = run.events("trading.cycle.started"), run.events("trading.cycle.ended")
    assert len(started) == len(ended) == said["cycles"]
    assert all(line.attributes["trading.cycle.duration"] > 0 for line in ended)
    failed = [line for line in ended if "error.type" in line.attributes]
    assert len(failed) == said["failed cycles"]
    assert {line.attributes["error.type"] for line in failed} == {"BadTick"}
    spans = {bytes.fromhex(span.span_id): span for span in run.spans}
    for line in failed:
        assert spans[line.span_id].status_code == 2
    assert run.total("trading.cycles") == said["cycles"]


def test_events_stand_in_the_trace_of_their_cycle(run: Run) -> None:
    said = run.said
    counts = Counter(line.event for line in run.lines if line.event)
    assert counts["trading.decision.made"] == said["cycles"] - said["failed cycles"]
    assert counts["trading.order.submitted"] == said["submitted"]
    assert counts["trading.order.filled"] == said["filled"]
    assert counts["trading.order.rejected"] == said["rejected"]
    assert counts["trading.error"] == said["failed cycles"]
    assert counts["trading.engine.started"] == counts["trading.engine.stopped"] == 1
    assert counts["trading.kill_switch.triggered"] == 1
    traces = {bytes.fromhex(span.trace_id) for span in run.spans if span.name == "cycle"}
    for name in ("trading.cycle.started", "trading.decision.made", "trading.order.filled"):
        assert all(line.trace_id in traces for line in run.events(name))
    times = {line.attributes["trading.event_time"] for line in run.events("trading.decision.made")}
    assert len(times) == counts["trading.decision.made"]


def test_log_lines_have_the_trace_of_their_cycle(run: Run) -> None:
    told = [line for line in run.lines if str(line.body).startswith("trading the spread")]
    assert len(told) == run.said["decisions TRADE"]
    traces = {bytes.fromhex(span.trace_id) for span in run.spans if span.name == "cycle"}
    assert all(line.trace_id in traces for line in told)


def test_what_it_records_is_as_the_conventions_have_it(desk: Desk) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"  # so that the events stay in the spool
    environment = {"PYTHONPATH": str(EXAMPLES), "TRADESPAN_MODE": "backtest"}
    words = ("--no-ui", "--endpoint", nobody, *ENGINE, *SEED)
    ended = desk.run(*words, environment=environment)
    assert ended.status == 0, ended.err
    checked = desk.tradespan("conventions", "live", "--root", desk.root, "--json")
    told = json.loads(checked.out)
    assert told["findings"] == []
    assert told["looked_at"]["span"] > 100
    assert told["looked_at"]["log"] > 100
    assert told["looked_at"]["metric"] > 20
    assert checked.status == 0


def test_without_configuring_the_engine_is_the_same_and_leaves_nothing(
    desk: Desk, run: Run
) -> None:
    plain = desk.python(*ENGINE, *SEED, environment={"PYTHONPATH": str(EXAMPLES)})
    assert (plain.status, json.loads(plain.out)) == (0, run.said)
    assert set(plain.err.splitlines()) == {"order refused"}  # its own
    disabled = desk.python(
        *ENGINE, *SEED, "--record",
        environment={"PYTHONPATH": str(EXAMPLES), "TRADESPAN_DISABLED": "1"},
    )  # fmt: skip
    assert (disabled.status, disabled.out, disabled.err) == (0, plain.out, plain.err)
    assert not (desk.folder / "state").exists()


AT_THE_END = """
    import atexit
    import threading
    import os

    import tradespan
    from tradespan.engine_hooks import (
        cycle, decision, on_engine_start, on_engine_stop, on_error, on_kill_switch, on_portfolio,
        on_quote, on_trade,
    )


    def all_of_them():
        with cycle(strategy="s") as c:
            decision("TRADE", symbol="A")
            on_trade("submitted", symbol="A", side="buy", client_id="C")
            on_trade("filled", client_id="C", quantity=1, price=2, currency="USD")
            on_error(ValueError("x"), context={"a": 1})
            on_engine_start()
            on_engine_stop("x")
            on_kill_switch("x", 1, 2)
            on_quote("A")
            on_portfolio(currency="USD", value=1)
        assert c.seconds is not None


    class Late:
        def __del__(self):
            all_of_them()


    late = Late()
    late.itself = late
    all_of_them()  # before configure()
    atexit.register(all_of_them)  # runs after tradespan's own end
    tradespan.configure(service="ends", root="root", forwarder="external")
    all_of_them()
    if (child := os.fork()) == 0:
        all_of_them()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    stuck = cycle()
    stuck.__enter__()  # never left
    tradespan.shutdown()
    all_of_them()  # after shutdown()
    threading.Thread(target=lambda: [all_of_them() for _ in range(10_000_000)], daemon=True).start()
    print("done")
    """


def test_hooks_are_safe_at_every_moment_of_a_processs_life(desk: Desk) -> None:
    desk.write("ends.py", AT_THE_END)
    ended = desk.python("ends.py")
    assert (ended.status, ended.out, ended.err) == (0, "done\n", "")
    # Of the configured process, of its child, and the one that was never left.
    assert desk.tradespan("agent", "--once", "root").status == 0
    assert desk.stored_names().count("cycle") == 3
