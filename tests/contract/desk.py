"""Where one test's programs run: a folder with scripts, a root, and tradespan as a user calls it.

Everything here is a process of its own. Nobody sleeps: what is waited for is a line, an end, or a
condition, and each wait has a limit that a slow machine does not reach.
"""

from __future__ import annotations

import os
import re
import selectors
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

import psutil

from tradespan.spool.folder import RunFolder, run_folders
from tradespan.store.rows import SpanDetail, TraceFilter
from tradespan.store.store import Store

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds after which a wait is a failure."""
TRADESPAN = str(Path(sys.executable).with_name("tradespan"))
_KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "COVERAGE_PROCESS_START")


def eventually(look: Callable[[], T | None], what: str = "", within: float = PATIENCE) -> T:
    """The first true value that `look` gives.

    Raises:
        AssertionError: There was none within `within` seconds.
    """
    end = time.monotonic() + within
    pause = threading.Event()
    while not (found := look()):
        assert time.monotonic() < end, f"not within {within:g} s: {what or look}"
        pause.wait(0.01)
    return found


@dataclass(frozen=True)
class Ended:
    """A program that has ended."""

    status: int
    """As `subprocess` tells it: negative if a signal killed it."""
    out: str
    err: str
    seconds: float


def is_readable(file: Any, seconds: float) -> bool:
    """Whether there is something to read, or its end, within so many seconds."""
    # Not `select`: the process that runs all tests may have more than 1,024 files open.
    with selectors.DefaultSelector() as selector:
        selector.register(file, selectors.EVENT_READ)
        return bool(selector.select(max(seconds, 0)))


class Program:
    """A program that runs."""

    def __init__(self, process: subprocess.Popen[bytes], errors: Path) -> None:
        self.process = process
        self._errors = errors
        self._began = time.monotonic()
        self._rest = b""

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def err(self) -> str:
        """What it has written to stderr so far."""
        return self._errors.read_text()

    def line(self, within: float = PATIENCE) -> str:
        """The next line of its stdout.

        Raises:
            AssertionError: None came, or it ended.
        """
        end = time.monotonic() + within
        while b"\n" not in self._rest:
            assert is_readable(self._out, end - time.monotonic()), (
                f"no line within {within:g} s; stderr: {self.err}"
            )
            chunk = os.read(self._out.fileno(), 65536)
            assert chunk, f"it said no more; stderr: {self.err}"
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    def wait_for_err(self, pattern: str) -> re.Match[str]:
        """Wait until its stderr shows something."""
        return eventually(lambda: re.search(pattern, self.err), f"{pattern} on stderr")

    def say(self, text: str) -> None:
        """Write a line to its stdin."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def send(self, number: int) -> None:
        """Send a signal to this process alone."""
        self.process.send_signal(number)

    def end(self, within: float = PATIENCE) -> Ended:
        """Wait until it has ended, its stdin closed."""
        if self.process.stdin is not None:
            with suppress(BrokenPipeError):
                self.process.stdin.close()
        out = self._rest
        end = time.monotonic() + within
        while True:
            assert is_readable(self._out, end - time.monotonic()), (
                f"it has not ended within {within:g} s; stderr: {self.err}"
            )
            chunk = os.read(self._out.fileno(), 65536)
            if not chunk:
                break
            out += chunk
        status = self.process.wait(max(end - time.monotonic(), 1.0))
        self._out.close()
        return Ended(status, out.decode(), self.err, time.monotonic() - self._began)

    @property
    def _out(self) -> IO[bytes]:
        assert self.process.stdout is not None
        return self.process.stdout


