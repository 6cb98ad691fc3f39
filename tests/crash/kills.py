"""`kill -9` along the whole way: programs, agent, receiver and store, with the books at the end."""

from __future__ import annotations

import os
import random
import selectors
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.contract.desk import TRADESPAN, Desk, Program
from tests.crash.killed import CHILDREN, LEDGER_BYTES, WORKERS, read
from tests.support.faults import ResetAnswer
from tests.support.faulty_receiver import FaultyReceiver

REPOSITORY = Path(__file__).resolve().parents[2]
SEGMENT = "256KiB"
Identity = tuple[int, int, int, int]
"""(play, process, worker, number) of a call."""


class Way(NamedTuple):
    """How a program records."""

    mode: str
    """`threads-N`, `asyncio` or `fork`."""
    pure: bool = False
    """Without the C module."""

    @property
    def title(self) -> str:
        return f"{self.mode}, {'Python' if self.pure else 'native'}"

    @property
    def longest(self) -> float:
        """Seconds of recording before a kill, at most: a few roll-overs."""
        return 0.12 if self.pure else 0.06


MODES = ("threads-1", "threads-4", "threads-16", "asyncio", "fork")
WAYS = tuple(Way(mode, pure) for pure in (False, True) for mode in MODES)


@dataclass
class Findings:
    """What all kills of a loop together showed."""

    kills: int = 0
    rolled: int = 0
    """Kills as soon as a new segment appeared."""
    agent_kills: int = 0
    acknowledged: int = 0
    of_children: int = 0
    """Of these, by forked children."""
    delivered: int = 0
    """Distinct calls that the receiver has."""
    stored: int = 0
    """Distinct calls that the store has."""
    lost: int = 0
    """Acknowledged calls that the receiver or the store has not."""
    torn: int = 0
    sent_twice: int = 0
    stored_twice: int = 0
    unaccounted: int = 0
    beyond: int = 0
    """Calls that are there and were not acknowledged: at most one a worker and kill."""


