"""A root with one run, and what `tradespan spool` prints of it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from tests.support.receiver import Receiver
from tests.unit.forward.builders import Bot, work_on
from tradespan.bootstrap.couriers import build_courier, read_books
from tradespan.config import load_config
from tradespan.core.process import process_start
from tradespan.forward.post import Destination
from tradespan.spool.folder import DRAINED, ENDED, RunFolder, replace_json

RUN = "20260301T142703.000000Z-bot-7"


class Root:
    """A root with one run that goes to one receiver."""

    def __init__(self, path: Path, receiver: Receiver) -> None:
        self.path = path
        self.receiver = receiver
        self.destination = Destination("otlp", receiver.url)
        self.bot = Bot(path / "runs" / RUN)
        self.folder.path.mkdir(parents=True)
        self.folder.describe(
            pid=os.getpid(),
            pid_start=process_start(os.getpid()),
            service="bot",
            destinations=[list(self.destination)],
        )

    @property
    def folder(self) -> RunFolder:
        return self.bot.folder

    def end(self) -> None:
        """The bot's process is over."""
        self.bot.close()
        self.bot.die()
        self.folder.describe(pid=2**22 + 1, pid_start=1)
        replace_json(self.folder.path / ENDED, {"status": 0, "time": time.time()})

    def deliver(self) -> None:
        """An agent delivers until the receiver takes no more, and leaves."""
        courier = build_courier(
            load_config({"root": self.path}, config_file="none"), self.destination
        )
        assert courier is not None
        work_on(courier, self.folder)
        for name in courier.finished(self.folder):
            (self.folder.path / name).unlink()
        courier.close()

    def close_books(self) -> None:
        books = read_books(self.folder).to_json()
        complete = not self.folder.segments()
        replace_json(self.folder.path / DRAINED, {"complete": complete, **books})

    @property
    def book(self) -> Any:
        """The books' line of the only sink; the equation holds."""
        books = read_books(self.folder)
        (book,) = books.sinks.values()
        told = book.accepted + book.parked + book.on_disk + book.unaccounted + books.in_memory
        told += sum(book.discarded.values()) + sum(books.discarded.values())
        assert told == books.recorded
        return book


def status_of(spool: Any, *words: object, status: int = 0) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(spool("status", *words, "--json", status=status))
    return told


def lines_of(printed: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.splitlines()]