class Desk:
    """The programs of one test. The root, the home and every script lie in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        self.environment |= {"HOME": str(folder), "XDG_STATE_HOME": str(folder / "state")}
        self._programs: list[Program] = []

    def write(self, name: str, text: str) -> Path:
        """A file of the folder; the text may be indented as the test's own code."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"))
        return path

    def start(
        self, *command: str | Path, environment: dict[str, str] | None = None, **options: Any
    ) -> Program:
        """Start a program in a session of its own, unless `options` of Popen say otherwise."""
        errors = self.folder / f"stderr-{len(self._programs)}"
        given: dict[str, Any] = {"start_new_session": True, "stdin": subprocess.PIPE, **options}
        with errors.open("wb") as stderr:
            process = subprocess.Popen(
                [str(word) for word in command],
                env=self.environment | (environment or {}),
                cwd=given.pop("cwd", self.folder),
                stdout=given.pop("stdout", subprocess.PIPE),
                stderr=given.pop("stderr", stderr),
                **given,
            )
        program = Program(process, errors)
        self._programs.append(program)
        return program

    def start_run(self, *words: str | Path, **options: Any) -> Program:
        """Start `tradespan run` under this desk's root."""
        return self.start(TRADESPAN, "run", "--root", self.root, *words, **options)

    def run(self, *words: str | Path, **options: Any) -> Ended:
        """`tradespan run` under this desk's root, to its end."""
        return self.start_run(*words, **options).end()

    def tradespan(self, *words: str | Path, **options: Any) -> Ended:
        """Any other command, to its end."""
        return self.start(TRADESPAN, *words, **options).end()

    def python(self, *words: str | Path, **options: Any) -> Ended:
        """Bare Python, to its end."""
        return self.start_python(*words, **options).end()

    def start_python(self, *words: str | Path, **options: Any) -> Program:
        """Start bare Python."""
        return self.start(sys.executable, *words, **options)

    # ── what there is to see afterwards ─────────────────────────────────────────────────────────

    @property
    def store(self) -> Path:
        return self.root / "store.db"

    def stored(self, path: Path | None = None) -> list[SpanDetail]:
        """All spans of a store, by start; none if there is no store."""
        path = path or self.store
        if not is_made(path):
            return []
        with closing(Store.open(path, readonly=True)) as store:
            traces = store.traces(TraceFilter(limit=1_000_000)).rows
            spans = [span for row in traces for span in store.trace(row.trace_id)]
        return sorted(spans, key=lambda span: span.start)

    def stored_names(self, path: Path | None = None) -> list[str]:
        return sorted(span.name for span in self.stored(path))

    def stored_numbers(self, argument: str = "number") -> list[int]:
        """The values of one captured argument in all stored calls, sorted."""
        if not is_made(self.store):
            return []
        query = "SELECT data_value FROM data_trace WHERE data = ? AND data_type = 'INPUT'"
        with closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)) as connection:
            return sorted(int(value) for (value,) in connection.execute(query, (argument,)))

    def folders(self) -> list[RunFolder]:
        return list(run_folders(self.root))

    @property
    def folder_of_run(self) -> RunFolder:
        """The only run there was."""
        (folder,) = self.folders()
        return folder

    def agent(self) -> int:
        """Process id of whoever serves the root now; 0 if nobody says so."""
        try:
            pid = int((self.root / "agent.lock").read_text() or 0)
        except (FileNotFoundError, ValueError):
            return 0
        return pid if psutil.pid_exists(pid) else 0

    def agents(self) -> list[psutil.Process]:
        """Every agent that was started for this root and lives."""
        return [each for each in self.processes() if "agent" in command_of(each)]

    def processes(self) -> list[psutil.Process]:
        """Every process that was started here, directly or not: it has this desk's home."""
        return [each for each in psutil.process_iter() if home_of(each) == str(self.folder)]

    def children(self, program: Program) -> tuple[psutil.Process, psutil.Process]:
        """(bot, agent) of a `tradespan run`, as soon as both live."""
        supervisor = psutil.Process(program.pid)

        def look() -> tuple[psutil.Process, psutil.Process] | None:
            children = supervisor.children()
            bots = [each for each in children if "tradespan.bootstrap.launch" in command_of(each)]
            agents = [each for each in children if "agent" in command_of(each)]
            return (bots[0], agents[0]) if bots and agents else None

        return eventually(look, "a bot and an agent")

    def close(self) -> None:
        """End whatever still runs."""
        for program in self._programs:
            if program.process.poll() is None:
                program.process.kill()
                program.process.wait()
            for stream in (program.process.stdin, program.process.stdout):
                if stream is not None:
                    with suppress(OSError):
                        stream.close()
        for left in self.processes():
            with suppress(psutil.NoSuchProcess):
                left.send_signal(signal.SIGKILL)


def is_made(store: Path) -> bool:
    """Whether there is a store with its tables in it."""
    if not store.exists():
        return False
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        return bool(connection.execute("PRAGMA user_version").fetchone()[0])


def make_newer(store: Path) -> bytes:
    """Let a store look as if a later version had written it. Returns its bytes."""
    with store.open("r+b") as file:
        file.seek(60)
        file.write((99).to_bytes(4, "big"))
    return store.read_bytes()


def command_of(process: psutil.Process) -> list[str]:
    """A process's command line; empty if it is gone."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def home_of(process: psutil.Process) -> str:
    """A process's home; empty if it is gone, or somebody else's."""
    try:
        return process.environ().get("HOME", "")
    except (psutil.Error, OSError):
        return ""


def announced_command(err: str) -> list[str]:
    """The words of the command that sends what is left, as printed."""
    found = re.search(r"tradespan agent --once (\S+)", err)
    assert found is not None, err
    return ["agent", "--once", found[1]]


def ids(spans: Iterable[Any]) -> list[tuple[str, str]]:
    """(trace, span) of received or stored spans, sorted; one that came twice stands twice."""
    return sorted((span.trace_id, span.span_id) for span in spans)


def resources_of(spans: Iterable[Any]) -> set[tuple[str, str]]:
    """(process, service.instance.id) of those who recorded."""
    return {
        (str(span.resource["process.pid"]), str(span.resource["service.instance.id"]))
        for span in spans
    }


def numbers_in(path: Path) -> Sequence[int]:
    """The whole lines of a file of numbers."""
    whole = path.read_bytes().rpartition(b"\n")[0] if path.exists() else b""
    return [int(line) for line in whole.split()]
