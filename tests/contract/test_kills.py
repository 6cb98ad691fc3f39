"""`kill -9`, of each of the three processes, under load: what was recorded is delivered."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil
import pytest

from tests.contract.desk import Desk, Program, eventually, numbers_in

# Each number is acknowledged in a file once its call has returned: its span has to be in the store.
BOT = """
    import os, sys, threading
    acknowledged = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    total = int(sys.argv[2])
    pace = threading.Event()

    def work(number):
        if number % 10 == 9:
            raise ValueError(number)

    print("begins", flush=True)
    for number in range(total):
        try:
            work(number)
        except ValueError:
            pass
        os.write(acknowledged, b"%d\\n" % number)
        if number % 20 == 19:
            pace.wait(0.005)
    print("ends", flush=True)
    """


def start_bot(desk: Desk, total: int) -> tuple[Program, Path]:
    """A run under load, as soon as its bot has begun."""
    bot = desk.write("bot.py", BOT)
    acknowledged = desk.folder / "acknowledged"
    run = desk.start_run("--max-overhead", "0", "-i", r"bot\.work", bot, acknowledged, str(total))
    assert run.line() == "begins"
    return run, acknowledged


def wait_for_load(acknowledged: Path, count: int) -> None:
    eventually(lambda: len(numbers_in(acknowledged)) >= count, f"{count} calls")


def test_killed_agent_is_started_again_and_nothing_is_lost(desk: Desk) -> None:
    run, _acknowledged = start_bot(desk, 6_000)
    _, first = desk.children(run)
    eventually(desk.stored_numbers, "the agent at work")
    first.kill()
    second = eventually(lambda: desk.agent() not in (0, first.pid) and desk.agent(), "another")
    assert psutil.Process(second).ppid() == run.pid
    ended = run.end()

    assert (ended.status, ended.out) == (0, "ends\n")
    assert ended.err == ""
    assert desk.stored_numbers() == list(range(6_000))
    assert desk.folder_of_run.segments() == []


def test_killed_agent_and_supervisor_leave_the_bot_running_and_nothing_is_lost(
    desk: Desk,
) -> None:
    run, acknowledged = start_bot(desk, 10_000)
    bot, agent = desk.children(run)
    wait_for_load(acknowledged, 500)
    agent.kill()
    run.send(signal.SIGKILL)
    run.process.wait()
    killed_at = len(numbers_in(acknowledged))
    assert killed_at < 10_000, "the bot was to be at work still"

    assert bot.is_running()
    assert run.line() == "ends"
    eventually(lambda: not bot.is_running(), "the bot's own end")
    assert numbers_in(acknowledged) == list(range(10_000))
    assert desk.agents() == []
    assert len(desk.stored_numbers()) < 10_000

    # The next start of anything under this root is the recovery.
    other = desk.write("other.py", "print('hello')\n")
    assert desk.run(other).status == 0
    eventually(lambda: len(desk.stored_numbers()) == 10_000, "what the first run left")
    assert desk.stored_numbers() == list(range(10_000))


def test_killed_supervisor_leaves_bot_and_agent_at_work(desk: Desk) -> None:
    run, acknowledged = start_bot(desk, 6_000)
    bot, agent = desk.children(run)
    wait_for_load(acknowledged, 300)
    run.send(signal.SIGKILL)
    run.process.wait()

    assert run.line() == "ends"
    assert numbers_in(acknowledged) == list(range(6_000))
    eventually(lambda: desk.stored_numbers() == list(range(6_000)), "all of them in the store")
    # With nobody left to serve, the agent closes the books and goes.
    eventually(lambda: not agent.is_running(), "the agent's end")
    assert not bot.is_running()
    drained = desk.folder_of_run.drained
    assert drained is not None
    assert drained["complete"] is True
    assert drained["sinks"]["store"]["unaccounted"] == 0


@pytest.mark.parametrize("attempt", range(3))
def test_killed_bot_has_left_every_span_that_had_ended(desk: Desk, attempt: int) -> None:
    run, acknowledged = start_bot(desk, 1_000_000)
    bot, _ = desk.children(run)
    wait_for_load(acknowledged, 200 + 400 * attempt)
    bot.kill()
    ended = run.end()

    assert ended.status == 128 + signal.SIGKILL
    told = numbers_in(acknowledged)
    # The last call may have returned without its acknowledgement.
    assert desk.stored_numbers() in (list(told), [*told, len(told)])
    drained = desk.folder_of_run.drained
    assert drained is not None
    # A call that ran at the death is closed by the agent, and a record of its own.
    assert drained["recorded"] == len(desk.stored())
    assert drained["sinks"]["store"]["unaccounted"] == 0


def test_supervisor_gives_up_an_agent_that_cannot_live(desk: Desk) -> None:
    """An agent that ends at once each time holds up neither the bot nor its end for long."""
    desk.write(
        "sitecustomize.py",
        """
        import sys
        if "agent" in sys.orig_argv:
            raise SystemExit(3)
        """,
    )
    bot = desk.write("bot.py", "def work(number): pass\nfor n in range(10): work(n)\n")
    ended = desk.run(
        "-i", r"bot\.work", bot, environment={"PYTHONPATH": str(desk.folder)}
    )  # fmt: skip
    assert ended.status == 0
    assert "nobody has closed the books of this run" in ended.err
    assert f"tradespan agent --once {desk.root}" in ended.err
    assert desk.tradespan("agent", "--once", desk.root).status == 0
    assert desk.stored_numbers() == list(range(10))
