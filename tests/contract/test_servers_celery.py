"""celery's prefork pool, which recycles its workers: they leave by `os._exit`, again and again."""

from __future__ import annotations

import signal
import sys
from collections import defaultdict
from contextlib import suppress

import psutil
import pytest

from tests.contract.desk import Desk, Program, command_of, eventually, ids, numbers_in
from tests.contract.serving import SOURCE
from tests.support.receiver import Receiver

TASKS = """
    import os
    from celery import Celery
    from celery.signals import worker_process_init
    import tradespan
    {configure}

    app = Celery("tasks", broker="filesystem://")
    app.conf.update(
        broker_transport_options={{
            "data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control",
            "polling_interval": 0.05,
        }},
        worker_max_tasks_per_child=5,
        worker_prefetch_multiplier=1,
        broker_connection_retry_on_startup=True,
    )

    @tradespan.monitor
    def handle(number):
        return number

    @app.task
    def acknowledge(number):
        handle(number)
        descriptor = os.open("acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(descriptor, b"%d\\n" % number)
        os.close(descriptor)

    @app.task
    def die():
        os.kill(os.getpid(), 9)
    """
CONFIGURE = "tradespan.configure(root={root!r}, endpoint={url!r}, service='tasks')"
IN_EACH = """
    @worker_process_init.connect
    def begin(**_):
        {configure}
    """
WORKER = ("-m", "celery", "-A", "tasks", "worker", "--pool", "prefork", "-c", "2")
QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "WARNING")
SEND = """
    import sys
    from tasks import acknowledge, die
    for number in range(int(sys.argv[1]), int(sys.argv[2])):
        acknowledge.delay(number)
        if sys.argv[3] and number % 20 == 7:
            die.delay()
    """


@pytest.fixture(autouse=True)
def this_place(desk: Desk) -> None:
    desk.environment["PYTHONPATH"] = SOURCE
    (desk.folder / "queue").mkdir()
    (desk.folder / "control").mkdir()


def do_tasks(desk: Desk, *, killing: bool) -> None:
    """Forty tasks, five a process; `killing`: two processes are killed on the way."""
    sender = desk.write("send.py", SEND)
    off = {"TRADESPAN_DISABLED": "1"}
    words = ("0", "40", "killing" if killing else "")
    assert desk.python(sender, *words, environment=off).status == 0
    acknowledged = desk.folder / "acknowledged"
    # One that a dying process had taken along is celery's loss: its call may not have begun.
    least = 36 if killing else 40
    eventually(lambda: len(numbers_in(acknowledged)) >= least, "tasks done", within=60)


def end(desk: Desk, program: Program, *, killing: bool) -> None:
    """Warm, or where workers were killed by `kill -9`.

    celery without tradespan may hang in a warm end then: a worker has died with the lock of the
    results' queue (billiard's `_set_result_sentinel`, seen in 1 of 25 runs).
    """
    if not killing:
        program.process.terminate()
        ended = program.end(60)
        assert ended.status == 0, ended.err
        return
    celery = [each for each in desk.processes() if "celery" in command_of(each)]
    for process in sorted(celery, key=lambda each: each.pid):
        if "run" not in command_of(process):
            with suppress(psutil.NoSuchProcess):
                process.kill()
    assert program.end(60).status in (-signal.SIGKILL, 128 + signal.SIGKILL)


def check(desk: Desk, receiver: Receiver) -> None:
    """Every task that acknowledged is at both destinations, each process under its own id."""
    assert desk.tradespan("agent", "--once", desk.root).status == 0
    stored = desk.stored()
    assert set(numbers_in(desk.folder / "acknowledged")) <= set(desk.stored_numbers())
    assert len(desk.stored_numbers()) == len(set(desk.stored_numbers()))
    assert set(ids(receiver.spans)) == set(ids(stored))
    instances = defaultdict(set)
    for span in stored:
        instances[span.resource["process.pid"]].add(span.resource["service.instance.id"])
    assert len(instances) >= 8
    assert all(len(each) == 1 for each in instances.values())
    assert len(set().union(*instances.values())) == len(instances)


@pytest.mark.parametrize("killing", [False, True], ids=["warm end", "kill -9"])
def test_recycled_and_killed_workers_under_run_lose_nothing(
    desk: Desk, receiver: Receiver, killing: bool
) -> None:
    desk.write("tasks.py", TASKS.format(configure=""))
    program = desk.start_run("--no-ui", "--endpoint", receiver.address, *WORKER, *QUIET)
    do_tasks(desk, killing=killing)
    end(desk, program, killing=killing)
    check(desk, receiver)


@pytest.mark.parametrize("killing", [False, True], ids=["warm end", "kill -9"])
@pytest.mark.parametrize("where", ["in the parent", "in each worker"])
def test_recycled_and_killed_workers_that_configure_themselves_lose_nothing(
    desk: Desk, receiver: Receiver, where: str, killing: bool
) -> None:
    configure = CONFIGURE.format(root=str(desk.root), url=receiver.address)
    if where == "in each worker":
        configure = IN_EACH.format(configure=configure)
    desk.write("tasks.py", TASKS.format(configure=configure))
    program = desk.start(sys.executable, *WORKER, *QUIET)
    do_tasks(desk, killing=killing)
    end(desk, program, killing=killing)
    eventually(lambda: desk.agents() == [], "the end of an agent beside")
    check(desk, receiver)
