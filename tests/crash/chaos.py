"""Receivers that misbehave, and a burst into a receiver that is down, end to end."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.contract.desk import Desk, Program, eventually
from tests.crash.matrix import REPOSITORY, parked_numbers, pass_on
from tests.support.faults import (
    AcceptPartly,
    Answer,
    Drip,
    Fault,
    Hang,
    Refuse,
    ResetAnswer,
    ResetRequest,
)
from tests.support.faulty_receiver import FaultyReceiver

BOT = REPOSITORY / "tests" / "crash" / "chaos_bot.py"
NUMBER = "tradespan.args.number"
WARM = 100
"""Calls with negative numbers, before the memory is looked at first."""

WEB_PAGE = Answer(200, b"<html>sign in</html>", {"content-type": "text/html"})
FAULTS: Mapping[str, tuple[Fault | None, ...]] = {
    "hangs": (Hang(),),
    "connections reset in the middle of a request": (ResetRequest(),),
    "answers cut off": (ResetAnswer(),),
    "partial success, then as it should": (AcceptPartly(7), None),
    "answers of a byte at a time": (Drip(0.05),),
    "a web page with 200": (WEB_PAGE,),
    "500 all the time": (Refuse(500),),
    "503 with a Retry-After of a second": (Refuse(503, "1"),),
    "all of these in turn": (
        Hang(), ResetRequest(), Refuse(500), ResetAnswer(), None, AcceptPartly(3), Drip(0.05),
        WEB_PAGE, Refuse(503), Refuse(429), None,
    ),
}  # fmt: skip


@dataclass
class ChaosFound:
    """What became of the records of one program under one kind of chaos."""

    faults: str
    recorded: int
    lost: int
    parked: int
    """Refused for good, by the books: kept in a dead letter."""
    twice: int
    refused: int
    exit_seconds: float
    """From the end of its stdin to the end of `tradespan run`, the receiver as bad as before."""
    agent_mebibytes: float
    """The most memory that the agent's process ever had (VmHWM)."""


class Lab:
    """A program under `tradespan run`, without a store, and its receiver."""

    def __init__(self, folder: Path, scale: float, timeout: float) -> None:
        """`scale`: factor on the waits between tries. `timeout`: seconds of one request."""
        self.desk = Desk(folder)
        self.receiver = FaultyReceiver(folder)
        self.receiver.reserve()
        self._environment = {
            "TRADESPAN_METRICS": "false",  # readings are records, too: as many as there is time for
            "PYTHONPATH": str(REPOSITORY / "src"),
            "TRADESPAN_RETRY_SCALE": str(scale),
            "OTEL_EXPORTER_OTLP_TIMEOUT": str(int(timeout * 1_000)),
        } | pass_on("TRADESPAN_PURE")

    def start(self, per_line: int, threads: int) -> tuple[Program, int]:
        """The program, and its private bytes before it began."""
        words = (
            "--no-store",
            "--no-ui",
            "--max-overhead",
            "0",
            "--endpoint",
            self.receiver.address,
        )
        program = self.desk.start_run(
            *words, "-i", r"chaos_bot\.work", BOT, str(per_line), str(threads),
            environment=self._environment,
        )  # fmt: skip
        return program, said(program)[1]

    def deliver(self) -> None:
        """What an earlier run left, by the command that it printed."""
        command = ("agent", "--once", self.desk.root, "--no-store")
        ended = self.desk.tradespan(*command, environment=self._environment)
        assert ended.status == 0, ended.err

    def check_books(self, recorded: int) -> int:
        """Make sure that accepted + parked = recorded. Returns what was parked."""
        books = self.desk.folder_of_run.drained
        assert books is not None
        assert books["complete"]
        assert books["recorded"] == recorded
        sinks = books["sinks"].values()
        # One for each signal; all records here are spans.
        assert sum(sink["accepted"] + sink["parked"] for sink in sinks) == recorded, books
        assert not any(sink["on_disk"] or sink["unaccounted"] for sink in sinks), books
        return sum(int(sink["parked"]) for sink in sinks)

    def numbers(self) -> dict[int, int]:
        """Number → how often the receiver took it; those of warming up left out."""
        found = self.receiver.find(NUMBER)
        return {number: times for number, times in found.items() if number >= 0}

    def agent_memory(self, program: Program) -> float:
        """The most that the agent's process ever had, in MiB."""
        _, agent = self.desk.children(program)
        return high_water_mark(agent)

    def close(self) -> None:
        self.receiver.stop()
        self.desk.close()


