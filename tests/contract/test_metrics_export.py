"""What programs count is what a receiver has, whoever dies in between."""

from __future__ import annotations

import re
import signal
import socket
import urllib.request
from contextlib import suppress
from functools import partial
from itertools import pairwise

import psutil
import pytest

from tests.contract.desk import Desk, eventually
from tests.contract.test_receiver_down import free_port
from tests.support.metrics import ReceivedPoint, last_values, read_points, total
from tests.support.receiver import Receiver
from tradespan.spool.folder import READINGS, read_json
from tradespan.spool.names import AGENTS

OFTEN = {"OTEL_METRIC_EXPORT_INTERVAL": "100"}
"""Milliseconds."""
BOT = """
    import sys
    import tradespan

    trades = tradespan.counter("bot.trades", unit="{trade}", labels=("side",))
    buys, sells = trades.labels(side="buy"), trades.labels(side="sell")
    value = tradespan.gauge("bot.value", unit="{currency}")
    latency = tradespan.histogram("bot.latency", unit="s", bounds=(0.1, 0.5))
    print("ready", flush=True)
    for line in sys.stdin:
        for number in range(int(line)):
            buys.add(1)
            sells.add(2)
            latency.record(0.2)
        value.set(buys.value)
        print(buys.value, sells.value, flush=True)
    print("ends", flush=True)
    """


def counted(points: list[ReceivedPoint]) -> tuple[float, float]:
    return total(points, "bot.trades"), total(points, "bot.latency")


def series_of(points: list[ReceivedPoint], name: str) -> dict[str, list[ReceivedPoint]]:
    """Instance → the points of this name, by time."""
    found: dict[str, list[ReceivedPoint]] = {}
    for point in sorted(points, key=lambda point: point.time):
        if point.name == name:
            found.setdefault(point.instance, []).append(point)
    return found


def test_last_values_are_what_the_program_counted(desk: Desk, receiver: Receiver) -> None:
    bot = desk.write("bot.py", BOT)
    run = desk.start_run("--endpoint", receiver.address, bot, environment=OFTEN)
    assert run.line() == "ready"
    run.say("10")
    assert run.line() == "10.0 20.0"
    eventually(lambda: counted(read_points(receiver)) == (30, 10))
    run.say("7")
    run.line()
    assert run.end().status == 0

    points = read_points(receiver)
    assert counted(points) == (51, 17)
    sells = [point for point in points if point.labels == {"side": "sell"}]
    (trades,) = series_of(sells, "bot.trades").values()
    assert (trades[0].value, trades[0].time, trades[0].kind) == (0, trades[0].start, "counter")
    assert [point.value for point in trades] == sorted(point.value for point in trades)
    assert len({point.start for point in trades}) == 1
    (latency,) = series_of(points, "bot.latency").values()
    assert (latency[-1].counts, latency[-1].bounds) == ((0, 17, 0), (0.1, 0.5))
    assert latency[-1].sum == pytest.approx(3.4)
    (value,) = series_of(points, "bot.value").values()
    assert [value[-2].value, value[-2].has_value, value[-1].has_value] == [17, True, False]
    assert value[-1].time - value[-2].time == 1_000_000
    assert desk.folder_of_run.drained is not None
    assert desk.folder_of_run.drained["complete"]
    assert all(not sink["unaccounted"] for sink in desk.folder_of_run.drained["sinks"].values())


def test_resource_and_agents_own_metrics(desk: Desk, receiver: Receiver) -> None:
    bot = desk.write("bot.py", BOT)
    words = ("--endpoint", receiver.address, "--service", "desk", "--mode", "paper")
    run = desk.start_run(*words, bot, environment=OFTEN)
    run.line()
    run.say("1")
    run.line()
    names = {"tradespan.agent.heartbeat", "tradespan.spool.records", "bot.trades"}
    eventually(lambda: names <= {point.name for point in read_points(receiver)})
    run.end()

    points = read_points(receiver)
    resource = next(point.resource for point in points if point.name == "bot.trades")
    assert (resource["service.name"], resource["trading.mode"]) == ("desk", "paper")
    beats = [point for point in points if point.name == "tradespan.agent.heartbeat"]
    assert {beat.service for beat in beats} == {"tradespan-agent"}
    assert beats[0].value == pytest.approx(beats[0].time / 1e9)
    assert not beats[-1].has_value


