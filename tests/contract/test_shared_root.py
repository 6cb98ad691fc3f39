"""Several runs under one root at once: one agent, one store, one lock."""

from __future__ import annotations

import signal
import subprocess
import time

import psutil

from tests.contract.desk import TRADESPAN, Desk, Program, eventually

# Records a call for each line that it is given, and answers.
BOT = """
    import sys

    def work(number):
        return number

    print("ready", flush=True)
    for line in sys.stdin:
        work(int(line))
        print("worked", flush=True)
    """


def start_bot(desk: Desk, name: str) -> Program:
    script = desk.write(f"{name}.py", BOT)
    run = desk.start_run("-i", rf"{name}\..*", script)
    assert run.line() == "ready"
    return run


def work(run: Program, number: int) -> None:
    run.say(str(number))
    assert run.line() == "worked"


def test_second_run_uses_the_first_ones_agent_and_store(desk: Desk) -> None:
    first = start_bot(desk, "first")
    desk.children(first)
    owner = eventually(desk.agent)
    second = start_bot(desk, "second")
    work(first, 1)
    work(second, 2)
    eventually(lambda: desk.stored_numbers() == [1, 2], "both in one store")

    assert desk.agent() == owner
    assert [each.pid for each in desk.agents()] == [owner]
    assert len(psutil.Process(second.pid).children()) == 1
    for run in (second, first):
        assert run.end().status == 0
    assert {span.resource["service.name"] for span in desk.stored()} == {"first", "second"}


def test_another_agent_takes_over_within_5_seconds(desk: Desk) -> None:
    first = start_bot(desk, "first")
    desk.children(first)
    owner = eventually(desk.agent)
    second = start_bot(desk, "second")
    work(second, 1)
    eventually(lambda: desk.stored_numbers() == [1])

    assert first.end().status == 0
    ended_at = time.monotonic()
    work(second, 2)
    heir = eventually(lambda: desk.agent() not in (0, owner) and desk.agent(), "an heir")
    assert psutil.Process(heir).ppid() == second.pid
    eventually(lambda: desk.stored_numbers() == [1, 2], "the second's span")
    assert time.monotonic() - ended_at < 5.0
    work(second, 3)
    assert second.end().status == 0
    assert desk.stored_numbers() == [1, 2, 3]


def test_two_runs_that_start_at_once_agree_on_one_agent(desk: Desk) -> None:
    scripts = [desk.write(f"bot{place}.py", BOT) for place in range(3)]
    runs = [desk.start_run("-i", r"bot.\..*", script) for script in scripts]
    for run in runs:
        assert run.line() == "ready"
    for number, run in enumerate(runs):
        work(run, number)
    eventually(lambda: desk.stored_numbers() == [0, 1, 2])
    eventually(lambda: len(desk.agents()) == 1, "losers of the race to be gone")
    ends = [run.end() for run in runs]
    assert [(ended.status, ended.err) for ended in ends] == [(0, "")] * 3


def test_run_ends_well_although_its_agent_belongs_to_another(desk: Desk) -> None:
    first = start_bot(desk, "first")
    desk.children(first)
    eventually(desk.agent)
    second = desk.run(
        "-i", r"quick\..*", desk.write("quick.py", "def work(number): pass\nwork(7)\n")
    )
    assert (second.status, second.err) == (0, "")
    assert desk.stored_numbers() == [7]
    work(first, 8)
    assert first.end().status == 0
    assert desk.stored_numbers() == [7, 8]


def test_agent_whose_supervisor_is_killed_before_it_can_look_ends_by_itself(desk: Desk) -> None:
    supervisor = subprocess.Popen(["true"])
    supervisor.wait()
    # An interpreter takes half a second to get there: by then its parent is another.
    words = ("agent", "--attached", "--parent", str(supervisor.pid), "root")
    assert desk.tradespan(*words).status == 0


def test_agent_may_open_more_files_than_its_terminal_is_used_to(desk: Desk) -> None:
    agent = desk.start("sh", "-c", 'ulimit -S -n 256; exec "$@"', "sh", TRADESPAN, "agent", "root")
    eventually((desk.root / "agent.json").exists, "an agent")
    now, most = psutil.Process(agent.pid).rlimit(psutil.RLIMIT_NOFILE)
    assert now == most
    agent.send(signal.SIGTERM)
    assert agent.end().status == 0
