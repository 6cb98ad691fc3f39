"""What a killed writer was about to make takes no space for good."""

from __future__ import annotations

from pathlib import Path

from tests.unit.forward.builders import Bot
from tests.unit.forward.roots import Root
from tradespan.forward.leftovers import remove_unfinished


def begin_segment(bot: Bot) -> Path:
    """A file as it is before it gets its name."""
    newest = bot.folder.segments()[-1]
    path = bot.folder.path / f".{newest._replace(ordinal=newest.ordinal + 1)}"
    path.write_bytes(bytes(4096))
    return path


def test_of_a_dead_writer_it_is_removed_and_of_a_living_one_it_stays(tmp_path: Path) -> None:
    bot = Bot(tmp_path)
    bot.record(1)
    path = begin_segment(bot)
    segments = bot.folder.segments()
    remove_unfinished(bot.folder)
    assert path.exists()
    bot.die()
    remove_unfinished(bot.folder)
    assert not path.exists()
    assert bot.folder.segments() == segments


def test_agent_removes_it_when_it_closes_the_books(root: Root) -> None:
    bot = root.start("run", "store")
    bot.record(7)
    path = begin_segment(bot)
    bot.die()
    root.end(bot)
    root.step_until(lambda: (root.drained(bot) or {}).get("complete"))
    root.step_until(lambda: not path.exists())
