"""The loss matrix: ten ways to lose telemetry, one driver, any subject.

A row is data; `run_row` plays it for a subject (`tradespan` under `tradespan run`, `tradespan-code`
with `configure()`, or a peer) and says what became of each record that was acknowledged.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.contract.desk import TRADESPAN, Desk, Ended, Program
from tests.support.captured import read_folder
from tests.support.faults import Refuse
from tests.support.faulty_receiver import FaultyReceiver

REPOSITORY = Path(__file__).resolve().parents[2]
BOT = REPOSITORY / "tests" / "crash" / "matrix_bot.py"
KEYS = ("tradespan.args.number", "number")
"""Attributes that hold a span's number, whoever made it."""
OURS = ("tradespan", "tradespan-code")


@dataclass(frozen=True)
class Row:
    """One way to lose telemetry. Times in seconds, as a user would meet them."""

    key: str
    title: str
    end: str = "exit"
    """Of the program: matrix_bot.py says which there are."""
    count: int = 1_000
    down: bool = False
    """The receiver does not listen during the program's life."""
    status: int | None = None
    """What the receiver answers from the beginning on."""
    fault_for: float | None = None
    """After how long it serves again; None: once the program has ended."""
    lives: float = 0.0

    @property
    def faulty(self) -> bool:
        """Whether the receiver refuses at all."""
        return self.down or self.status is not None

    @property
    def restart(self) -> bool:
        """Whether the program is started once more, with the receiver back."""
        return self.faulty and self.fault_for is None

    @property
    def sudden(self) -> bool:
        """Whether no code of the program runs at its end."""
        return self.end in {"kill", "term", "child"}


ROWS = (
    Row("clean", "clean exit, receiver up"),
    Row("kill", "kill -9 right after the spans end", end="kill"),
    Row("term", "SIGTERM, default handler", end="term"),
    Row("child", "`os._exit` in a multiprocessing child", end="child"),
    Row("burst", "burst of 20,000 spans in a loop", count=20_000),
    Row("down", "receiver down for the process's life; exit; receiver back; restart", down=True),
    Row("503-life", "503 for the process's life, then OK + restart", status=503),
    Row("503-25", "503 for 25 s while the app lives 45 s", "told", status=503,
        fault_for=25.0, lives=45.0),
    Row("500-10", "500 for 10 s, app lives 30 s", "told", status=500, fault_for=10.0, lives=30.0),
    Row("401-10", "401 for 10 s (token rotation), app lives 30 s", "told", status=401,
        fault_for=10.0, lives=30.0),
)  # fmt: skip
BY_KEY: Mapping[str, Row] = {row.key: row for row in ROWS}


@dataclass(frozen=True)
class Timing:
    """How fast time goes: `scale` is a factor on the rows' times and on our waits between tries."""

    scale: float
    settle: float
    """Seconds that a restarted program has to deliver what an earlier one left."""


SHORT = Timing(0.1, 10.0)
TRUE = Timing(1.0, 20.0)


@dataclass
class Outcome:
    """What became of the acknowledged records of one play of a row."""

    row: str
    subject: str
    recorded: int
    lost: int
    parked: int
    """Refused for good, kept in a dead letter; not among the lost."""
    twice: int
    refused: int
    """Requests that the receiver refused, by its own count."""
    exit_seconds: float
    """From the moment the program wanted to end until its command had."""
    notes: list[str] = field(default_factory=list)

    @property
    def lost_percent(self) -> float:
        return 100.0 * self.lost / self.recorded


