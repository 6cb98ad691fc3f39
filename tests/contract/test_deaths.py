"""How a bot dies is told: what ran is closed as failed, exactly once, everywhere, with the cause.

Real processes that really die; the store, and a receiver that really receives.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.contract.desk import TRADESPAN, Desk, eventually
from tests.support.receiver import Receiver
from tradespan.store.rows import SpanDetail

MESSAGE = "process ended while running"
CAUSE = "tradespan.death.cause"

BOT = """
    import ctypes, os, signal, sys, threading
    from tradespan import monitor

    def die(how):
        if how == "SIGSEGV":
            ctypes.string_at(0)
        elif how == "SIGABRT":
            os.abort()
        elif how == "os._exit":
            os._exit(3)
        elif how == "sys.exit":
            sys.exit(4)
        else:
            os.kill(os.getpid(), getattr(signal, how))

    @monitor(durable=True)
    def submit(symbol, quantity):
        die(sys.argv[1])

    def before(number): pass

    def work():
        submit("BTC", 3)

    for number in range(5):
        before(number)
    work()
    """


def write_bot(desk: Desk, text: str = BOT) -> Path:
    return desk.write("bot.py", text)


def deaths(desk: Desk) -> list[dict[str, Any]]:
    return [note for folder in desk.folders() for note in folder.deaths()]


def check_closed(
    desk: Desk, receiver: Receiver | None, closed: dict[str, int]
) -> dict[str, SpanDetail]:
    """Name → the closed span in the store; `closed`: how many of each there have to be."""
    stored = [span for span in desk.stored() if span.status_message == MESSAGE]
    assert Counter(span.name for span in stored) == closed
    assert not [span for span in desk.stored() if span.running]
    for span in stored:
        assert span.status == "ERROR"
    if receiver is not None:
        received = [span for span in receiver.spans if span.status_message == MESSAGE]
        assert Counter(span.name for span in received) == closed
        assert {span.status_code for span in received} <= {2}
        counts = Counter(span.span_id for span in receiver.spans)
        assert set(counts.values()) == {1}, "nothing twice"
        for one in received:
            (same,) = [span for span in stored if span.span_id == one.span_id]
            assert one.resource["service.instance.id"] == same.resource["service.instance.id"]
    check_books(desk)
    return {span.name: span for span in stored}


def check_books(desk: Desk) -> None:
    for folder in desk.folders():
        drained = folder.drained
        assert drained is not None
        assert drained["complete"] is True
        for sink in drained["sinks"].values():
            assert sink["unaccounted"] == 0
            assert sink["accepted"] == drained["recorded"]
        assert folder.segments() == []
        assert [*folder.path.glob("*.inflight*")] == []


@pytest.mark.parametrize("way", ["native", "pure"])
@pytest.mark.parametrize(
    ("how", "status", "cause"),
    [
        ("SIGSEGV", 128 + signal.SIGSEGV, "SIGSEGV"),
        ("SIGABRT", 128 + signal.SIGABRT, "SIGABRT"),
        ("SIGKILL", 128 + signal.SIGKILL, "SIGKILL"),
        ("os._exit", 3, "exit status 3, by os._exit"),
    ],
)
def test_what_ran_when_the_bot_died_is_closed_everywhere_once(
    desk: Desk, receiver: Receiver, way: str, how: str, status: int, cause: str
) -> None:
    desk.environment["TRADESPAN_PURE"] = "1" if way == "pure" else "0"
    words = ("-i", r"bot\.(work|before)", "--endpoint", receiver.address, write_bot(desk), how)
    ended = desk.run(*words)

    assert ended.status == status
    spans = check_closed(desk, receiver, {"bot.work": 1, "bot.submit": 1})
    order = spans["bot.submit"]
    assert order.attributes["tradespan.args.symbol"] == "'BTC'"
    assert order.attributes["tradespan.args.quantity"] == 3
    for span in spans.values():
        assert span.attributes[CAUSE] == cause
        assert span.duration >= 0
        assert span.trace_id == order.trace_id
        # As of the process that died, not of the agent that wrote it.
        befores = [each for each in desk.stored() if each.name == "bot.before"]
        assert len(befores) == 5
        assert {str(each.resource) for each in befores} == {str(span.resource)}
    (note,) = deaths(desk)
    assert (note["cause"], note["how"], note["open_count"]) == (cause, "died", 2)
    assert [call["name"] for call in note["open"]] == ["bot.work", "bot.submit"]
    if how in {"SIGSEGV", "SIGABRT"}:
        assert note["fault"][0].startswith("Fatal Python error: ")
        assert any("in submit" in line for line in note["fault"])
    assert f"{cause}, 2 calls open: bot.work, bot.submit; see: tradespan trace" in ended.err
    assert ended.err.count("tradespan: died") == 1
    listed = desk.tradespan("deaths", "--root", desk.root)
    assert cause in listed.out
    assert f"tradespan trace {order.trace_id}" in listed.out


def test_exit_beside_a_call_of_another_thread_is_told_of_that_call(
    desk: Desk, receiver: Receiver
) -> None:
    bot = write_bot(
        desk,
        """
        import sys, threading
        began = threading.Event()

        def listen():
            began.set()
            threading.Event().wait()

        threading.Thread(target=listen, daemon=True).start()
        began.wait()
        sys.exit(4)
        """,
    )
    ended = desk.run("-i", r"bot\.listen", "--endpoint", receiver.address, bot)
    assert (ended.status, ended.err) == (4, "")
    span = check_closed(desk, receiver, {"bot.listen": 1})["bot.listen"]
    assert span.attributes[CAUSE] == "exit status 4"
    assert span.attributes["process.exit.code"] == 4
    (note,) = deaths(desk)
    assert note["how"] == "ended"


def test_unhandled_exception_is_told_with_its_frames_and_leaves_nothing_open(desk: Desk) -> None:
    bot = write_bot(
        desk,
        """
        def price(symbol):
            raise LookupError(f"no price for {symbol}")
        def work():
            price("BTC")
        work()
        """,
    )
    bare = desk.python(bot)
    ended = desk.run("-i", r"bot\..*", bot)
    assert (ended.status, ended.err) == (bare.status, bare.err)
    check_closed(desk, None, {})
    (note,) = deaths(desk)
    assert note["cause"] == "LookupError: no price for BTC"
    frames = note["exception"]["frames"]
    assert [frame[2] for frame in frames] == ["<module>", "work", "price"]
    assert {frame[0] for frame in frames} == {str(bot)}


def test_bot_that_is_asked_to_end_has_stopped_and_not_died(desk: Desk, receiver: Receiver) -> None:
    ended = desk.run(
        "-i", r"bot\.work", "--endpoint", receiver.address, write_bot(desk), "SIGTERM"
    )
    assert (ended.status, ended.err) == (128 + signal.SIGTERM, "")
    check_closed(desk, receiver, {"bot.work": 1, "bot.submit": 1})
    (note,) = deaths(desk)
    assert (note["how"], note["cause"]) == ("stopped", "SIGTERM")


def test_ordinary_end_leaves_no_table_and_no_note(desk: Desk) -> None:
    assert desk.run("-i", r"bot\.before", write_bot(desk), "sys.exit").status == 4
    assert deaths(desk) == []
    folder = desk.folder_of_run.path
    left = [each.name for each in folder.iterdir() if each.suffix in {".inflight", ".fault"}]
    assert left == []
    assert "No process" in desk.tradespan("deaths", "--root", desk.root).out


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
        import builtins
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
        module = {"write_segment": death, "replace_json": death, "rename": death.os}[where]
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
            dying(point, module, where)
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


def test_clean_end_in_code_is_none_and_a_kill_is_one(desk: Desk) -> None:
    text = """
        import os, signal, sys, tradespan
        tradespan.configure(service="bot", root="root", forwarder="external")
        @tradespan.monitor
        def work():
            if sys.argv[1] == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
        work()
        """
    bot = write_bot(desk, text)
    assert desk.python(bot, "end").status == 0
    assert desk.python(bot, "kill").status == -signal.SIGKILL
    assert desk.tradespan("agent", "--once", desk.root).status == 0
    assert check_closed(desk, None, {"bot.work": 1})["bot.work"].attributes[CAUSE]
    (note,) = deaths(desk)
    assert note["cause"] == "ended without a word"


def test_exception_in_code_is_written_and_the_user_s_hook_is_called(desk: Desk) -> None:
    bot = write_bot(
        desk,
        """
        import sys, tradespan
        def mine(kind, error, trace):
            print("mine", error, flush=True)
        sys.excepthook = mine
        tradespan.configure(service="bot", root="root", forwarder="external")
        @tradespan.monitor
        def work():
            raise LookupError("password=hunter2")
        work()
        """,
    )
    assert desk.python(bot).out == "mine password=hunter2\n"
    (path,) = desk.folder_of_run.path.glob("exception-*.json")
    assert "LookupError" in path.read_text()
    assert "hunter2" not in path.read_text()


def test_faulthandler_of_the_user_stays_his(desk: Desk) -> None:
    bot = write_bot(
        desk,
        """
        import ctypes, faulthandler
        faulthandler.enable(open("mine.txt", "w"))
        def work():
            ctypes.string_at(0)
        work()
        """,
    )
    assert desk.run("-i", r"bot\.work", bot).status == 128 + signal.SIGSEGV
    assert "Segmentation fault" in (desk.folder / "mine.txt").read_text()
    (note,) = deaths(desk)
    assert (note["cause"], note["fault"]) == ("SIGSEGV", [])


def test_child_that_faults_leaves_its_dump_in_its_own_file(desk: Desk) -> None:
    bot = write_bot(desk, FORKING.replace("os.kill(os.getpid(), signal.SIGKILL)", "os.abort()"))
    run = desk.start_run("-i", r"bot\..*", bot)
    assert run.line() == "child is dead"
    run.say("go on")
    assert run.end().status == 0
    (note,) = deaths(desk)
    assert note["cause"] == "SIGABRT"
    assert note["fault"][0] == "Fatal Python error: Aborted"


def memory_cgroup() -> Path | None:
    """A new memory cgroup of 96 MiB; None where none can be made."""
    name = f"tradespan-{os.getpid()}"
    for place, limit in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max"),
    ):
        group = place / name
        try:
            group.mkdir()
            (group / limit).write_text(str(96 << 20))
        except OSError:
            if group.is_dir():
                group.rmdir()
            continue
        return group
    return None


def test_bot_that_the_kernel_kills_for_memory_is_told_so(desk: Desk) -> None:
    group = memory_cgroup()
    if group is None:
        pytest.skip("no memory cgroup can be made here")
    bot = write_bot(
        desk,
        """
        def grow():
            held = []
            while True:
                held.append(bytearray(b"x" * (1 << 20)))
        grow()
        """,
    )
    inside = desk.write("inside.sh", f'echo $$ > {group}/cgroup.procs && exec "$@"\n')
    try:
        words = (TRADESPAN, "run", "--root", desk.root, "-i", r"bot\.grow", bot)
        ended = desk.start("sh", inside, *words).end()
        assert ended.status == 128 + signal.SIGKILL
        assert "SIGKILL, out of memory, 1 call open: bot.grow" in ended.err
        span = check_closed(desk, None, {"bot.grow": 1})["bot.grow"]
        assert span.attributes[CAUSE] == "SIGKILL, out of memory"
    finally:
        desk.close()
        eventually(lambda: not (group / "cgroup.procs").read_text(), "an empty cgroup")
        group.rmdir()