def said(program: Program) -> tuple[int, int]:
    """(calls so far, private bytes) as the program's next line has it."""
    done, private = program.line(600.0).split()
    return int(done), int(private)


def high_water_mark(process: psutil.Process) -> float:
    """VmHWM, in MiB."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def endure(
    folder: Path, faults: str, *, calls: int, rounds: int, seconds: float, scale: float
) -> ChaosFound:
    """Record through `seconds` of one kind of chaos, leave in the middle of it, deliver later."""
    lab = Lab(folder, scale, timeout=10.0 * scale)
    try:
        lab.receiver.start()
        lab.receiver.play(*FAULTS[faults])
        program, _ = lab.start(calls, 2)
        begun = time.monotonic()
        for number in range(rounds):
            program.say("on")
            said(program)
            # Every part of the time meets the receiver's faults with new records.
            part = begun + seconds * (number + 1) / rounds - time.monotonic()
            lab.receiver.wait_until(lambda: False, max(part, 0.0))
        assert eventually(lambda: lab.receiver.refused, "a fault that was met")
        memory = lab.agent_memory(program)
        begun = time.monotonic()
        ended = program.end(120.0)
        exit_seconds = time.monotonic() - begun
        assert ended.status == 0, ended.err
        lab.receiver.recover()
        lab.deliver()
        recorded = 2 * calls * rounds
        received = lab.numbers()
        parked = {number for number in parked_numbers(lab.desk.root) if number >= 0}
        assert received.keys() | parked <= set(range(recorded))
        return ChaosFound(
            faults,
            recorded,
            lost=recorded - len(received.keys() | parked),
            parked=lab.check_books(recorded + WARM),
            twice=sum(received.values()) - len(received),
            refused=lab.receiver.refused,
            exit_seconds=round(exit_seconds, 2),
            agent_mebibytes=round(memory, 1),
        )
    finally:
        lab.close()


@dataclass
class BurstFound:
    """A burst while the receiver was down, and what came of it later."""

    spans: int
    threads: int
    lost: int
    twice: int
    grown_mebibytes: float
    """Of the program's private memory (RssAnon), from before the burst to after it."""
    agent_mebibytes: float
    recorded_per_second: int
    forwarded_per_second: int
    """From the receiver's return to the last span, whatever of that time was a wait."""


def burst(folder: Path, spans: int, threads: int = 4) -> BurstFound:
    """So many spans at once with the receiver down, then the receiver comes back."""
    lab = Lab(folder, 1.0, timeout=10.0)
    try:
        program, before = lab.start(spans // threads, threads)
        begun = time.monotonic()
        program.say("on")
        done, after = said(program)
        took = time.monotonic() - begun
        assert done == spans
        assert lab.receiver.met.total() == 0
        lab.receiver.start()
        back = time.monotonic()
        everything = spans + WARM
        assert lab.receiver.wait_until(lambda: lab.receiver.taken >= everything, 900.0)
        delivered = time.monotonic() - back
        memory = lab.agent_memory(program)
        ended = program.end(120.0)
        assert (ended.status, "the next run delivers" in ended.err) == (0, False), ended.err
        received = lab.numbers()
        return BurstFound(
            spans,
            threads,
            lost=spans - len(received),
            twice=sum(received.values()) - len(received),
            grown_mebibytes=round((after - before) / 2**20, 1),
            agent_mebibytes=round(memory, 1),
            recorded_per_second=round(spans / took),
            forwarded_per_second=round(everything / delivered),
        )
    finally:
        lab.close()
