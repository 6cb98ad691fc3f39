"""What the files of a root say for the UI's status bar, with no agent in this process."""

from __future__ import annotations

import importlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradespan.bootstrap.places import Place
from tradespan.core.guard import guarded
from tradespan.forward.death import LATEST
from tradespan.forward.orphans import is_orphan
from tradespan.spool.deaths import is_alarming, name_calls, say_death, trace_of
from tradespan.spool.folder import RUN, RUNS, RunFolder, read_json, run_folders

if TYPE_CHECKING:
    from tradespan.web.status import Status

DEATH_SHOWN, DEATH_BESIDE_LIFE = 86_400.0, 300.0
"""Seconds for which the bar tells of a death, and of one while a bot runs."""
STORE = "store"


def latest_death(root: Path, *, alive: bool) -> dict[str, Any]:
    """What `Status` says of the last death: for a day, or for minutes if a bot runs again."""
    note = read_json(root / LATEST)
    if note is None or not is_alarming(note) or not isinstance(note.get("time"), float):
        return {}
    if time.time() - float(note["time"]) >= (DEATH_BESIDE_LIFE if alive else DEATH_SHOWN):
        return {}
    return {
        "death": say_death(note),
        "death_at": int(note["time"] * 1e9),
        "death_trace": trace_of(note),
        "death_title": name_calls(note),
    }


def describe_bots(folders: list[RunFolder]) -> dict[str, Any]:
    """How many programs run, and since when, of the folders of those that do."""
    began = [folder.description.get("began") for folder in folders]
    since = min((int(b * 1e9) for b in began if isinstance(b, float)), default=None)
    return {"bots": len(folders), "since": since}


class RootStatus:
    """Read anew at most once a second. What the agent knows alone comes from its `agent.json`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._web = importlib.import_module("tradespan.web.status")
        self._over: set[str] = set()
        """Runs that told how they ended: they are not looked at again."""
        self._read_at = 0.0
        self._last: Status = self._web.Status()

    def __call__(self) -> Status:
        """The status now; empty where the store lies in no root."""
        if time.monotonic() - self._read_at > 1.0:
            with guarded("status"):
                self._last = self._read()
            self._read_at = time.monotonic()
        return self._last

    def _read(self) -> Status:
        if not ((self._root / RUNS).is_dir() or (self._root / RUN).exists()):
            nothing: Status = self._web.Status()
            return nothing
        alive = self._live_folders()
        status: Status = self._web.Status(
            **describe_bots(alive),
            **latest_death(self._root, alive=bool(alive)),
            **self._told_by_agent(),
        )
        return status

    def _live_folders(self) -> list[RunFolder]:
        alive = []
        for folder in run_folders(self._root):
            name = folder.path.name
            if name in self._over:
                continue
            if folder.ended is None:
                alive += [] if is_orphan(folder) else [folder]
            elif folder.path != self._root:  # a root that is a run's folder may be run in again
                self._over.add(name)
        return alive

    def _told_by_agent(self) -> dict[str, Any]:
        holder = Place(self._root).holder()
        told = holder.told if holder is not None else {}
        sinks: dict[str, dict[str, Any]] = told.get("sinks", {})
        shown = ("run", "sink", "waiting", "threshold", "cause", "sentence")
        return {
            "waiting": sinks[STORE]["undelivered"] if STORE in sinks else None,
            "backlogs": tuple(
                self._web.Backlog(**{key: each[key] for key in shown})
                for each in told.get("backlogs", [])
            ),
            "undelivered": {name: sink["undelivered"] for name, sink in sinks.items()},
            "warnings": {name: sink["queue_warnings"] for name, sink in sinks.items()},
            "metrics": tuple(told.get("metrics", [])),
        }
