"""How a bot dies is told: what ran is closed as failed, exactly once, everywhere, with the cause.

Real processes that really die; the store, and a receiver that really receives.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.contract.desk import TRADESPAN, Desk, eventually
from tests.contract.dying import CAUSE, check_closed, deaths, write_bot
from tests.support.receiver import Receiver

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
    words = ("-i", r"bot\.(work|before)", "--endpoint", receiver.address, write_bot(desk, BOT), how)
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
        "-i", r"bot\.work", "--endpoint", receiver.address, write_bot(desk, BOT), "SIGTERM"
    )
    assert (ended.status, ended.err) == (128 + signal.SIGTERM, "")
    check_closed(desk, receiver, {"bot.work": 1, "bot.submit": 1})
    (note,) = deaths(desk)
    assert (note["how"], note["cause"]) == ("stopped", "SIGTERM")


def test_ordinary_end_leaves_no_table_and_no_note(desk: Desk) -> None:
    assert desk.run("-i", r"bot\.before", write_bot(desk, BOT), "sys.exit").status == 4
    assert deaths(desk) == []
    folder = desk.folder_of_run.path
    left = [each.name for each in folder.iterdir() if each.suffix in {".inflight", ".fault"}]
    assert left == []
    told = desk.tradespan("deaths", "--root", desk.root)
    assert (told.status, told.out) == (0, "")
    assert f"no process of a run below {desk.root} died" in told.err


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


def test_processes_that_end_in_order_leave_no_files_of_theirs(desk: Desk) -> None:
    bot = write_bot(
        desk,
        """
        import os, subprocess, sys
        def work():
            if sys.argv[1:]:
                return
            subprocess.run([sys.executable, __file__, "child"], check=True)
            if os.fork() == 0:
                sys.exit(0)
            os.wait()
        work()
        """,
    )
    assert desk.run("-i", r"bot\.work", bot).status == 0
    coded = desk.write(
        "coded.py",
        """
        import tradespan
        tradespan.configure(service="bot", root="root", forwarder="external")
        @tradespan.monitor
        def work(): pass
        work()
        """,
    )
    assert desk.python(coded).status == 0
    for folder in desk.folders():
        kinds = {path.suffix for path in folder.path.iterdir()}
        assert kinds <= {".json", ".page", ".metrics", ".seg"}