class Play:
    """One play of a row."""

    def __init__(
        self, row: Row, subject: str, timing: Timing, folder: Path, python: Path | None = None
    ) -> None:
        """`python`: of the environment that has the subject's library."""
        self.row = row
        self.subject = subject
        self.timing = timing
        self.desk = Desk(folder)
        self.receiver = FaultyReceiver(folder)
        self.ledger = folder / "ledger"
        self._python = str(python or sys.executable)
        self._receiver_was_down = False

    def run(self) -> Outcome:
        """Play it.

        Raises:
            AssertionError: It did not come about: no record before the fault, no refusal.
        """
        self.ledger.write_bytes(bytes(8))
        self.receiver.reserve()
        if not self.row.down:
            self.receiver.start()
        if self.row.status is not None:
            self.receiver.play(Refuse(self.row.status))
        try:
            seconds = self._first_life()
            if self.row.restart or (self.subject == "tradespan-code" and self.row.sudden):
                self._second_life()
            return self._look(seconds)
        finally:
            self.receiver.stop()
            self.desk.close()

    def _first_life(self) -> float:
        """Seconds that its exit took."""
        program = self._start(self.row.count, self.row.end)
        while program.line() != "recorded":
            continue
        began = time.monotonic()
        assert self.acknowledged == self.row.count, "records before the fault"
        if self.row.down:
            assert not listens(self.receiver.port)
            self._receiver_was_down = True
        if self.row.fault_for is not None:
            self._wait_until(began + self.row.fault_for * self.timing.scale)
            assert self.receiver.refused, "no refusal during the fault"
            self.receiver.recover()
        if self.row.end == "told":
            self._wait_until(began + self.row.lives * self.timing.scale)
            program.say("end")
            began = time.monotonic()
        ended = program.end(120.0)
        seconds = time.monotonic() - began
        self._check_end(ended)
        if self.row.down:
            assert not listens(self.receiver.port)
        elif self.row.status is not None:
            assert self.receiver.refused, "the receiver refused nothing"
        return seconds

    def _check_end(self, ended: Ended) -> None:
        number = {"kill": 9, "term": 15}.get(self.row.end, 0)
        bare = self.subject != "tradespan"
        wanted = 0 if not number else (-number if bare else 128 + number)
        assert ended.status == wanted, ended.err

    def _second_life(self) -> None:
        if self.row.down:
            self.receiver.start()
        self.receiver.recover()
        program = self._start(0, "told")
        receiver, count = self.receiver, self.acknowledged
        # What can come of an earlier life; the time is over without it where there is nothing.
        wanted = count if self.subject in OURS else 1
        receiver.wait_until(lambda: receiver.taken >= wanted, self.timing.settle)
        program.say("end")
        assert program.end(120.0).status == 0

    def _start(self, count: int, end: str) -> Program:
        words = (BOT, self.subject, str(count), end, self.ledger)
        environment = self._environment()
        if self.subject == "tradespan":
            head = (TRADESPAN, "run", "--no-store", "--no-ui", "--max-overhead", "0")
            named = ("-i", r"matrix_bot\.work")
            return self.desk.start(*head, *named, *words, environment=environment)
        return self.desk.start(self._python, *words, environment=environment)

    def _environment(self) -> dict[str, str]:
        if self.subject == "logfire":
            # With OpenTelemetry's own variable it would send everything twice.
            return {"PROOF_LOGFIRE_URL": self.receiver.address}
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": self.receiver.address}
        if self.subject not in OURS:
            return environment
        return (
            environment
            | {
                "PYTHONPATH": str(REPOSITORY / "src"),
                "TRADESPAN_ROOT": str(self.desk.root),
                "TRADESPAN_STORE": "none",
                "TRADESPAN_RETRY_SCALE": str(self.timing.scale),
            }
            | pass_on("TRADESPAN_PURE")
        )

    def _wait_until(self, moment: float) -> None:
        """Let the time of a row pass: it is what the row is about."""
        threading.Event().wait(max(moment - time.monotonic(), 0.0))

    @property
    def acknowledged(self) -> int:
        """Spans whose calls have returned."""
        return int.from_bytes(self.ledger.read_bytes(), "little")

    def _look(self, seconds: float) -> Outcome:
        count = self.row.count
        wanted = set(range(1, count + 1))
        received = self.receiver.find(*KEYS)
        parked = parked_numbers(self.desk.root)
        assert received.keys() <= wanted
        assert parked <= wanted
        kept = received.keys() | parked
        return Outcome(
            row=self.row.key,
            subject=self.subject,
            recorded=count,
            lost=len(wanted - kept),
            parked=len(parked - received.keys()),
            twice=received.total() - len(received),
            refused=self.receiver.refused,
            exit_seconds=round(seconds, 2),
            notes=["the receiver did not listen"] if self._receiver_was_down else [],
        )


def run_row(
    row: Row, subject: str, timing: Timing, folder: Path, python: Path | None = None
) -> Outcome:
    """Play a row once, in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    return Play(row, subject, timing, folder, python).run()


def pass_on(*names: str) -> dict[str, str]:
    """Variables of ours that a child shall have as well."""
    return {name: os.environ[name] for name in names if name in os.environ}


def listens(port: int) -> bool:
    """Whether anybody answers there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def parked_numbers(root: Path) -> set[int]:
    """Numbers of the records in all dead letters below a root."""
    return {
        int(str(span.arguments["number"]))
        for folder in root.glob("runs/*/parked/*")
        for span in read_folder(folder)
    }