def test_nothing_is_lost_by_a_kill_of_the_bot(desk: Desk, receiver: Receiver) -> None:
    bot = desk.write(
        "bot.py",
        BOT.replace('print("ends", flush=True)', "import os; os.kill(os.getpid(), 9)"),
    )
    run = desk.start_run("--endpoint", receiver.address, bot, environment={})
    run.line()
    for count in (1_000, 234):
        run.say(str(count))
        run.line()
    ended = run.end()

    assert ended.status == 128 + signal.SIGKILL
    points = read_points(receiver)
    assert counted(points) == (3 * 1_234, 1_234)
    (value,) = series_of(points, "bot.value").values()
    assert not value[-1].has_value


def test_nothing_is_lost_or_told_twice_by_kills_of_the_agent(
    desk: Desk, receiver: Receiver
) -> None:
    bot = desk.write("bot.py", BOT)
    run = desk.start_run("--endpoint", receiver.address, bot, environment=OFTEN)
    run.line()
    for round_ in range(1, 4):
        run.say("5")
        run.line()
        eventually(partial(_has_counted, receiver, 5 * round_))
        _, agent = desk.children(run)
        agent.kill()
        eventually(partial(_has_other_agent, desk, agent.pid))
    run.say("5")
    run.line()
    run.end()

    points = read_points(receiver)
    assert counted(points) == (60, 20)
    buys = [point for point in points if point.labels == {"side": "buy"}]
    for series in series_of(buys, "bot.trades").values():
        values = [point.value for point in series]
        assert values == sorted(values)
        assert values.count(0) == len([p for p in series if p.time == p.start]) >= 1
    assert desk.folder_of_run.drained is not None
    assert all(not sink["unaccounted"] for sink in desk.folder_of_run.drained["sinks"].values())


def _has_counted(receiver: Receiver, count: int) -> bool:
    return counted(read_points(receiver))[1] == count


def _is_read_since(desk: Desk, before: int) -> bool:
    return _readings(desk) > before


def _has_other_agent(desk: Desk, killed: int) -> bool:
    agent = desk.agent()
    return agent not in (0, killed) and psutil.pid_exists(agent)


def test_outage_of_the_whole_run_keeps_every_point(desk: Desk) -> None:
    bot = desk.write("bot.py", BOT)
    receiver = Receiver(free_port())
    run = desk.start_run("--endpoint", receiver.address, bot, environment=OFTEN)
    run.line()
    for _ in range(3):
        run.say("4")
        run.line()
        before = _readings(desk)
        eventually(partial(_is_read_since, desk, before))
    ended = run.end()
    assert f"readings of metrics wait for {receiver.address} (" in ended.err

    with receiver:
        sent = desk.tradespan("agent", "--once", desk.root)
        assert sent.status == 0, sent.err
        points = read_points(receiver)
    assert counted(points) == (36, 12)
    times = [point.time for point in points if point.name == "bot.latency"]
    assert len(times) >= 5, "a zero, one after each round at least, and the last"
    assert times == sorted(times), "oldest first"
    seen = [point.value for point in points if point.name == "bot.latency"]
    assert {0, 4, 8, 12} <= set(seen)


def _readings(desk: Desk) -> int:
    """How often the run's pages have been read: the time of the last one."""
    told = (read_json(desk.folder_of_run.path / READINGS) or {}).get("writers", {})
    return max((entry["read"] for entry in told.values()), default=0)


def test_five_restarts_leave_one_living_gauge_at_any_time(desk: Desk, receiver: Receiver) -> None:
    bot = desk.write("bot.py", BOT)
    for number in range(5):
        run = desk.start_run("--endpoint", receiver.address, bot, environment=OFTEN)
        run.line()
        run.say("2")
        run.line()
        eventually(lambda: _values_now(receiver))
        if number % 2:  # all die at once: nobody is there to tell
            for process in desk.processes():
                process.kill()
        run.end()
    eventually(lambda: len(series_of(read_points(receiver), "bot.value")) == 5)
    eventually(lambda: not _values_now(receiver))

    series = series_of(read_points(receiver), "bot.value")
    assert len(series) == 5
    spans = sorted((points[0].time, points[-1].time) for points in series.values())
    for (_, end), (begin, _) in pairwise(spans):
        assert end < begin, "two processes' values at one time"
    assert total(read_points(receiver), "bot.trades") == 5 * 6


