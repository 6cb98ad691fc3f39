"""What lies in a root: its runs, their books, who writes and who forwards. Changes nothing."""

from __future__ import annotations

import stat
import time
from dataclasses import dataclass, field
from typing import Any, Literal

from tradespan.bootstrap.addressees import name_sinks
from tradespan.bootstrap.couriers import look_at_books
from tradespan.bootstrap.places import Holder, Place
from tradespan.core.delivery import Cursor
from tradespan.core.errors import TradespanError
from tradespan.core.process import is_alive
from tradespan.forward.backlog import find_oldest
from tradespan.forward.books import Books
from tradespan.forward.letters import Letter, read_letters
from tradespan.forward.parking import PARKED
from tradespan.pages.counters import Page
from tradespan.spool.folder import DAMAGED, RunFolder
from tradespan.spool.names import is_agents

RunState = Literal["running", "ended", "gone"]
"""A process of it lives; its supervisor told how it ended; it is over, and nobody told how."""


@dataclass(slots=True)
class RunStatus:
    """One run's folder, looked at once."""

    folder: RunFolder
    state: RunState
    pages: list[Page]
    cursors: dict[str, Cursor]
    books: Books | None
    """None: they cannot be read; `problem` says why."""
    problem: str = ""
    oldest: dict[str, int] = field(default_factory=dict)
    """Sink → when the oldest record was made that it has not taken; nanoseconds UTC."""
    segments: int = 0
    size: int = 0
    """Bytes of all files of the folder."""
    letters: list[Letter] = field(default_factory=list)
    set_aside: dict[str, int] = field(default_factory=dict)
    """Name of a file that was no segment → its bytes."""

    @property
    def unaccounted(self) -> int:
        """Records that are nowhere, by the sink that misses most."""
        sinks = self.books.sinks.values() if self.books else []
        return max((sink.unaccounted for sink in sinks), default=0)

    @property
    def places(self) -> dict[str, str]:
        """Sink → where its records go, as people call it."""
        sinks = [*(self.books.sinks if self.books else ()), *(each.sink for each in self.letters)]
        return name_sinks(self.folder.description.get("destinations", []), sinks)

    def to_json(self, now: float) -> dict[str, Any]:
        """As plain values; `now`: unix seconds."""
        told = self.folder.description
        ended = self.folder.ended or {}
        return {
            "run": self.folder.path.name,
            "folder": str(self.folder.path),
            "service": told.get("service"),
            "mode": told.get("mode"),
            "began": told.get("began"),
            "state": self.state,
            "exit_status": ended.get("status"),
            "destinations": told.get("destinations", []),
            "places": self.places,
            "writers": [
                {"writer": page.writer, "pid": page.process_id, "alive": page.alive}
                for page in self.pages
            ],
            "segments": self.segments,
            "bytes": self.size,
            "books": self.books.to_json() if self.books else None,
            "problem": self.problem,
            "unaccounted": self.unaccounted,
            "cursors": {name: cursor.positions for name, cursor in self.cursors.items()},
            "oldest_seconds": {
                name: max(now - made / 1e9, 0.0) for name, made in self.oldest.items()
            },
            "dead_letters": [
                {
                    "sink": letter.sink,
                    "reason": letter.reason,
                    "records": letter.records,
                    "refused": letter.refused,
                    "time": letter.time,
                    "bytes": letter.size,
                    "files": [str(path.relative_to(self.folder.path)) for path in letter.paths],
                }
                for letter in self.letters
            ],
            "set_aside": [{"file": name, "bytes": n} for name, n in self.set_aside.items()],
        }


@dataclass(slots=True)
class RootStatus:
    """A root, looked at once."""

    place: Place
    agent: Holder | None
    runs: list[RunStatus]

    @property
    def unaccounted(self) -> int:
        """Records of all runs that are nowhere."""
        return sum(run.unaccounted for run in self.runs)

    @property
    def good(self) -> bool:
        """Whether all books could be read, and balance."""
        return all(run.books is not None and not run.unaccounted for run in self.runs)

    def to_json(self, now: float | None = None) -> dict[str, Any]:
        """As plain values; `now`: unix seconds."""
        now = time.time() if now is None else now
        agent = None
        if self.agent is not None:
            told = self.agent.told
            agent = {
                "pid": self.agent.pid,
                "since": self.agent.since,
                "sinks": told.get("sinks", {}),
                "problems": told.get("problems", {}),
            }
        return {
            "root": str(self.place.root),
            "agent": agent,
            "unaccounted": self.unaccounted,
            "runs": [run.to_json(now) for run in self.runs],
        }


def look_at(place: Place) -> RootStatus:
    """Look at all runs that are meant."""
    return RootStatus(place, place.holder(), [look_at_run(each) for each in place.folders()])


def look_at_run(folder: RunFolder) -> RunStatus:
    """Look at one run. What is wrong with its store stands in `problem`."""
    pages = folder.pages()
    cursors: dict[str, Cursor] = {}
    books, problem = None, ""
    try:
        books, cursors = look_at_books(folder)
    except (OSError, TradespanError) as error:
        problem = str(error)
    status = RunStatus(folder, _state(folder, pages), pages, cursors, books, problem)
    status.segments = len(folder.segments())
    status.letters = read_letters(folder)
    for name, cursor in cursors.items():
        if (made := find_oldest(folder, cursor, frozenset())) is not None:
            status.oldest[name] = made
    _weigh(status)
    return status


def _state(folder: RunFolder, pages: list[Page]) -> RunState:
    told = folder.description
    pid, start = told.get("pid"), told.get("pid_start")
    if any(page.alive and not is_agents(page.writer) for page in pages):
        return "running"
    if folder.ended is not None:
        return "ended"
    if isinstance(pid, int) and isinstance(start, int) and is_alive(pid, start):
        return "running"
    return "gone"


def _weigh(status: RunStatus) -> None:
    """Add up the files; a folder below (dead letters) counts as well."""
    # Of a root that is a run itself, the runs below it are not its own.
    folder = status.folder.path
    for path in (*folder.glob("*"), *folder.glob(f"{PARKED}/*/*")):
        try:
            told = path.stat(follow_symlinks=False)
        except OSError:
            continue
        if stat.S_ISREG(told.st_mode):
            status.size += told.st_size
            if path.name.endswith(DAMAGED) and path.parent == folder:
                status.set_aside[path.name] = told.st_size
