"""Open orders under `tradespan run`: told with the death, taken over by the next run, listed."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

from tests.contract.desk import Desk, eventually
from tests.contract.dying import deaths
from tradespan.forward.death import STATUS_MESSAGE
from tradespan.pages.orders import tables_in

BOT = """
    import os, signal, sys, time
    from tradespan import monitor
    from tradespan.core.orders import OpenOrder
    from tradespan.signals.slot import SIGNALS

    table = SIGNALS.open_orders
    for row in table.adopt():
        print("adopted", row.client_id, row.state, flush=True)

    def send(client_id, side):
        now = time.time_ns()
        table.put(OpenOrder(client_id, symbol="BTC-USDT", venue="binance", side=side, type="limit",
                            state="New", quantity="1.50", cumulative="0.25", price="64000.10",
                            submitted=now, changed=now))

    @monitor
    def trade(words):
        for word in words:
            if word.startswith("SIG"):
                os.kill(os.getpid(), getattr(signal, word))
            elif word == "raise":
                raise LookupError("no price")
            elif word == "wait":
                print("waits", flush=True)
                sys.stdin.readline()
            elif word.startswith("-"):
                table.drop(word[1:])
            else:
                send(word, "buy" if word == "A" else "sell")

    trade(sys.argv[1:])
    """


def write_bot(desk: Desk) -> Path:
    return desk.write("bot.py", BOT)


def orders(desk: Desk, *words: str) -> list[dict[str, Any]]:
    listed = desk.tradespan("orders", "--root", desk.root, "--json", *words)
    assert listed.status == 0, listed.err
    return [json.loads(line) for line in listed.out.splitlines()]


def test_a_death_is_told_with_the_orders_that_stood_and_the_next_run_has_them(desk: Desk) -> None:
    bot = write_bot(desk)
    ended = desk.run(bot, "A", "B", "SIGKILL")
    assert ended.status == 128 + signal.SIGKILL
    assert "SIGKILL, 1 call open, 2 orders open: bot.trade; see: tradespan trace" in ended.err
    assert "2 orders are still open: A, B; the next run of bot within 7d takes them over" in (
        ended.err
    )
    (note,) = deaths(desk)
    assert note["orders_count"] == 2
    assert [(o["client_id"], o["side"], o["leaves"]) for o in note["orders"]] == [
        ("A", "buy", "1.25"),
        ("B", "sell", "1.25"),
    ]
    assert 0 <= note["orders"][0]["age"] < 60
    (span,) = [each for each in desk.stored() if each.status_message == STATUS_MESSAGE]
    assert span.attributes["tradespan.death.open_orders"] == 2
    told = desk.tradespan("deaths", "--root", desk.root).out
    assert "1 call open, 2 orders open" in told
    assert "  open: A, buy 1.25 BTC-USDT at binance, New, " in told
    listed = orders(desk)
    assert [(o["client_id"], o["whose"], o["pid"]) for o in listed] == [
        ("A", "left", note["pid"]),
        ("B", "left", note["pid"]),
    ]
    # A third process between the two: another service's are not its business.
    other = desk.run("--service", "other", bot)
    assert other.out == ""
    program = desk.start_run(bot, "wait", "-A", "-B")
    assert [program.line() for _ in range(3)] == ["adopted A New", "adopted B New", "waits"]
    (first, second) = orders(desk)
    assert (first["whose"], first["taken_from"]) == ("runs", note["pid"])
    assert second["pid"] != note["pid"]
    program.say("")
    ended = program.end()
    assert (ended.status, ended.err) == (0, "")
    assert orders(desk) == []
    assert deaths(desk) == [note], "what was told stands"


def test_an_orderly_end_with_open_orders_is_warned_of(desk: Desk) -> None:
    bot = write_bot(desk)
    ended = desk.run(bot, "A")
    assert ended.status == 0
    assert ended.err == (
        "tradespan: 1 order is still open: A; the next run of bot within 7d takes it over;"
        f" see: tradespan orders --root {desk.root}\n"
    )
    assert deaths(desk) == []
    desk.environment["TRADESPAN_ORDERS_ADOPT"] = "false"
    ended = desk.run(bot, "B")
    assert "adopted" not in ended.out
    assert "1 order is still open: B; nobody takes it over (orders.adopt); see:" in ended.err
    del desk.environment["TRADESPAN_ORDERS_ADOPT"]
    assert desk.run(bot, "-A", "-B").out == "adopted A New\nadopted B New\n"


def test_an_exception_that_ends_the_bot_is_told_with_the_orders(desk: Desk) -> None:
    ended = desk.run(write_bot(desk), "A", "raise")
    assert ended.status == 1
    assert "1 order is still open: A;" in ended.err
    (note,) = deaths(desk)
    assert (note["cause"], note["orders_count"]) == ("LookupError: no price", 1)


def test_a_backtest_keeps_no_orders(desk: Desk) -> None:
    ended = desk.run("--mode", "backtest", desk.write("bot.py", """
        from tradespan.signals.slot import SIGNALS
        print(SIGNALS.open_orders)
        """))  # fmt: skip
    assert ended.out == "None\n"


def test_a_paper_run_does_not_take_over_live_orders(desk: Desk) -> None:
    bot = write_bot(desk)
    desk.run(bot, "A")
    assert desk.run("--mode", "paper", bot).out == ""
    assert desk.run(bot, "-A").out == "adopted A New\n"


def test_a_bot_without_a_supervisor_that_is_killed_between_calls_is_told_of(desk: Desk) -> None:
    bot = desk.write(
        "bot.py",
        """
        import os, signal, time
        import tradespan
        from tradespan.core.orders import OpenOrder
        from tradespan.signals.slot import SIGNALS

        tradespan.configure(forwarder="external")

        @tradespan.monitor
        def work(): pass

        work()
        SIGNALS.open_orders.put(OpenOrder("A", submitted=time.time_ns()))
        os.kill(os.getpid(), signal.SIGKILL)
        """,
    )
    ended = desk.python(bot, environment={"TRADESPAN_ROOT": str(desk.root)})
    assert ended.status == -signal.SIGKILL
    desk.tradespan("agent", "--once", desk.root)
    (note,) = deaths(desk)
    assert (note["open_count"], note["orders_count"]) == (0, 1)
    assert "1 order open" in desk.tradespan("deaths", "--root", desk.root).out


def test_what_a_shutdown_left_is_the_next_configurations(desk: Desk) -> None:
    bot = desk.write(
        "bot.py",
        """
        import tradespan
        from tradespan.core.orders import OpenOrder
        from tradespan.signals.slot import SIGNALS

        tradespan.configure(forwarder="external")
        SIGNALS.open_orders.put(OpenOrder("A"))
        print(len(SIGNALS.open_orders.adopt()))
        tradespan.shutdown()
        print(SIGNALS.open_orders)
        tradespan.configure(forwarder="external")
        print([row.client_id for row in SIGNALS.open_orders.adopt()])
        """,
    )
    ended = desk.python(bot, environment={"TRADESPAN_ROOT": str(desk.root)})
    assert ended.out.splitlines() == ["0", "None", "['A']"], ended.err
    paths = [path for folder in desk.folders() for path in tables_in(folder.path)]
    assert len(paths) == 2


def test_a_forked_child_has_no_orders_and_its_death_is_its_own(desk: Desk) -> None:
    bot = desk.write(
        "bot.py",
        """
        import os, signal
        from tradespan.core.orders import OpenOrder
        from tradespan.signals.slot import SIGNALS

        table = SIGNALS.open_orders
        table.put(OpenOrder("parents"))
        child = os.fork()
        if child == 0:
            table.drop("parents")
            table.put(OpenOrder("childs"))
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)
        print([row.client_id for row in table.adopt()], flush=True)
        table.drop("childs")
        """,
    )
    ended = desk.run(bot)
    assert ended.out == "['childs']\n", ended.err
    assert "1 order is still open: parents;" in ended.err
    assert eventually(lambda: [o["client_id"] for o in orders(desk)]) == ["parents"]