def _values_now(receiver: Receiver) -> int:
    """How many gauges have a value that has not ended."""
    series = series_of(read_points(receiver), "bot.value")
    return sum(points[-1].has_value for points in series.values())


FORKING = """
    import os
    import time
    import tradespan

    trades = tradespan.counter("bot.trades", unit="{trade}")
    trades.add(3)
    child = os.fork()
    trades.add(4)
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    """


def test_forked_child_has_a_start_of_its_own(desk: Desk, receiver: Receiver) -> None:
    bot = desk.write("bot.py", FORKING)
    ended = desk.run("--endpoint", receiver.address, bot)
    assert ended.status == 0, ended.err

    points = read_points(receiver)
    assert sorted(last_values(points, "bot.trades").values()) == [4, 7]
    starts = {point.start for point in points if point.name == "bot.trades"}
    assert len(starts) == 2
    for series in series_of(points, "bot.trades").values():
        assert series[0].value == 0, "its first count is seen as a rise"


IN_CODE = """
    import os
    import sys
    import tradespan

    tradespan.configure(service="plain", store=None, root=sys.argv[1])
    trades = tradespan.counter("bot.trades", unit="{trade}")
    value = tradespan.gauge("bot.value", unit="1")
    trades.add(3)
    value.set(1.5)
    if "fork" in sys.argv:
        child = os.fork()
        trades.add(4)
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
    """


@pytest.mark.parametrize(("more", "expected"), [((), [3]), (("fork",), [4, 7])])
def test_program_that_configures_itself_tells_the_same_until_its_end(
    desk: Desk, receiver: Receiver, more: tuple[str, ...], expected: list[int]
) -> None:
    bot = desk.write("bot.py", IN_CODE)
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.address}
    ended = desk.python(bot, desk.root, *more, environment=environment)
    assert (ended.status, ended.err) == (0, "")

    eventually(
        lambda: sorted(last_values(read_points(receiver), "bot.trades").values()) == expected
    )
    values = [point for point in read_points(receiver) if point.name == "bot.value"]
    assert not values[-1].has_value


def test_nothing_is_written_where_nobody_takes_metrics(desk: Desk) -> None:
    bot = desk.write("bot.py", BOT)
    run = desk.start_run(bot, environment=OFTEN)
    run.line()
    run.say("5")
    run.line()
    assert run.end().status == 0
    entries = desk.folder_of_run.entries()
    assert [entry for entry in entries if entry.endswith(".metrics")]
    assert not [entry for entry in entries if re.search(f"{READINGS}|{AGENTS}", entry)]


def test_scraper_reads_what_lives_and_a_taken_port_is_one_sentence(desk: Desk) -> None:
    bot = desk.write("bot.py", BOT)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        run = desk.start_run("--metrics-port", port, bot)
        run.line()
        run.wait_for_err("is not served")
        ended = run.end()
    assert ended.status == 0
    assert ended.err.count("\n") == 1, ended.err

    run = desk.start_run("--metrics-port", str(free_port()), bot)
    run.line()
    run.say("4")
    run.line()
    url = run.wait_for_err("metrics at (http://.*)")[1]
    with urllib.request.urlopen(url) as answer:  # an address of ours
        text = answer.read().decode()
    assert re.search(
        r'^bot_trades_total\{job="bot",instance="[^"]+",side="sell"\} 8.0$', text, re.MULTILINE
    )
    run.end()


CYCLES = """
    import sys
    import tradespan

    value = tradespan.gauge("bot.value", unit="1")
    for line in sys.stdin:
        tradespan.configure(service="desk", store=None, root=sys.argv[1], metrics_port=int(line))
        value.set(100)
        print("set", flush=True)
        sys.stdin.readline()
        tradespan.shutdown()
    """


def test_second_run_of_a_process_does_not_double_its_gauges(desk: Desk) -> None:
    bot = desk.write("bot.py", CYCLES)
    run = desk.start_python(bot, desk.root)
    for port in (free_port(), free_port()):
        run.say(str(port))
        assert run.line() == "set"
        eventually(partial(_gauges_at, port))
        assert len(_gauges_at(port)) == 1
        run.say("end")
    assert run.end().status == 0


def _gauges_at(port: int) -> list[str]:
    """The lines of the bot's gauge that a scraper is given; none while nobody serves."""
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        return re.findall("^bot_value_ratio.*", answer.read().decode(), re.MULTILINE)
    return []
