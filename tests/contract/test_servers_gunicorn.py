"""gunicorn with workers of every kind that we have: reloads, killed workers, both ways to begin."""

from __future__ import annotations

import signal
import sys

import pytest

from tests.contract.desk import Desk, Program, ids
from tests.contract.serving import APPLICATION, SOURCE, Web
from tests.support.receiver import Receiver

KINDS = {
    "sync": ("-k", "sync"),
    "gthread": ("-k", "gthread", "--threads", "4"),
    "gevent": ("-k", "gevent"),
}
GUNICORN = ("-m", "gunicorn", "-b", "127.0.0.1:0", "-w", "2", "--graceful-timeout", "60")


@pytest.fixture(autouse=True)
def this_source(desk: Desk) -> None:
    desk.environment["PYTHONPATH"] = SOURCE


def go_through_a_life(desk: Desk, program: Program) -> None:
    """Two workers, one killed, all reloaded, a polite end; then look at what was recorded."""
    web = Web(desk, program)
    first = web.ask_until(2)
    for _ in range(40):
        web.ask()
    killed = web.kill_a_worker()
    heirs = web.ask_until(1, beside=first)
    # Under `run` it is the supervisor that gets the signals, and passes them on.
    program.send(signal.SIGHUP)
    reloaded = web.ask_until(2, beside=first | heirs)
    assert killed not in reloaded
    for _ in range(20):
        web.ask()
    program.send(signal.SIGTERM)
    ended = program.end()
    assert ended.status == 0, ended.err
    assert len(set(web.answered.values())) >= 5
    web.check()


@pytest.mark.parametrize("kind", KINDS)
def test_workers_under_run_lose_nothing_in_reloads_and_kills(desk: Desk, kind: str) -> None:
    desk.write("web.py", APPLICATION.format(head="", decorator=""))
    program = desk.start_run("--no-ui", "-i", r"web\.handle", *GUNICORN, *KINDS[kind], "web:app")
    go_through_a_life(desk, program)


CONFIGURE = "import tradespan; tradespan.configure(root={root!r}, service='web', endpoint={url!r})"


def start_in_code(desk: Desk, url: str, where: str, kind: str) -> Program:
    """`where` it calls `configure()`: in each worker, or in the master before it forks."""
    configure = CONFIGURE.format(root=str(desk.root), url=url)
    head = "import tradespan" if where == "post_fork" else configure
    desk.write("web.py", APPLICATION.format(head=head, decorator="@tradespan.monitor"))
    settings = "preload_app = True\n" if where == "preloaded" else ""
    if where == "post_fork":
        settings = f"def post_fork(server, worker):\n    {configure}\n"
    desk.write("gunicorn.conf.py", settings)
    return desk.start(sys.executable, *GUNICORN, *KINDS[kind], "web:app")


@pytest.mark.parametrize(
    ("where", "kind"),
    [
        ("post_fork", "sync"),
        ("post_fork", "gevent"),
        ("application", "gthread"),
        ("preloaded", "gthread"),
        ("preloaded", "gevent"),
    ],
)
def test_workers_that_configure_themselves_lose_nothing(
    desk: Desk, receiver: Receiver, where: str, kind: str
) -> None:
    go_through_a_life(desk, start_in_code(desk, receiver.address, where, kind))
    # What the last of them left is the next start's.
    assert desk.tradespan("agent", "--once", desk.root).status == 0
    assert set(ids(receiver.spans)) == set(ids(desk.stored()))


def test_killed_master_and_workers_leave_what_they_answered(desk: Desk, receiver: Receiver) -> None:
    program = start_in_code(desk, receiver.address, "post_fork", "gthread")
    web = Web(desk, program)
    web.ask_until(2)
    for process in [*web.master.children(), web.master]:
        process.kill()
    assert program.end().status == -signal.SIGKILL
    assert desk.tradespan("agent", "--once", desk.root).status == 0
    web.check()
    assert set(ids(receiver.spans)) == set(ids(desk.stored()))
