"""A receiver that is down, or silent, during a run and back later."""

from __future__ import annotations

import re
import shlex
import socket

from tests.contract.desk import Desk, announced_command, ids
from tests.support.receiver import Receiver


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_demo_with_the_receiver_down_delivers_by_the_printed_command(desk: Desk) -> None:
    receiver = Receiver(free_port())
    words = ("--for", "3", "--no-ui", "--root", desk.root, "--endpoint", receiver.address)
    ended = desk.tradespan("demo", *words)

    assert ended.status == 0
    assert ended.seconds < 3 + 10, "bot, start-up and a second, on any machine"
    stored = ids(desk.stored())
    waiting = re.search(
        r"([\d,]+) spans(?:, \d+ log lines?)? wait for \S+ \(Connection refused\) in (\S+);",
        ended.err,
    )
    assert waiting is not None, ended.err
    assert int(waiting[1].replace(",", "")) == len(stored)
    assert waiting[2] == str(desk.folder_of_run.path)
    with receiver:
        sent = desk.tradespan(*announced_command(ended.err))
        assert sent.status == 0, sent.err
        assert ids(receiver.spans) == stored
    assert ids(desk.stored()) == stored
    assert desk.folder_of_run.segments() == []


BOT = """
    import sys
    def work(number):
        return number
    for number in range(100):
        work(number)
    print("100 done")
    print("with a word on stderr", file=sys.stderr)
    """


def test_receiver_that_is_down_changes_nothing_for_the_bot(desk: Desk) -> None:
    bot = desk.write("bot.py", BOT)
    bare = desk.python(bot)
    alone = desk.run("-i", r"bot\..*", bot)
    endpoint = f"http://127.0.0.1:{free_port()}"
    down = desk.run("-i", r"bot\..*", "--endpoint", endpoint, bot)

    assert (down.status, down.out) == (bare.status, bare.out)
    assert alone.err == bare.err
    assert down.err.startswith(bare.err)
    assert down.err.count("\n") == bare.err.count("\n") + 1
    assert f"100 spans wait for {endpoint} (Connection refused) in " in down.err
    assert down.seconds < alone.seconds + 1.0 + 1.5, "a second; the rest is a slow machine's"


def test_receiver_that_never_answers_is_waited_for_a_second(desk: Desk) -> None:
    bot = desk.write("bot.py", BOT)
    alone = desk.run("-i", r"bot\..*", bot)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        down = desk.run("-i", r"bot\..*", "--endpoint", endpoint, bot)

    assert down.status == 0
    assert f"100 spans wait for {endpoint} (no answer yet) in " in down.err
    assert down.seconds < alone.seconds + 1.0 + 1.5, "a second; the rest is a slow machine's"


def test_next_run_delivers_what_the_earlier_left(desk: Desk) -> None:
    bot = desk.write("bot.py", BOT)
    receiver = Receiver(free_port())
    words = ("-i", r"bot\..*", "--endpoint", receiver.address, bot)
    first = desk.run(*words)
    assert "100 spans wait" in first.err
    assert len(desk.stored()) == 100
    with receiver:
        second = desk.run(*words)
        assert second.status == 0
        assert "wait" not in second.err
        # The second run's end waits for its own records only.
        received = receiver.wait_for(lambda spans: len(spans) >= 200)
        assert ids(received) == ids(desk.stored())
        assert len(set(ids(received))) == 200


def test_receivers_that_are_named_by_option_get_everything_each(desk: Desk) -> None:
    bot = desk.write("bot.py", BOT)
    with Receiver() as one, Receiver() as other:
        words = ("--endpoint", one.address, "--endpoint", other.address)
        assert desk.run("-i", r"bot\..*", *words, bot).status == 0
        assert ids(one.spans) == ids(other.spans) == ids(desk.stored())
        assert len(one.spans) == 100


def test_printed_command_can_be_pasted_into_a_shell(desk: Desk) -> None:
    desk.root = desk.folder / "a root's name"
    bot = desk.write("bot.py", BOT)
    ended = desk.run("-i", r"bot\..*", "--endpoint", f"http://127.0.0.1:{free_port()}", bot)
    command = re.search(r"or: tradespan (.*)", ended.err)
    assert command is not None, ended.err
    assert shlex.split(command[1]) == ["agent", "--once", str(desk.root)]
