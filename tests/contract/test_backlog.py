"""A backlog is warned of once, wherever the program's user looks; the program goes on."""

from __future__ import annotations

import re

from tests.contract.desk import Desk, eventually
from tests.contract.test_receiver_down import free_port
from tests.support.receiver import Receiver
from tradespan.spool.folder import read_json

BOT = """
    import sys
    from tradespan import monitor

    @monitor(queue_warning_threshold=100)
    def work(number):
        return number

    print("up", flush=True)
    number = 0
    for line in sys.stdin:
        for _ in range(int(line)):
            work(number)
            number += 1
        print(number, flush=True)
    sys.exit(7)
    """
WARNING = r"tradespan: run \S+: (\d+) records wait for (otlp-\w+) \((\S+)\).*: (.*) \(queue_w"


def test_backlog_of_a_dead_receiver_is_told_once_on_the_terminal(desk: Desk) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    bot = desk.write("bot.py", BOT)
    program = desk.start_run("--no-store", "--no-ui", "--endpoint", endpoint, bot)
    assert program.line() == "up"
    program.say("99")
    assert program.line() == "99"
    eventually(lambda: sink_of(desk).get("undelivered") == 99, "99 records counted")
    assert program.err == ""
    program.say("1")
    found = program.wait_for_err(WARNING)
    assert found[1] == "100"
    assert found[3].startswith(endpoint)
    assert "refused" in found[4]
    program.say("500")
    eventually(lambda: sink_of(desk).get("undelivered") == 600, "600 records counted")
    ended = program.end()
    assert ended.status == 7
    assert len(re.findall(WARNING, ended.err)) == 1
    assert (desk.root / "agent.log").read_text().count("queue_warning_threshold 100") == 1


def test_backlog_in_the_programs_own_process_goes_to_its_logging(desk: Desk) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    bot = desk.write(
        "bot.py",
        f"""
        import logging, sys
        import tradespan
        logging.basicConfig(level=logging.WARNING, format="%(name)s %(levelname)s %(message)s")
        tradespan.configure(
            root={str(desk.root)!r}, endpoint={endpoint!r}, store=None, forwarder="thread",
            queue_warning_threshold=50, drain=0.1,
        )
        @tradespan.monitor
        def work(number):
            return number
        for number in range(60):
            work(number)
        sys.stdin.read()
        """,
    )
    program = desk.start_python(bot)
    found = program.wait_for_err(r"tradespan WARNING run \S+: (\d+) records wait for otlp-")
    assert found[1] == "60"
    assert program.end().status == 0


def test_receiver_that_is_back_ends_the_backlog(desk: Desk) -> None:
    receiver = Receiver(free_port())
    bot = desk.write("bot.py", BOT)
    program = desk.start_run("--no-store", "--no-ui", "--endpoint", receiver.address, bot)
    assert program.line() == "up"
    program.say("150")
    program.wait_for_err(WARNING)
    with receiver:
        receiver.wait_for(lambda spans: len(spans) >= 150)
        eventually(lambda: told(desk).get("backlogs") == [], "no backlog")
        assert program.end().status == 7


def told(desk: Desk) -> dict[str, object]:
    return read_json(desk.root / "agent.json") or {}


def sink_of(desk: Desk) -> dict[str, object]:
    """What the agent says of the only receiver."""
    sinks = told(desk).get("sinks")
    named = sinks.items() if isinstance(sinks, dict) else ()
    return next((sink for name, sink in named if name.startswith("otlp")), {})
