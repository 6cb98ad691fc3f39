"""What was counted last in a run, and after it, is scraped and delivered all the same."""

from __future__ import annotations

import re
import signal
import urllib.request

import psutil

from tests.contract.desk import TRADESPAN, Desk, eventually
from tests.contract.test_metrics_export import BOT, OFTEN
from tests.contract.test_receiver_down import free_port
from tests.support.metrics import read_points, total
from tests.support.receiver import Receiver
from tradespan.pages.locks import is_held
from tradespan.spool.folder import READINGS, read_json


def test_last_counts_of_a_killed_run_are_scraped_after_it(desk: Desk) -> None:
    port = free_port()
    agent = desk.start(*TRADESPAN.split(), "agent", "--metrics-port", str(port), str(desk.root))
    agent.wait_for_err("metrics at http://")
    run = desk.start_run(desk.write("bot.py", BOT))
    run.line()
    run.say("4")
    run.line()
    (bot,) = psutil.Process(run.pid).children()
    bot.kill()
    assert run.end().status == 128 + signal.SIGKILL
    eventually(lambda: read_json(desk.folder_of_run.path / "drained.json"))

    def scraped() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            text: str = answer.read().decode()
            return text

    # An answer is good for a second: this one is of later than the end.
    eventually(lambda: "bot_value" not in scraped())
    text = scraped()
    assert re.search(
        r'^bot_trades_total\{job="bot",instance="[^"]+",side="sell"\} 8.0$', text, re.MULTILINE
    )
    assert re.search(r'^bot_latency_seconds_count\{job="bot".*\} 4$', text, re.MULTILINE)
    agent.send(signal.SIGTERM)
    assert agent.end().status == 0


OUTLIVED = """
    import os
    import sys
    import tradespan

    trades = tradespan.counter("bot.trades", unit="{trade}")
    trades.add(1)
    if os.fork() == 0:
        os.setsid()
        trades.add(2)
        print("counts", flush=True)
        sys.stdin.readline()
        trades.add(40)
        print("counted", flush=True)
        sys.stdin.readline()
        os._exit(0)
    sys.stdout.close()
    os._exit(0)
    """


def test_child_that_outlives_its_run_is_read_by_the_roots_agent_to_its_end(
    desk: Desk, receiver: Receiver
) -> None:
    agent = desk.start(*TRADESPAN.split(), "agent", str(desk.root), environment=OFTEN)
    agent.wait_for_err("forwarding what is recorded")
    run = desk.start_run("--endpoint", receiver.address, desk.write("bot.py", OUTLIVED))
    assert run.line() == "counts"
    eventually(lambda: read_json(desk.folder_of_run.path / "drained.json"))
    run.say("on")
    assert run.line() == "counted"
    eventually(lambda: total(read_points(receiver), "bot.trades") == 43)
    run.say("end")
    readings = desk.folder_of_run.path / READINGS
    eventually(lambda: all(w["finished"] for w in (read_json(readings) or {})["writers"].values()))
    eventually(lambda: (read_json(desk.folder_of_run.path / "drained.json") or {}).get("complete"))
    assert desk.folder_of_run.segments() == []
    assert total(read_points(receiver), "bot.trades") == 43
    agent.send(signal.SIGTERM)
    assert agent.end().status == 0
    assert run.end().status == 0


def test_what_a_child_counted_after_all_agents_were_gone_is_delivered_by_the_next(
    desk: Desk, receiver: Receiver
) -> None:
    run = desk.start_run("--endpoint", receiver.address, desk.write("bot.py", OUTLIVED))
    assert run.line() == "counts"
    eventually(lambda: read_json(desk.folder_of_run.path / "drained.json"))
    eventually(lambda: not is_held(desk.root / "agent.lock"))
    run.say("on")
    assert run.line() == "counted"
    run.say("end")
    assert run.end().status == 0
    pages = desk.folder_of_run.metric_pages()
    eventually(lambda: not any(map(is_held, pages)))
    assert total(read_points(receiver), "bot.trades") == 3

    ended = desk.tradespan("agent", "--once", desk.root)
    assert ended.status == 0
    assert total(read_points(receiver), "bot.trades") == 43
    assert desk.folder_of_run.segments() == []
    again = desk.tradespan("agent", "--once", desk.root)
    assert (again.status, "record" in again.err) == (0, False), again.err
