"""Parent of the bot and of the agent: `tradespan run`'s own process.

Standard library only, no threads, little memory. It forwards signals, passes the exit status on,
keeps an agent alive as long as nobody else serves the root, and waits at the end until what was
recorded has been delivered. It is not needed: when it is killed, bot and agent run on.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from tradespan.core.cgroups import oom_kills
from tradespan.core.process import process_start
from tradespan.spool.folder import (
    DRAINED,
    ENDED,
    PROGRESS,
    RootLock,
    RunFolder,
    read_json,
    replace_json,
)

_FORWARDED = {
    signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2,
    signal.SIGWINCH, signal.SIGALRM,
}  # fmt: skip
_WATCHED = _FORWARDED | {signal.SIGCHLD}
_SENT_BY_KERNEL = 0x80
"""`si_code` of a signal that the terminal sent to its whole foreground group (SI_KERNEL)."""
LOOK_AROUND = 0.5
"""Seconds between two looks at the agent."""
LONGEST_BACK_OFF = 30.0
LONG_LIFE = 10.0
"""Seconds after which an agent's end counts as its first failure."""
LAST_TRIES = 5
"""Agents that may fail one after the other at the end, before the books are left open."""
LONGEST_SILENCE = 20.0
"""Seconds at the end without a word of whoever serves the root, before he counts as stuck."""
LAST_WORD = 2.0
"""Seconds at the end in which a full disk may still take the word that the bot has ended."""
LOG_BYTES = 1 << 20


class RunPlan(NamedTuple):
    """All that one `tradespan run` needs to know."""

    bot: list[str]
    """Command of the bot."""
    bot_environment: dict[str, str]
    agent: list[str]
    """Command of the agent; it ends by itself where another serves the root."""
    agent_environment: dict[str, str]
    root: Path
    folder: RunFolder
    drain: float
    """Seconds at most that the end waits for a remote receiver."""
    on_agent: Callable[[dict[str, Any]], None]
    """Told what the agent says of itself (`agent.json`), again and again."""
    on_progress: Callable[[dict[str, Any]], None]
    """Told how far the draining at the end is, after two seconds of it."""


class RunEnd(NamedTuple):
    """How a run ended."""

    status: int
    """Exit status to pass on: the bot's own, or 128 plus the signal that killed it."""
    books: dict[str, Any] | None
    """`drained.json`; None if nobody closed the books."""


