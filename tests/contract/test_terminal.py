"""A bot under `tradespan run` in a terminal: the terminal is its own, and so is Ctrl-C."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.contract.desk import PATIENCE, TRADESPAN, Desk

LOGIN = "import os, sys; os.login_tty(0); os.execv(sys.argv[1], sys.argv[1:])"


class Terminal:
    """A pseudo-terminal with a program as its session's leader."""

    def __init__(self, desk: Desk, *command: object) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", LOGIN, *map(str, command)],
            env=desk.environment | {"TERM": "dumb"},
            cwd=desk.folder,
            stdin=theirs,
        )
        os.close(theirs)
        self.shown = ""

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until the screen shows something."""
        end = time.monotonic() + PATIENCE
        while (found := re.search(pattern, self.shown)) is None:
            assert self._read(end), f"{pattern} is not shown: {self.shown}"
        return found

    def end(self) -> int:
        """Wait for the program's end; its status."""
        end = time.monotonic() + PATIENCE
        while self._read(end):
            pass
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)

    def _read(self, end: float) -> bool:
        read, _, _ = select.select([self._ours], [], [], max(end - time.monotonic(), 0))
        with suppress(OSError):  # EIO: nobody has the terminal open any more
            if read and (chunk := os.read(self._ours, 65536)):
                self.shown += chunk.decode()
                return True
        return False


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()


# Waits for a line and for interrupts at once; the wake-up descriptor leaves no gap between looks.
BOT = """
    import os, select, signal, sys
    for number in (signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, lambda number, frame: None)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    print([os.isatty(fd) for fd in (0, 1, 2)], os.ttyname(0), flush=True)
    print("your name? ", end="", flush=True)
    count = 0
    while True:
        ready, _, _ = select.select([0, woken], [], [])
        if woken in ready:
            numbers = os.read(woken, 10)
            count += numbers.count(signal.SIGINT)
            print(f"interrupt {count}" if signal.SIGINT in numbers else "passed on", flush=True)
        else:
            print(f"hello {sys.stdin.readline().strip()}, {count} interrupts", flush=True)
            sys.exit(5)
    """


def test_bot_has_the_terminal_and_ctrl_c_reaches_it_once(
    desk: Desk, terminals: list[Terminal]
) -> None:
    bot = desk.write("bot.py", BOT)
    terminal = Terminal(desk, TRADESPAN, "run", "--root", desk.root, bot)
    terminals.append(terminal)
    terminal.wait_for(r"\[True, True, True\]")
    terminal.wait_for(r"your name\? ")
    terminal.type("\x03")
    terminal.wait_for("interrupt 1")
    # Whatever the supervisor had to pass on, it has passed on before this one.
    terminal.process.send_signal(signal.SIGUSR1)
    terminal.wait_for("passed on")
    terminal.type("trader\n")
    terminal.wait_for("hello trader, 1 interrupts")
    assert terminal.end() == 5


def test_ctrl_c_ends_a_plain_bot_with_its_traceback_and_130(
    desk: Desk, terminals: list[Terminal]
) -> None:
    # In short waits: Python's own `signal.pause` sleeps on if the signal comes right before it.
    bot = desk.write(
        "bot.py",
        """
        import signal

        def wait():
            print("waits", flush=True)
            while True:
                signal.sigtimedwait([], 0.05)

        wait()
        """,
    )
    terminal = Terminal(desk, TRADESPAN, "run", "--root", desk.root, "-i", r"bot\.wait", bot)
    terminals.append(terminal)
    terminal.wait_for("waits")
    terminal.type("\x03")
    assert terminal.end() == 130
    assert terminal.shown.count("KeyboardInterrupt") == 1
    (span,) = desk.stored()
    assert span.attributes["tradespan.ended_by"] == "KeyboardInterrupt"
    assert desk.agents() == []


def test_ctrl_z_stops_the_bot_and_fg_goes_on(desk: Desk, terminals: list[Terminal]) -> None:
    bot = desk.write("bot.py", BOT)
    terminal = Terminal(desk, "/bin/bash", "--norc", "-i")
    terminals.append(terminal)
    terminal.type(f"{TRADESPAN} run --root {desk.root} {bot}\n")
    terminal.wait_for(r"your name\? ")
    terminal.type("\x1a")
    terminal.wait_for("Stopped")
    terminal.type("fg\n")
    terminal.type("trader\n")
    terminal.wait_for("hello trader, 0 interrupts")
    terminal.type("echo status $?\n")
    terminal.wait_for("status 5")
    terminal.type("exit\n")
    terminal.end()


def test_hint_how_to_look_is_for_terminals_only(desk: Desk, terminals: list[Terminal]) -> None:
    bot = desk.write("bot.py", "def work():\n    pass\n\n\nwork()\n")
    command = (TRADESPAN, "run", "--root", desk.root, "-i", "bot")
    for options, told in (((), 1), (("--no-ui",), 0), (("--no-store",), 0)):
        terminal = Terminal(desk, *command, *options, bot)
        terminals.append(terminal)
        assert terminal.end() == 0
        assert terminal.shown.count(f"tradespan ui --store {desk.root}/store.db") == told
    assert desk.run(bot).err == ""


def test_a_run_that_watched_nothing_is_told_how_to_name_functions(
    desk: Desk, terminals: list[Terminal]
) -> None:
    bot = desk.write("bot.py", "def work():\n    pass\n\n\nwork()\n")
    terminal = Terminal(desk, TRADESPAN, "run", "--root", desk.root, bot)
    terminals.append(terminal)
    assert terminal.end() == 0
    assert (
        r"give one before the program, as in: tradespan run -i 'bot\..*' bot.py" in terminal.shown
    )
    assert "tradespan ui" not in terminal.shown
