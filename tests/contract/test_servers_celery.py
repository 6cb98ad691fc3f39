"""celery's prefork pool, which recycles its workers: they leave by `os._exit`, again and again."""

from __future__ import annotations

import sys
from collections import defaultdict

import pytest

from tests.contract.desk import Desk, Program, eventually, ids, numbers_in
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
        if number % 20 == 7:
            die.delay()
    """


@pytest.fixture(autouse=True)
def this_place(desk: Desk) -> None:
    desk.environment["PYTHONPATH"] = SOURCE
    (desk.folder / "queue").mkdir()
    (desk.folder / "control").mkdir()


def go_through_a_life(desk: Desk, program: Program) -> None:
    """Forty tasks, five a process, two processes killed; a warm end."""
    sender = desk.write("send.py", SEND)
    off = {"TRADESPAN_DISABLED": "1"}
    assert desk.python(sender, "0", "40", environment=off).status == 0
    acknowledged = desk.folder / "acknowledged"
    # One that a dying process had taken along is celery's loss: its call may not have begun.
    eventually(lambda: len(numbers_in(acknowledged)) >= 36, "tasks done", within=60)
    program.process.terminate()
    ended = program.end(60)
    assert ended.status == 0, ended.err


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


def test_recycled_and_killed_workers_under_run_lose_nothing(desk: Desk, receiver: Receiver) -> None:
    desk.write("tasks.py", TASKS.format(configure=""))
    words = ("--no-ui", "--endpoint", receiver.address, *WORKER, *QUIET)
    go_through_a_life(desk, desk.start_run(*words))
    check(desk, receiver)


@pytest.mark.parametrize("where", ["in the parent", "in each worker"])
def test_recycled_and_killed_workers_that_configure_themselves_lose_nothing(
    desk: Desk, receiver: Receiver, where: str
) -> None:
    configure = CONFIGURE.format(root=str(desk.root), url=receiver.address)
    if where == "in each worker":
        configure = IN_EACH.format(configure=configure)
    desk.write("tasks.py", TASKS.format(configure=configure))
    go_through_a_life(desk, desk.start(sys.executable, *WORKER, *QUIET))
    check(desk, receiver)
