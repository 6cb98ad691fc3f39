"""What the tests of known errors share: a bot that records, a disk that fails, a whole delivery."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fakes import ListSink
from tests.support.faulty_files import FaultyFiles
from tests.unit.forward.builders import Bot, add_up_for, deliver, make_courier, taken
from tests.unit.spool.builders import read_segment
from tradespan.core.records import Span
from tradespan.forward.books import SinkBook


@pytest.fixture
def bot(tmp_path: Path) -> Bot:
    return Bot(tmp_path / "run")


@pytest.fixture
def files() -> Iterator[FaultyFiles]:
    faulty = FaultyFiles()
    faulty.install()
    yield faulty
    faulty.remove()


def segments(bot: Bot) -> list[Path]:
    return [bot.folder.path / str(name) for name in bot.folder.segments()]


def spans_in(path: Path) -> int:
    return len(read_segment(path))


def page_of(bot: Bot) -> Path:
    return bot.folder.path / f"{bot.spool.identity.hex()}.page"


def check(bot: Bot, *, delivered: list[int], unaccounted: int) -> ListSink[Span]:
    """All that is left is delivered, once and in any order; the books tell what is not."""
    sink: ListSink[Span] = ListSink()
    courier = make_courier(sink)
    deliver(courier, bot.folder)
    assert sorted(taken(sink)) == delivered
    books = add_up_for(bot.folder, courier)
    assert books.recorded == len(delivered) + unaccounted
    assert books.sinks["list"] == SinkBook(len(delivered), 0, 0, unaccounted)
    return sink
