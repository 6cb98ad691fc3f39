"""`configure()` in code, and then forks: children record, and never touch their parent's SQLite.

Whatever ends first, and however: all that was recorded arrives, once, and nobody waits for long.
"""

from __future__ import annotations

import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.contract.desk import Desk, eventually, ids
from tests.support.receiver import Receiver

# The parent forks `count` children; each calls `work` `calls` times, with numbers of its own.
BOT = """
    import os, sys, threading, time
    import tradespan

    runtime = tradespan.configure(service="forking", root="root", {settings})

    @tradespan.monitor
    def work(number):
        return number

    def say(word):
        os.write(1, f"{{word}}\\n".encode())

    def wait_for(path):
        while not os.path.exists(path):
            time.sleep(0.01)
    {body}
    """


def write_bot(desk: Desk, body: str, settings: str = "") -> str:
    text = BOT.format(settings=settings, body=body.replace("\n", "\n    "))
    desk.write("bot.py", text)
    return "bot.py"


def dead_endpoint() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def is_whole(desk: Desk) -> bool:
    with closing(sqlite3.connect(f"file:{desk.store}?mode=ro", uri=True)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def agents_left(desk: Desk) -> list[int]:
    return [each.pid for each in desk.agents()]


# A pre-fork server: the parent has forwarded already, has SQLite open, and ends first.
SERVER = """
work(0)
assert tradespan.flush(20)
for child in range(1, 5):
    if os.fork() == 0:
        say("forked")
        wait_for("go")
        for number in range(50):
            work(child * 100 + number)
        open(f"done-{{child}}", "w").close()
        {pause}
        {end}
say("parent ends")
"""
EXPECTED = [0, *(child * 100 + number for child in range(1, 5) for number in range(50))]


@pytest.mark.parametrize("end", ["os._exit(0)", "sys.exit()", "os.kill(os.getpid(), 9)"])
def test_children_of_a_parent_that_ended_first_lose_nothing_and_double_nothing(
    desk: Desk, receiver: Receiver, end: str
) -> None:
    body = SERVER.format(end=end, pause="")
    server = desk.start_python(write_bot(desk, body, f"endpoint={receiver.address!r}"))
    lines = [server.line() for _ in range(5)]
    assert sorted(lines) == ["forked"] * 4 + ["parent ends"]
    assert server.process.wait(20) == 0
    desk.write("go", "")

    eventually(lambda: desk.stored_numbers() == EXPECTED, "all in the store")
    received = receiver.wait_for(lambda spans: len({s.span_id for s in spans}) == len(EXPECTED))
    eventually(lambda: not agents_left(desk), "the agent to leave: no run is left")
    assert len(received) == len(receiver.spans) == len(EXPECTED)
    assert ids(desk.stored()) == ids(receiver.spans)
    assert desk.folder_of_run.segments() == []
    assert is_whole(desk)


def test_agent_takes_over_the_moment_that_the_parent_ends(desk: Desk) -> None:
    server = desk.start_python(write_bot(desk, SERVER.format(end="os._exit(0)", pause="")))
    for _ in range(5):
        server.line()
    assert server.process.wait(20) == 0
    desk.write("go", "")
    # No child has recorded before: nobody but the next start is told of what comes now.
    eventually(lambda: all((desk.folder / f"done-{n}").exists() for n in range(1, 5)))
    assert desk.tradespan("agent", "--once", "root").status in (0, 1)
    eventually(lambda: desk.stored_numbers() == EXPECTED, "all in the store")


def test_child_starts_an_agent_when_its_parent_was_killed(desk: Desk) -> None:
    body = """
    work(0)
    assert tradespan.flush(20)
    if os.fork() == 0:
        work(1)
        say(os.getpid())
        wait_for("stop")
        work(2)
        os._exit(0)
    sys.stdin.read()
    """
    bot = write_bot(desk, "\n".join(line[4:] for line in body.splitlines()))
    program = desk.start_python(bot)
    child = int(program.line())
    program.process.kill()
    program.process.wait()

    (agent,) = eventually(
        lambda: [each for each in desk.agents() if each.ppid() != child],
        "an agent that is nobody's child: a `wait()` of the bot must not find it",
    )
    eventually(lambda: psutil.Process(child).children() == [], "nobody to wait for")
    eventually(lambda: desk.agent() == agent.pid, "the lock handed over")
    desk.write("stop", "")
    eventually(lambda: desk.stored_numbers() == [0, 1, 2])
    eventually(lambda: not agents_left(desk), "the agent to leave")
    assert is_whole(desk)


def test_many_children_start_one_agent(desk: Desk) -> None:
    body = SERVER.format(end="os._exit(0)", pause='wait_for("stop")').replace(
        'say("parent ends")', 'say("parent ends"); os.kill(os.getpid(), 9)'
    )
    server = desk.start_python(write_bot(desk, body))
    for _ in range(5):
        server.line()
    desk.write("go", "")
    assert server.process.wait(20) == -9
    eventually(lambda: desk.stored_numbers() == EXPECTED)
    assert len(agents_left(desk)) == 1
    log = (desk.root / "agent.log").read_text()
    assert "Traceback" not in log
    desk.write("stop", "")
    eventually(lambda: not agents_left(desk), "the agent to leave")


def test_child_does_not_open_the_store_while_its_parent_forwards(
    desk: Desk, receiver: Receiver
) -> None:
    body = """
work(0)
assert tradespan.flush(20)
child = os.fork()
if child == 0:
    import sqlite3
    def refuse(*words, **options):
        os.write(2, b"SQLite was opened in a child\\n")
        raise AssertionError
    sqlite3.connect = refuse
    work(1)
    say(tradespan.flush(20))
    say(tradespan.shutdown(20))
    sys.exit()
os.waitpid(child, 0)
"""
    ended = desk.python(write_bot(desk, body, f"endpoint={receiver.address!r}"))
    assert (ended.status, ended.out, ended.err) == (0, "True\nTrue\n", "")
    assert desk.stored_numbers() == [0, 1]
    assert len(receiver.spans) == 2
    assert is_whole(desk)


@pytest.mark.parametrize("end", ["os._exit(0)", "sys.exit()"])
def test_child_ends_at_once_with_the_receiver_down(desk: Desk, end: str) -> None:
    body = f"""
work(0)
began = time.monotonic()
child = os.fork()
if child == 0:
    for number in range(1, 101):
        work(number)
    {end}
os.waitpid(child, 0)
with open("seconds", "w") as file:
    file.write(str(time.monotonic() - began))
"""
    endpoint = dead_endpoint()
    alone = desk.python(write_bot(desk, "work(0)", "store=None"))
    ended = desk.python(write_bot(desk, body, f"endpoint={endpoint!r}"))
    assert (ended.status, ended.out) == (0, "")
    assert float((desk.folder / "seconds").read_text()) < 1.0 + 1.0, "a slow machine's second"
    assert ended.seconds < alone.seconds + 1.0 + 2.0, "the parent waits a second for the receiver"
    with Receiver(int(endpoint.rpartition(":")[2])) as receiver:
        assert desk.tradespan("agent", "--once", "root").status == 0
        assert len(set(ids(receiver.spans))) == len(receiver.spans) == 101
    assert desk.stored_numbers() == list(range(101))


def test_processes_of_multiprocessing_that_fork_are_recorded(desk: Desk) -> None:
    body = """
import multiprocessing
work(0)
assert tradespan.flush(20)
context = multiprocessing.get_context("fork")
with context.Pool(3) as pool:
    print(sum(pool.map(work, range(1, 61), chunksize=1)))
process = context.Process(target=work, args=(61,))
process.start()
process.join()
print(process.exitcode)
"""
    ended = desk.python(write_bot(desk, body))
    assert (ended.status, ended.out, ended.err) == (0, f"{sum(range(61))}\n0\n", "")
    assert desk.stored_numbers() == list(range(62))
    assert is_whole(desk)


def test_forks_while_the_parents_agent_is_at_work_never_hang(desk: Desk) -> None:
    body = """
for turn in range(40):
    for number in range(25):
        work(turn * 100 + number)
    child = os.fork()
    if child == 0:
        work(turn * 100 + 50)
        sys.exit() if turn % 2 else os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0, status
"""
    ended = desk.python(write_bot(desk, body))
    assert (ended.status, ended.err) == (0, "")
    assert desk.stored_numbers() == sorted(
        turn * 100 + number for turn in range(40) for number in (*range(25), 50)
    )
    assert is_whole(desk)


def open_file_of(link: Path) -> str:
    """The name of the file that a descriptor of `/proc` is; empty if it was closed meanwhile."""
    try:
        return link.readlink().name
    except FileNotFoundError:
        return ""


def test_child_of_a_root_lock_that_was_just_being_taken_does_not_keep_it(desk: Desk) -> None:
    """The lock must be free once the parent is gone, however the threads were interleaved."""
    body = """
children = []
for _ in range(20):
    child = os.fork()
    if child == 0:
        wait_for("stop")
        os._exit(0)
    children.append(child)
say("ready")
sys.stdin.read()
"""
    program = desk.start_python(write_bot(desk, body))
    assert program.line() == "ready"
    eventually(lambda: desk.agent() == program.pid, "the parent to forward")
    children = psutil.Process(program.pid).children()

    def is_held() -> bool:
        links = (link for each in children for link in Path(f"/proc/{each.pid}/fd").iterdir())
        return any(open_file_of(link) == "agent.lock" for link in links)

    # Each looks now and then whether it is free, and opens it for that moment.
    eventually(lambda: not is_held(), "no child to hold the lock")
    desk.write("stop", "")
    assert program.end().status == 0
