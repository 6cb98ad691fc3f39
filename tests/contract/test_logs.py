"""What a bot logged is in the file, once each: whoever is killed, however often it rotates."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.contract.desk import TRADESPAN, Desk, Program, eventually, numbers_in
from tradespan.cli.logs_reading import read_file

# Each number is acknowledged in a file once its logging has returned: it has to be in the file.
BOT = """
    import logging, os, sys, threading
    acknowledged = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    log = logging.getLogger("bot")
    log.setLevel(logging.INFO)
    pace = threading.Event()
    print("begins", flush=True)
    for number in range(int(sys.argv[2])):
        log.log(logging.ERROR if number % 10 == 9 else logging.INFO, "%d", number)
        os.write(acknowledged, b"%d\\n" % number)
        if number % 20 == 19:
            pace.wait(0.005)
    print("ends", flush=True)
    """


def start_bot(desk: Desk, total: int, **environment: str) -> tuple[Program, Path]:
    bot = desk.write("bot.py", BOT)
    acknowledged = desk.folder / "acknowledged"
    # Its warnings go to standard error as without us; nobody looks at them here.
    run = desk.start_run(
        bot, acknowledged, str(total), environment=environment, stderr=subprocess.DEVNULL
    )
    assert run.line() == "begins"
    return run, acknowledged


def log_file(desk: Desk, service: str = "bot") -> Path:
    return desk.root / "logs" / f"{service}.jsonl"


def logged(path: Path) -> list[int]:
    """The numbers in a file and what was rotated from it, as they stand there."""
    return [int(fields["message"]) for _, _, fields in read_file(path)]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_a_run_leaves_what_was_logged_without_a_change_to_the_program(desk: Desk) -> None:
    bot = desk.write(
        "bot.py",
        """
        import logging, tradespan
        @tradespan.monitor
        def trade(): logging.getLogger("bot.orders").warning("sold", extra={"qty": 5})
        trade()
        """,
    )
    ended = desk.run(bot)
    assert (ended.status, ended.out, ended.err) == (0, "", "sold\n")
    (line,) = lines(log_file(desk))
    (span,) = desk.stored()
    assert (line["service"], line["logger"], line["message"]) == ("bot", "bot.orders", "sold")
    assert (line["trace_id"], line["data"]) == (span.trace_id, {"qty": 5})


@pytest.mark.parametrize("attempt", range(3))
def test_every_acknowledged_line_of_a_killed_bot_is_in_the_file_once(
    desk: Desk, attempt: int
) -> None:
    run, acknowledged = start_bot(desk, 1_000_000)
    bot, _ = desk.children(run)
    eventually(lambda: len(numbers_in(acknowledged)) >= 200 + 400 * attempt, "lines")
    bot.kill()
    assert run.end().status == 128 + signal.SIGKILL
    told = list(numbers_in(acknowledged))
    # The last call may have returned without its acknowledgement.
    assert sorted(logged(log_file(desk))) in (told, [*told, len(told)])


def test_agents_killed_again_and_again_leave_each_line_once_over_rotations(desk: Desk) -> None:
    run, acknowledged = start_bot(desk, 20_000, TRADESPAN_LOGS_FILE_BYTES="65536")
    killed: set[int] = set()
    while (
        run.process.poll() is None and len(killed) < 12 and len(numbers_in(acknowledged)) < 18_000
    ):
        agent = eventually(lambda: desk.agent() not in {0, *killed} and desk.agent(), "an agent")
        wait_for_growth(desk, run)
        killed.add(agent)
        try:
            os.kill(agent, signal.SIGKILL)
        except ProcessLookupError:
            break
    assert run.end().status == 0
    assert len(killed) > 2
    found = logged(log_file(desk))
    assert sorted(found) == list(range(20_000))
    assert len(list(log_file(desk).parent.glob("bot-*"))) > 3
    # Errors travel in a lane of their own; each lane keeps its order.
    ordinary = [number for number in found if number % 10 != 9]
    assert ordinary == sorted(ordinary)


def wait_for_growth(desk: Desk, run: Program) -> None:
    """Until an agent has written something, or there is nothing more to come."""
    before = total_size(desk)
    eventually(lambda: total_size(desk) != before or run.process.poll() is not None, "more lines")


def total_size(desk: Desk) -> int:
    return sum(each.stat().st_size for each in log_file(desk).parent.glob("bot*"))


def test_processes_of_one_service_share_a_file_and_each_keeps_its_order(desk: Desk) -> None:
    bot = desk.write(
        "bot.py",
        """
        import logging, multiprocessing, os
        logging.basicConfig(level="INFO", handlers=[logging.NullHandler()])
        def work(worker):
            for number in range(500):
                logging.info("%d", number, extra={"worker": worker})
        if __name__ == "__main__":
            workers = [multiprocessing.get_context(how).Process(target=work, args=(n,))
                       for n, how in enumerate(["fork", "spawn", "fork"])]
            for each in workers: each.start()
            for each in workers: each.join()
        """,
    )
    first, second = desk.start_run(bot), desk.start_run(bot)
    assert first.end().status == second.end().status == 0
    eventually(lambda: len(lines(log_file(desk))) >= 3_000, "all lines")
    found: dict[tuple[int, int], list[int]] = {}
    for line in lines(log_file(desk)):
        found.setdefault((line["pid"], line["data"]["worker"]), []).append(int(line["message"]))
    assert len(found) == 6
    assert set(map(tuple, found.values())) == {tuple(range(500))}


def test_a_file_that_cannot_be_written_stops_neither_the_bot_nor_the_store(desk: Desk) -> None:
    (desk.folder / "wall").write_text("a file, and no folder")
    bot = desk.write(
        "bot.py",
        "import logging\ndef work(number): logging.error('x')\nfor n in range(5): work(n)\n",
    )
    file = str(desk.folder / "wall" / "bot.jsonl")
    ended = desk.run("-i", r"bot\.work", bot, environment={"TRADESPAN_LOGS_FILE": file})
    assert ended.status == 0
    assert desk.stored_numbers() == list(range(5))
    drained = desk.folder_of_run.drained
    assert drained is not None
    (name,) = [each for each in drained["sinks"] if each.startswith("logfile")]
    assert drained["sinks"][name]["on_disk"] == 5
    assert drained["sinks"][name]["unaccounted"] == 0


def test_without_an_agent_the_lines_wait_and_the_command_shows_them(desk: Desk) -> None:
    bot = desk.write(
        "bot.py",
        """
        import logging, tradespan
        tradespan.configure(service="bot", root="root", forwarder="external",
                            logs={"level": "debug"})
        logging.getLogger().setLevel("DEBUG")
        logging.getLogger("bot").debug("waits")
        """,
    )
    assert desk.python(bot).status == 0
    assert not log_file(desk).exists()
    assert "waits" in desk.tradespan("logs", "--root", desk.root).out
    desk.tradespan("agent", "--once", desk.root)
    assert [line["message"] for line in lines(log_file(desk))] == ["waits"]
    assert desk.tradespan("logs", "--root", desk.root).out.count("waits") == 1


def test_in_code_the_file_is_complete_when_the_program_has_ended(desk: Desk) -> None:
    bot = desk.write(
        "bot.py",
        """
        import logging, tradespan
        tradespan.configure(service="bot", root="root")
        for number in range(100): logging.getLogger("bot").error("%d", number)
        """,
    )
    ended = desk.python(bot, stderr=subprocess.DEVNULL)
    assert ended.status == 0
    assert logged(log_file(desk)) == list(range(100))


def test_logs_switched_off_leave_no_file(desk: Desk) -> None:
    bot = desk.write("bot.py", "import logging\nlogging.error('x')\n")
    assert desk.run(bot, environment={"TRADESPAN_LOGS": "off"}).err == "ERROR:root:x\n"
    assert not log_file(desk).exists()


def test_following_shows_what_comes_across_a_rotation(desk: Desk) -> None:
    run, _ = start_bot(desk, 5_000, TRADESPAN_LOGS_FILE_BYTES="65536")
    eventually(lambda: log_file(desk).exists(), "the file")
    follower = desk.start(
        TRADESPAN, "logs", "-f", "--json", "--since", "1d",
        "--root", desk.root,
    )  # fmt: skip
    seen: set[int] = set()
    while len(seen) < 5_000:
        number = int(json.loads(follower.line())["message"])
        assert number not in seen
        seen.add(number)
    follower.send(signal.SIGINT)
    follower.end()
    assert run.end().status == 0
