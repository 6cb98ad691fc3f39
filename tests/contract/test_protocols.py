"""A run's spans by each protocol of OTLP, with a receiver that is there, gone, or silent."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.contract.desk import Desk, announced_command, ids
from tests.support.grpc_receiver import GrpcReceiver
from tests.support.receiver import Receiver

BOT = """
    def work(number):
        return number
    for number in range(100):
        work(number)
    """
IN_CODE = """
    import os, sys
    import tradespan

    runtime = tradespan.configure(service="coded", root="root", endpoint=sys.argv[1])

    @tradespan.monitor
    def work(number):
        return number

    for number in range(50):
        work(number)
    runtime.flush(10)
    child = os.fork()
    for number in range(50):
        work(number)
    if child:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print("child", status)
    """
GRPC = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}


@pytest.fixture
def grpc_receiver() -> Iterator[GrpcReceiver]:
    with GrpcReceiver() as receiver:
        yield receiver


def test_spans_go_by_json(desk: Desk) -> None:
    bot = desk.write("bot.py", BOT)
    with Receiver() as receiver:
        desk.environment["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/json"
        ended = desk.run("-i", r"bot\..*", "--endpoint", receiver.address, bot)
        assert (ended.status, ended.err) == (0, "")
        assert ids(receiver.spans) == ids(desk.stored())
        assert {request.headers["content-type"] for request in receiver.requests} == {
            "application/json"
        }


def test_spans_go_by_grpc(desk: Desk, grpc_receiver: GrpcReceiver) -> None:
    bot = desk.write("bot.py", BOT)
    desk.environment.update(GRPC)
    endpoint = f"http://{grpc_receiver.target}"
    ended = desk.run("-i", r"bot\..*", "--endpoint", endpoint, bot)
    assert (ended.status, ended.err) == (0, "")
    assert ids(grpc_receiver.taken()) == ids(desk.stored())
    assert len(grpc_receiver.taken()) == 100


def test_by_grpc_a_dead_receiver_costs_a_second_and_gets_all_by_the_printed_command(
    desk: Desk,
) -> None:
    bot = desk.write("bot.py", BOT)
    alone = desk.run("-i", r"bot\..*", bot)
    receiver = GrpcReceiver()
    receiver.start()
    receiver.stop()
    desk.environment.update(GRPC)
    down = desk.run("-i", r"bot\..*", "--endpoint", f"http://{receiver.target}", bot)
    assert down.status == 0
    assert "100 spans wait for http://" in down.err
    assert down.seconds < alone.seconds + 1.0 + 1.5, "a second; the rest is a slow machine's"
    with receiver:
        sent = desk.tradespan(*announced_command(down.err))
        assert sent.status == 0, sent.err
        assert len(set(ids(receiver.taken()))) == len(receiver.taken()) == 100


def test_by_grpc_a_silent_receiver_costs_a_second(desk: Desk) -> None:
    bot = desk.write("bot.py", BOT)
    alone = desk.run("-i", r"bot\..*", bot)
    desk.environment.update(GRPC)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        down = desk.run("-i", r"bot\..*", "--endpoint", endpoint, bot)
    assert "100 spans wait for http://" in down.err
    assert down.seconds < alone.seconds + 1.0 + 1.5, "a second; the rest is a slow machine's"


def test_by_grpc_in_code_a_fork_disturbs_neither_parent_nor_child(
    desk: Desk, grpc_receiver: GrpcReceiver
) -> None:
    bot = desk.write("bot.py", IN_CODE)
    desk.environment.update(GRPC)
    ended = desk.python(bot, f"http://{grpc_receiver.target}")
    assert (ended.status, ended.out) == (0, "child 0\n"), ended.err
    assert len(desk.stored()) == 150
    assert ids(grpc_receiver.taken()) == ids(desk.stored())


SEVERAL = """
    import sys
    import tradespan

    tradespan.configure(service="coded", root="root", endpoint=sys.argv[1:])

    @tradespan.monitor
    def work(number):
        return number

    for number in range(50):
        work(number)
    """


def test_two_receivers_each_get_everything_and_one_that_is_dead_holds_up_no_other(
    desk: Desk,
) -> None:
    bot = desk.write("bot.py", SEVERAL)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        dead = f"http://127.0.0.1:{probe.getsockname()[1]}"
    with Receiver() as one, Receiver() as two:
        ended = desk.python(bot, one.address, dead, two.address)
        assert ended.status == 0, ended.err
        assert ids(one.spans) == ids(two.spans) == ids(desk.stored())
        assert len(one.spans) == 50
    assert desk.folder_of_run.segments() != []
