"""`tradespan agent --once` ends when the books of what is over are closed."""

from __future__ import annotations

import os
from pathlib import Path

from tests.unit.forward.builders import Bot
from tradespan.bootstrap.once import deliver_once
from tradespan.bootstrap.places import Place
from tradespan.config import resolve_config


def test_books_of_a_run_whose_segments_are_gone_already_are_closed(tmp_path: Path) -> None:
    # An agent had delivered and deleted them, and was killed before it closed the books.
    bot = Bot(tmp_path / "runs" / "run")
    bot.folder.path.mkdir(parents=True, exist_ok=True)
    bot.folder.describe(pid=os.getpid(), pid_start=1, destinations=[["store", str(tmp_path / "s")]])
    bot.close()
    bot.die()
    assert bot.folder.segments() == []
    config = resolve_config({"root": tmp_path}, environ={"HOME": str(tmp_path)}, directory=tmp_path)
    assert deliver_once(config, Place(tmp_path)).good
    assert bot.folder.drained is not None
    assert bot.folder.drained["complete"]