class Supervisor:
    """One run's parent process."""

    def __init__(self, plan: RunPlan) -> None:
        self._plan = plan
        self._lock = RootLock(plan.root)
        self._bot = 0
        self._bot_status: int | None = None
        self._bot_end: dict[str, Any] = {}
        self._oom_kills = oom_kills()
        self._agent = 0
        self._agent_began = 0.0
        self._agent_failures = 0
        self._agent_not_before = 0.0
        # In a terminal, bot and supervisor are one job: Ctrl-C and Ctrl-Z reach both. Elsewhere
        # what is sent to the supervisor's group must not reach the bot once more by forwarding.
        self._bot_is_apart = not _has_terminal()
        self._heard_agent = False
        self._interrupted = False

    def run(self) -> RunEnd:
        """Run the bot to its end.

        Raises:
            OSError: The bot's interpreter cannot be started.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        try:
            self._keep_agent()
            group = {"setpgroup": 0} if self._bot_is_apart else {}
            self._bot = _spawn(self._plan.bot, self._plan.bot_environment, **group)
            with suppress(OSError):  # a full disk is the bot's to tell, and no reason to end
                self._plan.folder.describe(
                    pid=self._bot,
                    pid_start=process_start(self._bot),
                    supervisor=os.getpid(),
                    supervisor_start=process_start(os.getpid()),
                )
            while self._bot_status is None:
                self._wait(LOOK_AROUND)
                self._keep_agent()
                self._tell_agent()
            status = exit_status(self._bot_status)
            return RunEnd(status, self._drain(status))
        finally:
            self._end_agent()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)

    # ── children ────────────────────────────────────────────────────────────────────────────────

    def _wait(self, seconds: float) -> None:
        """Handle one signal, or let the time pass."""
        info = signal.sigtimedwait(_WATCHED, seconds)
        if info is None:
            return
        if info.si_signo == signal.SIGCHLD:
            self._reap()
        elif self._bot_status is None:
            # The terminal's Ctrl-C has reached the bot by itself: it is of the same group.
            if self._bot_is_apart or info.si_code != _SENT_BY_KERNEL:
                _send(self._bot, info.si_signo)
        else:
            self._interrupted = True

    def _reap(self) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._bot:
                self._bot_status = status
                self._bot_end = describe_end(pid, status, usage.ru_maxrss, self._oom_kills)
            elif pid == self._agent:
                self._agent = 0
                self._back_off(failed=status != 0)  # 0: another serves the root

    def _back_off(self, *, failed: bool) -> None:
        now = time.monotonic()
        if now - self._agent_began > LONG_LIFE:
            self._agent_failures = 0
        wait = min(0.2 * 2 ** min(self._agent_failures, 10), LONGEST_BACK_OFF)
        self._agent_failures += failed
        self._agent_not_before = now + wait

    def _keep_agent(self) -> None:
        """Start an agent where none serves the root."""
        if self._agent or time.monotonic() < self._agent_not_before or not self._lock.is_free():
            return
        self._agent_began = time.monotonic()
        try:
            self._start_agent()
        except OSError:  # no space for its log, no memory for a process: later again
            self._back_off(failed=True)

    def _start_agent(self) -> None:
        log = self._plan.root / "agent.log"
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._agent = _spawn(
            self._plan.agent,
            self._plan.agent_environment,
            setsid=True,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
        )

    def _tell_agent(self) -> None:
        told = read_json(self._plan.root / "agent.json")
        # What an agent left that was killed says nothing about the one that serves now.
        if told is not None and told.get("pid") == self._lock.holder():
            self._heard_agent = True
            self._plan.on_agent(told)

    def _end_agent(self) -> None:
        if not self._agent:
            return
        _send(self._agent, signal.SIGTERM)
        end = time.monotonic() + 2.0
        while self._agent and time.monotonic() < end:
            self._wait(0.05)
        if self._agent:
            _send(self._agent, signal.SIGKILL)
            self._wait(1.0)

    # ── the end ─────────────────────────────────────────────────────────────────────────────────

    def _drain(self, status: int) -> dict[str, Any] | None:
        """Wait until the agent has closed the books of this run."""
        folder = self._plan.folder.path
        self._agent_failures = 0
        self._agent_not_before = 0.0
        heard = told = time.monotonic()
        last: dict[str, Any] | None = None
        said = False
        while not self._interrupted and self._agent_failures < LAST_TRIES:
            said = said or self._say_end(status)
            books = read_json(folder / DRAINED)
            now = time.monotonic()
            # What stays has a reason, which stands in the agent's own file.
            heard_out = self._heard_agent or now - heard > LAST_WORD
            if said and books is not None and (books.get("complete") or heard_out):
                return books
            self._keep_agent()
            self._wait(0.02)
            self._tell_agent()
            progress = read_json(folder / PROGRESS)
            if progress != last:
                heard, last = now, progress
            elif now - heard > (LONGEST_SILENCE if said else LAST_WORD):
                return None
            if progress is not None and now - told > 2.0:
                told = now
                self._plan.on_progress(progress)
        return None

    def _say_end(self, status: int) -> bool:
        """Tell whoever serves the root that the bot has ended. False: the disk does not take it."""
        ended = {"status": status, "drain": self._plan.drain, **self._bot_end}
        try:
            replace_json(self._plan.folder.path / ENDED, ended)
        except OSError:
            return False
        return True


def describe_end(pid: int, wait_status: int, peak: int, oom_before: int | None) -> dict[str, Any]:
    """How a child ended, as `ended.json` keeps it.

    `peak`: its largest resident set, KiB. `oom_before`: `oom_kills()` when it was started.
    """
    code = os.waitstatus_to_exitcode(wait_status)
    now = oom_kills()
    return {
        "pid": pid,
        "time": time.time(),
        "exit_code": code if code >= 0 else None,
        "signal": name_signal(-code) if code < 0 else None,
        "core_dumped": os.WCOREDUMP(wait_status),
        "peak_memory": peak * 1024,
        "oom_kills": None if now is None or oom_before is None else now - oom_before,
    }


def name_signal(number: int) -> str:
    """`SIGSEGV`; one without a name, of real time, by its number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def exit_status(wait_status: int) -> int:
    """A shell's view of how a child ended: its status, or 128 plus the signal's number."""
    code = os.waitstatus_to_exitcode(wait_status)
    return code if code >= 0 else 128 - code


def _spawn(command: list[str], environment: dict[str, str], **attributes: Any) -> int:
    """Start a child with no signal blocked; `attributes` are those of `os.posix_spawn`."""
    return os.posix_spawn(command[0], command, environment, setsigmask=[], **attributes)


def _has_terminal() -> bool:
    """Whether a terminal controls this process."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _send(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
