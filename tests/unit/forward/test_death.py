"""What a dead process left open is closed: from its table, and from its segments."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.context import Context

from tests.support.captured import CapturedSpan, describe, read_folder
from tradespan.core import guard
from tradespan.core.records import Kind, Lane, Resource
from tradespan.forward.death import LATEST, STATUS_MESSAGE, DeathWatch, held_back, tables
from tradespan.instrument.monitor import monitor
from tradespan.instrument.recorder import SLOT, Recorder
from tradespan.instrument.tracer import TracerProvider
from tradespan.pages.flights import SLOTS
from tradespan.pages.inflight import FlightTable
from tradespan.spool.folder import ENDED, RunFolder, read_json, replace_json
from tradespan.spool.writer import SpoolLimits, SpoolWriter
from tradespan.wire.sites import SITES

NOWHERE = Context()
SMALL = SpoolLimits(first_segment=4096, largest_segment=4096)
PID = 4711


class Bot:
    """A process that records in a folder below a root, and is killed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = RunFolder(root / "runs" / "one")
        self.watch = DeathWatch(root)

    def begin(self) -> None:
        """In the process: record from now on."""
        self.spool = SpoolWriter(
            self.folder.path, describe=describe, site_payload=SITES.payload, limits=SMALL
        )
        SLOT.recorder = Recorder(self.spool, flights=FlightTable(self.spool).flights)

    def die_in(self, body: Callable[[], Any], *, after: bool = False) -> None:
        """Let a child be killed in a call of a watched function, `bot.work`, or after it."""
        child = os.fork()
        if child:
            assert os.waitpid(child, 0)[1] == signal.SIGKILL
            return

        @monitor(name="bot.work", durable=True)
        def work(symbol: str) -> None:
            body()
            if not after:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            self.begin()
            work("BTC")
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)

    def closed(self) -> list[CapturedSpan]:
        """Look, and read what was closed."""
        self.watch.look(self.folder)
        spans = [each for each in read_folder(self.folder.path) if not each.record.is_open]
        return [span for span in spans if span.record.status_message == STATUS_MESSAGE]


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[Bot]:
    raised = guard.raise_errors(strict=True)
    yield Bot(tmp_path)
    guard.raise_errors(raised)


def fill(segments: int, bot: Bot) -> None:
    """Calls that are over, for so many segments."""

    @monitor(name="bot.tick")
    def tick(text: str) -> None: ...

    while len(bot.folder.segments()) <= segments:
        tick("x" * 100)


def test_start_in_an_earlier_segment_is_found_and_was_not_deleted(bot: Bot) -> None:
    def look() -> None:
        fill(3, bot)
        names = frozenset(map(str, bot.folder.segments()))
        (bot.root / "held").write_text("\n".join(held_back(bot.folder, names)))

    bot.die_in(look)
    first = str(bot.folder.segments()[0])
    held = (bot.root / "held").read_text()
    assert first in held, "while it lives: the segment in which the durable call began"
    names = frozenset(map(str, bot.folder.segments()))
    assert held_back(bot.folder, names) == names, "dead and not told of: all of them"
    (writer,) = {name.writer for name in bot.folder.segments()}
    (span,) = bot.closed()
    assert (span.name, span.arguments) == ("bot.work", {"symbol": "'BTC'"})
    assert span.lane == Lane.ERROR
    assert span.instance == writer, "as of the process that died"
    assert held_back(bot.folder, names) == frozenset()
    assert tables(bot.folder) == []


def test_call_whose_end_was_written_is_not_closed_again(bot: Bot) -> None:
    """The process died between the record and the slot."""
    bot.die_in(lambda: None, after=True)
    (path,) = tables(bot.folder)
    data = path.read_bytes()
    (span,) = [each for each in read_folder(bot.folder.path) if not each.record.is_open]
    at = data.index(span.record.trace_id) - 8
    assert data[at : at + 8] == bytes(8)
    path.write_bytes(data[:at] + span.span_id.to_bytes(8, "little") + data[at + 8 :])
    assert bot.closed() == []


def test_durable_call_that_found_no_slot_is_closed_from_its_start(bot: Bot) -> None:
    def crowd() -> None:
        tracer = TracerProvider(SLOT, Resource({})).get_tracer("t")
        held.extend(tracer.start_span("held", NOWHERE) for _ in range(SLOTS - 1))
        unseen()

    held: list[Any] = []

    @monitor(name="bot.unseen", durable=True)
    def unseen() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    bot.die_in(crowd)
    closed = Counter(span.name for span in bot.closed())
    assert closed == {"bot.work": 1, "held": SLOTS - 1, "bot.unseen": 1}


def test_last_log_lines_stand_in_the_note(bot: Bot) -> None:
    def log() -> None:
        for number in range(30):
            fields = (0, 1_000 + number, 0, 9, "INFO", f"line {number}\x1b[0m")
            bot.spool.ordinary.record(int(Kind.LOG), 0, fields)

    bot.die_in(log)
    bot.watch.look(bot.folder)
    (note,) = bot.folder.deaths()
    assert len(note["log"]) == 20
    assert note["log"][-1] == "INFO line 29 [0m"
    assert not (bot.root / LATEST).exists(), "a child that went without a word is no alarm"


def test_file_that_is_no_table_is_set_aside(bot: Bot) -> None:
    bot.folder.path.mkdir(parents=True)
    strange = bot.folder.path / f"{'ab' * 16}.inflight"
    strange.write_bytes(b"nonsense")
    bot.watch.look(bot.folder)
    bot.watch.look(bot.folder)
    assert [path.name for path in bot.folder.path.iterdir()] == [f"{strange.name}.damaged"]


def test_death_before_the_first_call_is_told_once(bot: Bot) -> None:
    bot.folder.path.mkdir(parents=True)
    (bot.folder.path / f"{PID}.fault").write_text("Fatal Python error: Bus error\n")
    replace_json(bot.folder.path / ENDED, {"pid": PID, "signal": "SIGBUS", "time": 5.0})
    for _ in range(2):
        bot.watch.look(bot.folder)
    DeathWatch(bot.root).look(bot.folder)
    (note,) = bot.folder.deaths()
    assert (note["cause"], note["open_count"], note["time"]) == ("SIGBUS", 0, 5.0)
    assert note["fault"] == ["Fatal Python error: Bus error"]
    assert read_json(bot.root / LATEST) == note
    assert not (bot.folder.path / f"{PID}.fault").exists()


def test_living_process_is_left_alone(bot: Bot) -> None:
    def look() -> None:
        bot.watch.look(bot.folder)
        (bot.root / "tables").write_text(str(len(tables(bot.folder))))

    bot.die_in(look, after=True)
    assert (bot.root / "tables").read_text() == "1"
    assert bot.closed() == []
    assert bot.folder.deaths() == []