class KillLoop:
    """One root, one receiver, an agent beside; programs that begin and are killed."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.findings = Findings()
        self._random = random.Random(seed)
        self._desk = Desk(folder)
        self._receiver = FaultyReceiver(folder)
        self._ledgers = folder / "ledgers"
        self._ledgers.mkdir()
        self._agent: Program | None = None
        self._workers = 0

    def run(self, ways: Iterable[Way]) -> Findings:
        """Kill a program for each way, then deliver the rest and look."""
        with self._receiver:
            # Every twentieth answer gets lost: what it told of is sent again.
            self._receiver.play(*[None] * 19, ResetAnswer())
            try:
                self._start_agent()
                for play, way in enumerate(ways):
                    self._play(play, way)
                    if self._random.random() < 0.3:
                        self._kill_agent()
                        self._start_agent()
                self._kill_agent()
                self._receiver.recover()
                last = self._agent_command("--once")
                ended = self._desk.start(*last, environment=self._environment()).end(300.0)
                assert ended.status == 0, ended.err[-2_000:]
                self._look()
            finally:
                self._desk.close()
        return self.findings

    def _play(self, play: int, way: Way) -> None:
        processes = 1 + CHILDREN if way.mode == "fork" else 1
        for process in range(processes):
            (self._ledgers / f"{play}-{process}").write_bytes(bytes(LEDGER_BYTES))
        words = ("-m", "tests.crash.killed", way.mode, str(play), self._ledgers / str(play))
        environment = self._environment() | ({"TRADESPAN_PURE": "1"} if way.pure else {})
        program = self._desk.start(sys.executable, *words, environment=environment)
        folder = Path(program.line())
        rolls = self._random.random() < 1 / 3
        if rolls:
            self._wait_for_roll_over(program, folder)
        else:
            wait(program, self._random.uniform(0, way.longest))
        # Its session's group: children of a fork die at the same moment.
        os.killpg(program.pid, signal.SIGKILL)
        ended = program.end()
        assert ended.status == -signal.SIGKILL, ended.err
        assert ended.err == "", ended.err
        self.findings.kills += 1
        self.findings.rolled += rolls

    def _wait_for_roll_over(self, program: Program, folder: Path) -> None:
        """Return as soon as some new segment is there."""
        wanted = self._random.randint(2, 6)
        seen: set[str] = set()
        while len(seen) < wanted and program.process.poll() is None:
            # The agent deletes them meanwhile: those that were seen count.
            seen.update(path.name for path in folder.glob("*.seg"))

    def _start_agent(self) -> None:
        self._agent = self._desk.start(*self._agent_command(), environment=self._environment())

    def _agent_command(self, *options: str) -> tuple[str | Path, ...]:
        return (TRADESPAN, "agent", self._desk.root, *options)

    def _kill_agent(self) -> None:
        assert self._agent is not None
        self._agent.send(signal.SIGKILL)
        self._agent.end()
        self._agent = None
        self.findings.agent_kills += 1

    def _environment(self) -> dict[str, str]:
        return {
            "PYTHONPATH": f"{REPOSITORY / 'src'}{os.pathsep}{REPOSITORY}",
            "TRADESPAN_ROOT": str(self._desk.root),
            "TRADESPAN_SEGMENT_FIRST": SEGMENT,
            "TRADESPAN_SEGMENT_LAST": SEGMENT,
            "TRADESPAN_RETRY_SCALE": "0.01",
            "OTEL_EXPORTER_OTLP_ENDPOINT": self._receiver.address,
            "OTEL_EXPORTER_OTLP_TIMEOUT": "2000",
        }

    # ── afterwards ──────────────────────────────────────────────────────────────────────────────

    def _look(self) -> None:
        findings = self.findings
        wanted = set(self._acknowledged())
        delivered = self._count(str(value) for value in self._receiver.find("tradespan.args.text"))
        findings.sent_twice = self._sent_twice()
        stored = self._count(stored_texts(self._desk.store))
        findings.acknowledged = len(wanted)
        findings.of_children = sum(process > 0 for _, process, _, _ in wanted)
        findings.delivered, findings.stored = len(delivered), len(stored)
        findings.stored_twice = stored.total() - len(stored)
        findings.lost = len(wanted - (delivered.keys() & stored.keys()))
        findings.beyond = len((delivered.keys() | stored.keys()) - wanted)
        assert findings.beyond <= self._workers, findings
        for folder in self._desk.folders():
            assert folder.segments() == [], folder.path
            books = folder.drained
            assert books is not None, folder.path
            assert books["complete"], folder.path
            findings.unaccounted += sum(each["unaccounted"] for each in books["sinks"].values())

    def _acknowledged(self) -> Iterator[Identity]:
        for path in self._ledgers.iterdir():
            play, process = map(int, path.name.split("-"))
            content = path.read_bytes()
            for worker in range(WORKERS):
                count = int.from_bytes(content[8 * worker :][:8], "little")
                self._workers += 1
                for number in range(1, count + 1):
                    yield play, process, worker, number

    def _count(self, texts: Iterable[str | None]) -> Counter[Identity]:
        found: Counter[Identity] = Counter()
        for shown in texts:
            if shown is None:
                continue  # a call that ran at the death: only those of durable functions are kept
            text = shown[1:-1]  # a text is shown as Python writes it, in quotes
            if text.startswith("before any fork"):
                continue
            identity = read(text)
            if identity is None:
                self.findings.torn += 1
            else:
                found[identity] += 1
        return found

    def _sent_twice(self) -> int:
        ids: Counter[bytes] = Counter(span.span_id for span in self._receiver.spans())
        return ids.total() - len(ids)


def stored_texts(store: Path) -> Iterator[str | None]:
    """The one argument of every span that ended."""
    query = "SELECT json_extract(arguments, '$[0]') FROM span WHERE NOT running"
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        for (text,) in connection.execute(query):
            yield text


def wait(program: Program, seconds: float) -> None:
    """Let a program record for a while."""
    assert program.process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(program.process.stdout, selectors.EVENT_READ)
        # Nothing will come but its end: this waits for the time to pass, or for an unwanted death.
        assert selector.select(seconds) == [], program.err
