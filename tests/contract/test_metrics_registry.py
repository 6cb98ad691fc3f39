"""`MetricsRegistry` in processes of their own: under a run, killed, forked, unconfigured."""

from __future__ import annotations

import json
import re
import signal
from urllib.request import urlopen

from tests.contract.desk import Desk, eventually
from tests.contract.test_metrics_export import OFTEN
from tests.contract.test_receiver_down import free_port
from tests.support.metrics import read_points, total
from tests.support.receiver import Receiver

ENGINE = """
    import sys
    from tradespan import metrics

    metrics.info("bot", {"strategy": "momentum", "version": "2.1"})
    metrics.trades_total.inc(3, labels={"symbol": "AAPL"})
    metrics.portfolio_value.set(100_000)
    metrics.cycle_duration.observe(0.7)
    waits = metrics.summary("wait_seconds", quantiles=(0.5,))
    waits.observe(2.0)
    queue = metrics.gauge("queue_length")
    metrics.register_callback(lambda: queue.set(12))
    print("ready", flush=True)
    sys.stdin.read()
    """
SHOWN = (
    r'live_trading_bot_info\{.*strategy="momentum".*\} 1',
    r'live_trading_trades_total\{.*symbol="AAPL".*\} 3',
    r"live_trading_portfolio_value_usd(\{.*\})? 100000",
    r'live_trading_cycle_duration_seconds_bucket\{.*le="1(\.0)?".*\} 1',
    r'live_trading_wait_seconds\{.*quantile="0\.5".*\} 2',
    r"live_trading_queue_length(\{.*\})? 12",
)
PLAIN = """
    import json
    from tradespan import metrics

    metrics.cycles_total.inc()
    metrics.daily_pnl.set(-12.5, labels={"account": "paper"})
    print(json.dumps(metrics.to_dict()))
    """
CHILDREN = """
    import os
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context
    from tradespan import metrics


    def work(number):
        metrics.decisions_total.inc(number, labels={"strategy": "momentum"})
        return os.getpid()


    if __name__ == "__main__":
        work(5)
        with ProcessPoolExecutor(2, get_context("fork")) as pool:
            list(pool.map(work, [10] * 8))
        os.kill(os.getpid(), 9)
    """
BOTH = """
    import tradespan
    from tradespan.declare.instruments import TRADING_CYCLES
    from tradespan.signals.metrics.registry import from_declaration

    desk = tradespan.MetricsRegistry(prefix="desk")
    desk.cycles_total.inc(labels={"strategy": "momentum"})
    from_declaration(TRADING_CYCLES).labels(trading_strategy="momentum").add(4)
    """


def read_page(port: int) -> str:
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text: str = answer.read().decode()
    except OSError:
        return ""
    return text


def test_prometheus_is_shown_the_documents_names(desk: Desk) -> None:
    port = free_port()
    environment = {**OFTEN, "TRADESPAN_METRICS_PORT": str(port)}
    run = desk.start_run(desk.write("bot.py", ENGINE), environment=environment)
    assert run.line() == "ready"
    for pattern in SHOWN:
        eventually(lambda: re.search(rf"^{pattern}", read_page(port), re.MULTILINE), pattern)  # noqa: B023
    assert run.end().status == 0


def test_it_counts_without_being_configured(desk: Desk) -> None:
    ended = desk.python(desk.write("bot.py", PLAIN))
    assert json.loads(ended.out) == {
        "live_trading_cycles_total": 1,
        'live_trading_daily_pnl_usd{account="paper"}': -12.5,
    }
    assert not desk.root.exists()


def test_what_forked_children_count_adds_up_whoever_is_killed(
    desk: Desk, receiver: Receiver
) -> None:
    bot = desk.write("bot.py", CHILDREN)
    ended = desk.run("--endpoint", receiver.address, bot, environment=OFTEN)
    assert ended.status == 128 + signal.SIGKILL
    assert total(read_points(receiver), "live_trading_decisions_total") == 85


def test_one_fact_arrives_under_one_name(desk: Desk, receiver: Receiver) -> None:
    desk.run("--endpoint", receiver.address, desk.write("bot.py", BOTH), environment=OFTEN)
    points = read_points(receiver)
    assert total(points, "desk_cycles_total") == 5
    assert not [point for point in points if point.name == "trading.cycles"]
    labels = {tuple(p.labels.items()) for p in points if p.name == "desk_cycles_total"}
    assert labels == {(("strategy", "momentum"),)}
