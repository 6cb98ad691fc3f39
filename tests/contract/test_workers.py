"""Bots of several processes: forked, spawned, or workers that share one spool."""

from __future__ import annotations

import os
import signal

import psutil
import pytest

from tests.contract.desk import Desk, Program, command_of, eventually, ids, resources_of
from tests.support.receiver import Receiver

FORKING = """
    import os, sys
    import tradespan
    {configure}

    @tradespan.monitor
    def work(number):
        return number

    work(0)
    children = []
    for number in (1, 2):
        child = os.fork()
        if child == 0:
            work(number)
            {end}
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    work(3)
    """


@pytest.mark.parametrize("end", ["os._exit(0)", "sys.exit()"])
def test_forked_children_are_recorded_as_instances_of_their_own(
    desk: Desk, receiver: Receiver, end: str
) -> None:
    configure = f"tradespan.configure(root='root', endpoint={receiver.address!r})"
    ended = desk.python(desk.write("bot.py", FORKING.format(configure=configure, end=end)))
    assert (ended.status, ended.err) == (0, "")
    assert desk.stored_numbers() == [0, 1, 2, 3]
    assert ids(receiver.spans) == ids(desk.stored())
    assert len(resources_of(receiver.spans)) == 3
    by_number = {span.attributes["tradespan.args.number"]: span for span in receiver.spans}
    instances = [by_number[n].resource["service.instance.id"] for n in range(4)]
    assert instances[0] == instances[3]
    assert len(set(instances)) == 3


def test_forked_children_under_run_are_recorded(desk: Desk) -> None:
    bot = desk.write("bot.py", FORKING.format(configure="", end="os._exit(0)"))
    ended = desk.run(bot)
    assert (ended.status, ended.err) == (0, "")
    assert desk.stored_numbers() == [0, 1, 2, 3]
    assert len(resources_of(desk.stored())) == 3


MULTIPROCESSING = """
    import multiprocessing, os

    def work(number):
        return number + os.getpid() * 0

    if __name__ == "__main__":
        context = multiprocessing.get_context({method!r})
        with context.Pool(2) as pool:
            print(sum(pool.map(work, range(20), chunksize=1)))
        work(20)
    """


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_workers_of_multiprocessing_are_recorded(desk: Desk, method: str) -> None:
    bot = desk.write("bot.py", MULTIPROCESSING.format(method=method))
    ended = desk.run("-i", r"bot\.work", bot)
    assert (ended.status, ended.out, ended.err) == (0, "190\n", "")
    assert desk.stored_numbers() == list(range(21))
    assert len(resources_of(desk.stored())) >= 2


def test_python_programs_that_the_bot_starts_are_recorded_too(desk: Desk) -> None:
    desk.write("child.py", "def work(number): pass\n")
    bot = desk.write(
        "bot.py",
        """
        import subprocess, sys
        def work(number): pass
        work(0)
        subprocess.run([sys.executable, "-c", "import child; child.work(1)"], check=True)
        """,
    )
    ended = desk.run("-i", r"(bot|child)\.work", bot)
    assert (ended.status, ended.err) == (0, "")
    assert desk.stored_numbers() == [0, 1]


def test_python_programs_that_the_bot_starts_can_be_left_alone(desk: Desk) -> None:
    bot = desk.write(
        "bot.py",
        """
        import os, subprocess, sys
        def work(number): pass
        work(0)
        show = "import os, sys; print('tradespan' in sys.modules, os.environ.get('PYTHONPATH'))"
        subprocess.run([sys.executable, "-c", show], check=True)
        """,
    )
    ended = desk.run("-i", r"bot\.work", bot, environment={"TRADESPAN_FOLLOW": "0"})
    assert (ended.status, ended.out) == (0, "False None\n")
    assert desk.stored_numbers() == [0]


WORKER = """
    import sys
    import tradespan
    tradespan.configure(service="web", spool="spool", endpoint=sys.argv[1])

    @tradespan.monitor
    def handle(number):
        return number

    print("ready", flush=True)
    for line in sys.stdin:
        handle(int(line))
        print("handled", flush=True)
    """


@pytest.fixture
def workers(desk: Desk, receiver: Receiver) -> list[Program]:
    """As gunicorn has them: processes of one service, each of which configures the same spool."""
    desk.root = desk.folder / "spool"
    script = desk.write("worker.py", WORKER)
    workers = [desk.start_python(script, receiver.address) for _ in range(4)]
    for worker in workers:
        assert worker.line() == "ready"
    return workers


def handle(worker: Program, number: int) -> None:
    worker.say(str(number))
    assert worker.line() == "handled"


def test_of_workers_that_share_a_spool_exactly_one_forwards(
    desk: Desk, receiver: Receiver, workers: list[Program]
) -> None:
    for number in range(40):
        handle(workers[number % 4], number)
    receiver.wait_for(lambda spans: len(spans) == 40)
    owner = eventually(desk.agent)
    pids = [worker.pid for worker in workers]
    assert owner in pids
    senders = [
        pid
        for pid in pids
        if any(
            connection.raddr[1:] == (receiver.port,)
            for connection in psutil.Process(pid).net_connections()
        )
    ]
    assert senders == [owner]
    eventually(lambda: desk.stored_numbers() == list(range(40)))
    assert [worker.end().status for worker in workers] == [0, 0, 0, 0]
    assert ids(receiver.spans) == ids(desk.stored())
    assert len(resources_of(receiver.spans)) == 4


def test_another_worker_forwards_when_the_first_is_killed(
    desk: Desk, receiver: Receiver, workers: list[Program]
) -> None:
    handle(workers[0], 0)
    receiver.wait_for(lambda spans: len(spans) == 1)
    owner = eventually(desk.agent)
    left = [worker for worker in workers if worker.pid != owner]
    os.kill(owner, signal.SIGKILL)
    for number, worker in enumerate(left, start=1):
        handle(worker, number)
    receiver.wait_for(lambda spans: len({span.span_id for span in spans}) == 4)
    heir = eventually(lambda: desk.agent() not in (0, owner) and desk.agent())
    assert heir in [worker.pid for worker in left]
    assert [worker.end().status for worker in left] == [0, 0, 0]
    assert desk.stored_numbers() == [0, 1, 2, 3]


def test_worker_that_does_not_forward_ends_quickly_with_a_dead_receiver(
    desk: Desk, receiver: Receiver, workers: list[Program]
) -> None:
    receiver.stop()
    for number, worker in enumerate(workers):
        handle(worker, number)
    owner = eventually(desk.agent)
    other = next(worker for worker in workers if worker.pid != owner)
    eventually(lambda: desk.stored_numbers() == [0, 1, 2, 3])
    eventually(lambda: '"failing": true' in (desk.root / "agent.json").read_text())
    assert other.end(8.0).status == 0
    receiver.start()
    received = receiver.wait_for(lambda spans: len(spans) >= 4, timeout=30)
    assert sorted(span.attributes["tradespan.args.number"] for span in received) == [0, 1, 2, 3]


def test_no_worker_of_the_desk_is_left(desk: Desk) -> None:
    """The fixture itself: what a test leaves behind would disturb the next one."""
    program = desk.start_python("-c", "import sys; print('up', flush=True); sys.stdin.read()")
    assert program.line() == "up"
    assert [each.pid for each in desk.processes()] == [program.pid]
    assert command_of(psutil.Process(program.pid))
    desk.close()
    assert desk.processes() == []
