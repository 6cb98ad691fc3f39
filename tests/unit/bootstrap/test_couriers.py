"""What a process that does not forward says of a folder: its books, beside whoever does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.support.fakes import ListSink
from tests.unit.forward.builders import Bot, make_courier, make_span, told, work_on
from tradespan.bootstrap.couriers import look_at_books, read_books
from tradespan.bootstrap.receivers import sink_name
from tradespan.core.records import Kind, LogRecord, MetricReading, Span
from tradespan.forward.books import SinkBook
from tradespan.forward.cursors import FileCursors
from tradespan.spool.discarded import DiscardedSegment
from tradespan.spool.folder import RunFolder
from tradespan.spool.names import SegmentName
from tradespan.wire.codec import encode_record

ADDRESS = "http://127.0.0.1:4318"
NAME = sink_name("otlp", ADDRESS)


class Forwarded(RunFolder):
    """A folder in which something happens each time just before it is listed."""

    def __init__(self, path: Path, happens: Callable[[], None]) -> None:
        super().__init__(path)
        self._happens = happens

    def contents(self) -> tuple[list[SegmentName], list[DiscardedSegment]]:
        self._happens()
        return super().contents()


def make_bot(path: Path, *kinds: str) -> Bot:
    bot = Bot(path / "run")
    bot.record(1)
    bot.folder.describe(destinations=[[kind, ADDRESS] for kind in kinds])
    return bot


def test_books_beside_an_agent_that_delivers_and_deletes_are_those_of_one_moment(
    tmp_path: Path,
) -> None:
    bot = make_bot(tmp_path, "otlp")
    courier = make_courier(ListSink[Span](name=NAME), FileCursors(NAME))
    passes = 0

    def forward() -> None:
        nonlocal passes
        passes += 1
        if passes <= 3:
            bot.record(200)
            work_on(courier, bot.folder)
            for name in courier.finished(bot.folder):
                (bot.folder.path / name).unlink()

    books, cursors = look_at_books(Forwarded(bot.folder.path, forward))
    assert passes > 3, "it was looked at again"
    assert books.recorded == 601 == told(books, NAME)
    assert books.sinks[NAME].unaccounted == 0
    assert cursors[NAME].accepted == books.sinks[NAME].accepted == 601


def test_what_is_lost_is_said_after_a_second_look(tmp_path: Path) -> None:
    bot = make_bot(tmp_path, "otlp")
    bot.record(200)
    bot.close()
    removed = str(bot.folder.segments()[1])
    (bot.folder.path / removed).unlink()
    looks = 0

    def count() -> None:
        nonlocal looks
        looks += 1

    books, _ = look_at_books(Forwarded(bot.folder.path, count))
    assert books.sinks[NAME].unaccounted > 0
    assert looks <= 4, "nobody moves: it is as it is"


def test_sinks_of_all_signals_have_lines_before_they_have_cursors(tmp_path: Path) -> None:
    kinds = "otlp", "otlp.logs", "otlp.metrics"
    bot = make_bot(tmp_path, *kinds)
    lane = bot.spool.ordinary
    for number in range(2):
        lane.append(Kind.LOG, 0, encode_record(LogRecord(0, number, body="filled")))
    for number in range(3):
        lane.append(Kind.METRIC, 0, encode_record(MetricReading(number, number, 1, b"points")))
    lane.append(Kind.SPAN, 1, encode_record(make_span(2)))
    books = read_books(bot.folder)
    lines = {kind: books.sinks[sink_name(kind, ADDRESS)] for kind in kinds}
    assert books.recorded == 7
    assert lines == {
        "otlp": SinkBook(0, 0, 2, 0, 5),
        "otlp.logs": SinkBook(0, 0, 2, 0, 5),
        "otlp.metrics": SinkBook(0, 0, 3, 0, 4),
    }
