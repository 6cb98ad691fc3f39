"""What code counts by OpenTelemetry's metrics API arrives, in processes of their own."""

from __future__ import annotations

import signal

from tests.contract.desk import Desk, eventually
from tests.contract.test_metrics_export import OFTEN
from tests.support.metrics import ReceivedPoint, read_points, total
from tests.support.receiver import Receiver
from tests.unit.instrument.libraries.feed_server import serve_feed

SELDOM = {"OTEL_METRIC_EXPORT_INTERVAL": "3600000"}
FOLLOW = """
    import sys

    from websockets.sync.client import connect

    with connect(sys.argv[1], proxy=None) as connection:
        connection.send("push 3")
        print([connection.recv() for _ in range(3)], flush=True)
        sys.stdin.readline()
    """
EARLY = """
    import tradespan
    from opentelemetry import metrics

    meter = metrics.get_meter("lib", "1.2")
    hits = meter.create_counter("hits", "{hit}")
    meter.create_observable_gauge("level", [lambda options: [metrics.Observation(7)]])
    tradespan.configure(service="desk", root="root", forwarder="external")
    hits.add(2, {"side": "buy"})
    """
FORKING = """
    import os
    import sys
    from opentelemetry import metrics

    def observe(options):
        yield metrics.Observation(1, {"role": "child" if os.getpid() != parent else "parent"})

    parent = os.getpid()
    metrics.get_meter("lib").create_observable_gauge("roles", [observe])
    hits = metrics.get_meter("lib").create_counter("hits")
    hits.add(10)
    child = os.fork()
    if child == 0:
        hits.add(3)
        sys.stdin.read()
        os._exit(0)
    print("ready", flush=True)
    sys.stdin.read()
    os.waitpid(child, 0)
    """
HANGING = """
    import threading
    from opentelemetry import metrics

    begun = threading.Event()

    def hang(options):
        begun.set()
        threading.Event().wait()

    metrics.get_meter("lib").create_observable_gauge("stuck", [hang])
    begun.wait()
    print("trades on")
    """
OWN_SDK = """
    import tradespan
    from opentelemetry import metrics
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    reader = InMemoryMetricReader()
    own = MeterProvider([reader])
    metrics.set_meter_provider(own)
    runtime = tradespan.configure(service="desk", root="root", forwarder="external")
    print(metrics.get_meter_provider() is own, runtime.meter_provider is not None)
    """
KILLED = """
    import os
    from opentelemetry import metrics

    hits = metrics.get_meter("lib").create_counter("hits")
    for number in range(1234):
        hits.add(1, {"side": "buy" if number % 2 else "sell"})
    os.kill(os.getpid(), 9)
    """


def named(receiver: Receiver, name: str) -> list[ReceivedPoint]:
    return [point for point in read_points(receiver) if point.name == name]


def test_the_metrics_of_a_librarys_instrumentor_arrive(desk: Desk, receiver: Receiver) -> None:
    with serve_feed() as feed:
        bot = desk.write("bot.py", FOLLOW)
        run = desk.start_run("--endpoint", receiver.address, bot, feed.url(), environment=OFTEN)
        assert run.line() == "['0', '1', '2']"
        eventually(lambda: named(receiver, "trading.connection.active"), "what is observed")
        run.say("")
        assert run.end().status == 0
    points = read_points(receiver)
    received = [each for each in points if each.labels.get("network.io.direction") == "receive"]
    assert total(received, "trading.connection.messages") == 3
    connects = named(receiver, "trading.connection.connect.duration")[-1]
    assert (connects.value, connects.unit, connects.kind) == (1, "s", "histogram")
    assert connects.scope == "tradespan.websockets"


def test_instruments_made_before_configure_count_after_it(desk: Desk, receiver: Receiver) -> None:
    bot, to = desk.write("bot.py", EARLY), ("--endpoint", receiver.address)
    assert desk.python(bot, environment=SELDOM).status == 0  # not shut down: the exit observes
    assert desk.tradespan("agent", "--once", "root", *to).status == 0
    assert total(read_points(receiver), "hits") == 2
    hits = named(receiver, "hits")[-1]
    assert (hits.labels, hits.scope, hits.unit) == ({"side": "buy"}, "lib", "{hit}")
    assert 7 in [point.value for point in named(receiver, "level")]


def test_a_forked_child_observes_and_counts_for_itself(desk: Desk, receiver: Receiver) -> None:
    bot = desk.write("bot.py", FORKING)
    run = desk.start_run("--endpoint", receiver.address, bot, environment=OFTEN)
    assert run.line() == "ready"
    eventually(lambda: len({p.labels["role"] for p in named(receiver, "roles")}) == 2)
    assert run.end().status == 0
    roles = named(receiver, "roles")
    instances = {role: {p.instance for p in roles if p.labels["role"] == role} for role in ROLES}
    assert [len(each) for each in instances.values()] == [1, 1]
    assert instances["parent"] != instances["child"]
    assert total(read_points(receiver), "hits") == 13


ROLES = ("parent", "child")


def test_a_callback_that_hangs_keeps_no_program_from_ending(desk: Desk) -> None:
    ended = desk.run(desk.write("bot.py", HANGING), environment=OFTEN)
    assert (ended.status, ended.out.split("\n")[0]) == (0, "trades on")
    assert "Observing stuck has not come back" in ended.err


def test_a_programs_own_provider_is_left_alone(desk: Desk) -> None:
    ended = desk.python(desk.write("bot.py", OWN_SDK))
    assert (ended.status, ended.out.strip()) == (0, "True True")
    assert "Overriding" not in ended.err


def test_what_was_counted_survives_a_kill(desk: Desk, receiver: Receiver) -> None:
    ended = desk.run(
        "--endpoint", receiver.address, desk.write("bot.py", KILLED), environment=SELDOM
    )
    assert ended.status == 128 + signal.SIGKILL
    assert total(read_points(receiver), "hits") == 1_234
