"""Deaths that are told late, or by an agent that dies itself; deaths of children."""

from __future__ import annotations

import os
import signal

import psutil
import pytest

from tests.contract.desk import Desk, eventually
from tests.contract.dying import CAUSE, MESSAGE, check_closed, deaths, write_bot
from tests.support.receiver import Receiver
from tradespan.store.rows import SpanDetail

FORKING = """
    import os, signal, sys, threading

    def work(number):
        if number == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    def parent():
        child = os.fork()
        if child == 0:
            work(1)
        os.waitpid(child, 0)
        print("child is dead", flush=True)
        sys.stdin.readline()

    parent()
    """


def test_killed_child_is_told_of_while_its_parent_lives(desk: Desk, receiver: Receiver) -> None:
    bot = write_bot(desk, FORKING)
    run = desk.start_run("-i", r"bot\..*", "--endpoint", receiver.address, bot)
    assert run.line() == "child is dead"

    def closed() -> list[SpanDetail]:
        return [span for span in desk.stored() if span.status_message == MESSAGE]

    (span,) = eventually(closed, "the child's call")
    assert span.name == "bot.work"
    assert span.attributes[CAUSE] == "ended without a word"
    run.say("go on")
    assert run.end().status == 0
    stored = check_closed(desk, receiver, {"bot.work": 1})
    (parent,) = [each for each in desk.stored() if each.name == "bot.parent"]
    assert parent.status == "UNSET"
    assert stored["bot.work"].parent_id == parent.span_id
    assert stored["bot.work"].resource["process.pid"] != parent.resource["process.pid"]


def test_workers_that_end_by_exit_are_no_deaths(desk: Desk) -> None:
    bot = write_bot(
        desk,
        """
        import multiprocessing
        def work(number):
            return number
        if __name__ == "__main__":
            with multiprocessing.get_context("fork").Pool(2) as pool:
                print(sum(pool.map(work, range(20))))
                pool.close()
                pool.join()
        """,
    )
    ended = desk.run("-i", r"bot\.work", bot)
    assert (ended.status, ended.out, ended.err) == (0, "190\n", "")
    assert len(desk.stored()) == 20
    assert deaths(desk) == []
    check_closed(desk, None, {})


WAITING = """
    import os, sys
    from tradespan import monitor

    @monitor(durable=True)
    def submit(symbol):
        print(os.getpid(), flush=True)
        sys.stdin.readline()

    def work():
        submit("ETH")

    work()
    """


def test_agent_that_comes_later_closes_what_an_earlier_run_left(
    desk: Desk, receiver: Receiver
) -> None:
    """Bot, agent and supervisor are gone: the start-up path is the recovery path."""
    bot = write_bot(desk, WAITING)
    run = desk.start_run("-i", r"bot\..*", "--endpoint", receiver.address, bot)
    pid = int(run.line())
    _, agent = desk.children(run)
    run.send(signal.SIGKILL)
    agent.kill()
    os.kill(pid, signal.SIGKILL)
    run.process.wait()
    eventually(lambda: not psutil.pid_exists(pid), "the bot's end")

    words = ("agent", "--once", "--endpoint", receiver.address, desk.root)
    assert desk.tradespan(*words).status == 0
    spans = check_closed(desk, receiver, {"bot.work": 1, "bot.submit": 1})
    assert spans["bot.submit"].attributes["tradespan.args.symbol"] == "'ETH'"
    assert spans["bot.submit"].attributes[CAUSE] == "ended without a word"
    assert desk.tradespan(*words).status == 0
    check_closed(desk, receiver, {"bot.work": 1, "bot.submit": 1})


INTERRUPTED = """
    import os, signal, sys
    if "agent" in sys.orig_argv and os.environ.get("DIE_AT"):
        from tradespan.forward import death
        point, left = os.environ["DIE_AT"], [None]

        def dying(name, module, attribute):
            bare = getattr(module, attribute)
            def then_die(*args, **kwargs):
                if name == f"before {attribute}":
                    os.kill(os.getpid(), signal.SIGKILL)
                result = bare(*args, **kwargs)
                os.kill(os.getpid(), signal.SIGKILL)
            setattr(module, attribute, then_die)

        kind, where = point.split()
        if where == "rename":
            bare = os.rename
            def rename(source, target):
                if not str(target).endswith(".seg"):
                    return bare(source, target)
                if kind == "after":
                    bare(source, target)
                os.kill(os.getpid(), signal.SIGKILL)
            os.rename = rename
        else:
            dying(point, death, where)
    """


@pytest.mark.parametrize(
    "point",
    [
        "before write_segment",
        "after write_segment",
        "before rename",
        "after rename",
        "before replace_json",
        "after replace_json",
    ],
)
def test_agent_killed_while_closing_is_followed_by_one_who_goes_on(
    desk: Desk, receiver: Receiver, point: str
) -> None:
    desk.write("sitecustomize.py", INTERRUPTED)
    run = desk.start_python(
        write_bot(
            desk,
            """
            import os, signal, sys, tradespan
            endpoint = sys.argv[1]
            tradespan.configure(
                service="bot", root="root", forwarder="external", endpoint=endpoint
            )

            @tradespan.monitor(durable=True)
            def submit(symbol):
                os.kill(os.getpid(), signal.SIGKILL)

            @tradespan.monitor
            def work():
                submit("SOL")

            work()
            """,
        ),
        receiver.address,
    )
    assert run.end().status == -signal.SIGKILL
    words = ("agent", "--once", "--endpoint", receiver.address, desk.root)
    dying = {"PYTHONPATH": str(desk.folder), "DIE_AT": point}
    assert desk.tradespan(*words, environment=dying).status == -signal.SIGKILL

    assert desk.tradespan(*words).status == 0
    names = {"bot.work": 1, "bot.submit": 1}
    span = check_closed(desk, receiver, names)["bot.submit"]
    assert span.attributes["tradespan.args.symbol"] == "'SOL'"
    (note,) = deaths(desk)
    assert note["open_count"] == 2
    assert desk.tradespan(*words).status == 0
    check_closed(desk, receiver, names)


def test_child_that_faults_leaves_its_dump_in_its_own_file(desk: Desk) -> None:
    bot = write_bot(desk, FORKING.replace("os.kill(os.getpid(), signal.SIGKILL)", "os.abort()"))
    run = desk.start_run("-i", r"bot\..*", bot)
    assert run.line() == "child is dead"
    run.say("go on")
    assert run.end().status == 0
    (note,) = deaths(desk)
    assert note["cause"] == "SIGABRT"
    assert note["fault"][0] == "Fatal Python error: Aborted"
