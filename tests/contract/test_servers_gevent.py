"""Programs that gevent has patched: greenlets in the place of threads, our own included."""

from __future__ import annotations

import pytest

from tests.contract.desk import Desk, ids, resources_of
from tests.contract.serving import SOURCE
from tests.support.receiver import Receiver

CONFIGURE = "tradespan.configure(root='root', endpoint={url!r})"

BOT = """
    {before}
    from gevent import monkey
    monkey.patch_all()
    import os, sys, threading
    import gevent
    import tradespan
    {after}

    @tradespan.monitor
    def inner(number):
        gevent.sleep(0)
        return number

    @tradespan.monitor
    def work(number):
        gevent.sleep(0.001 * (number % 3))
        return inner(number)

    gevent.joinall([gevent.spawn(work, number) for number in range(100)], raise_error=True)
    threads = [threading.Thread(target=work, args=(number,)) for number in range(100, 120)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Real threads beside the greenlets.
    gevent.get_hub().threadpool.map(work, range(120, 140))
    {end}
    """

WHERE = {
    "after patching": {"before": "", "after": CONFIGURE},
    "before patching": {"before": f"import tradespan; {CONFIGURE}", "after": ""},
}


@pytest.fixture(autouse=True)
def this_source(desk: Desk) -> None:
    desk.environment["PYTHONPATH"] = SOURCE


def check(desk: Desk, receiver: Receiver, numbers: range) -> None:
    """Each call once, at both destinations, and each under its own parent."""
    stored = desk.stored()
    assert len(stored) == 2 * len(numbers)
    assert ids(receiver.spans) == ids(stored)
    spans = {span.span_id: span for span in receiver.spans}
    inner = [span for span in receiver.spans if span.name.endswith("inner")]
    assert sorted(number_of(span) for span in inner) == list(numbers)
    for span in inner:
        assert number_of(spans[span.parent_id]) == number_of(span)


def number_of(span: object) -> int:
    attributes: dict[str, int] = getattr(span, "attributes")  # noqa: B009 - of a plain object
    return attributes["tradespan.args.number"]


def format_for(where: str, receiver: Receiver, end: str = "") -> str:
    parts = {key: text.format(url=receiver.address) for key, text in WHERE[where].items()}
    return BOT.format(**parts, end=end)


@pytest.mark.parametrize("where", WHERE)
def test_greenlets_are_recorded_and_delivered_at_exit(
    desk: Desk, receiver: Receiver, where: str
) -> None:
    ended = desk.python(desk.write("bot.py", format_for(where, receiver)))
    assert (ended.status, ended.err) == (0, "")
    check(desk, receiver, range(140))


def test_greenlets_under_run_are_recorded(desk: Desk, receiver: Receiver) -> None:
    bot = desk.write("bot.py", BOT.format(before="", after="", end=""))
    ended = desk.run("--no-ui", "--endpoint", receiver.address, bot)
    assert (ended.status, ended.err) == (0, "")
    check(desk, receiver, range(140))


@pytest.mark.parametrize("where", WHERE)
def test_killed_program_of_greenlets_leaves_every_span_that_had_ended(
    desk: Desk, receiver: Receiver, where: str
) -> None:
    end = "import signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert desk.python(desk.write("bot.py", format_for(where, receiver, end))).status == -9
    assert desk.tradespan("agent", "--once", "root").status == 0
    stored = desk.stored()
    assert len(stored) == 280
    assert set(ids(receiver.spans)) == set(ids(stored))


FORK = """
    children = []
    for number in (140, 141):
        child = os.fork()
        if child == 0:
            gevent.joinall([gevent.spawn(work, number)], raise_error=True)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    work(142)
    """


@pytest.mark.parametrize("where", WHERE)
def test_forked_children_of_a_patched_program_are_recorded(
    desk: Desk, receiver: Receiver, where: str
) -> None:
    ended = desk.python(desk.write("bot.py", format_for(where, receiver, FORK)))
    assert (ended.status, ended.err) == (0, "")
    check(desk, receiver, range(143))
    assert len(resources_of(receiver.spans)) == 3


def test_dead_receiver_delays_the_exit_of_a_patched_program_little(
    desk: Desk, receiver: Receiver
) -> None:
    receiver.stop()
    ended = desk.python(desk.write("bot.py", format_for("after patching", receiver)))
    assert (ended.status, ended.err) == (0, "")
    assert ended.seconds < 10.0
    receiver.start()
    assert desk.tradespan("agent", "--once", "root").status == 0
    check(desk, receiver, range(140))


PATCHING = """
    import os, tradespan
    tradespan.configure(root="root", endpoint={url!r})

    @tradespan.monitor
    def work(number):
        return number

    def count_threads():
        return len(os.listdir("/proc/self/task"))

    before = count_threads()
    from gevent import monkey
    monkey.patch_all()
    print(before > 1, count_threads())
    work(1)
    print(tradespan.flush(20.0))
    """


def test_threads_that_forward_end_before_gevent_patches_and_begin_as_greenlets(
    desk: Desk, receiver: Receiver
) -> None:
    ended = desk.python(desk.write("bot.py", PATCHING.format(url=receiver.address)))
    assert (ended.status, ended.out, ended.err) == (0, "True 1\nTrue\n", "")
    assert len(receiver.spans) == 1


SHUT_DOWN = """
    import tradespan
    tradespan.configure(root="root")
    tradespan.shutdown()
    from gevent import monkey
    monkey.patch_all()
    import gevent
    from pathlib import Path
    from tradespan.spool.folder import RootLock
    gevent.sleep(0.2)
    print(RootLock(Path("root")).is_free())
    """


def test_program_that_was_shut_down_forwards_no_more_when_gevent_patches(desk: Desk) -> None:
    ended = desk.python(desk.write("bot.py", SHUT_DOWN))
    assert (ended.status, ended.out, ended.err) == (0, "True\n", "")
