"""What a user means by a folder: a root with its runs, or one run."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tradespan.core.errors import SpoolUnavailable
from tradespan.forward.agent import STATUS
from tradespan.spool.folder import RUN, RUNS, RootLock, RunFolder, read_json, run_folders
from tradespan.spool.names import SegmentName


@dataclass(frozen=True, slots=True)
class Place:
    """A root, and those of its runs that are meant."""

    root: Path
    """Where the agent's lock and its status are."""
    only: RunFolder | None = None
    """The one run that was named; None: all of the root."""

    def folders(self) -> list[RunFolder]:
        """The runs, oldest first."""
        return [self.only] if self.only is not None else list(run_folders(self.root))

    def holder(self) -> Holder | None:
        """The agent that serves the root now; None if there is none."""
        pid = RootLock(self.root).holder()
        if pid is None:
            return None
        told = read_json(self.root / STATUS) or {}
        # What an agent left that was killed says nothing about the one that serves now.
        return Holder(pid, told if told.get("pid") == pid else {})


@dataclass(frozen=True, slots=True)
class Holder:
    """Who serves a root."""

    pid: int
    told: dict[str, Any]
    """What it says of itself (`agent.json`); empty if it has said nothing yet."""

    @property
    def since(self) -> float | None:
        """When it began, in unix seconds; None: not known."""
        began = self.told.get("started")
        return float(began) if isinstance(began, int | float) else None

    def describe(self) -> str:
        """`process 123 forwards since 2026-03-01 14:27:03`."""
        if self.since is None:
            return f"process {self.pid} forwards"
        began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        return f"process {self.pid} forwards since {began}"


def find_place(folder: Path) -> Place:
    """The root or the run that a folder is.

    Raises:
        SpoolUnavailable: It is neither.
    """
    folder = folder.absolute()
    if not folder.is_dir():
        reason = "it is no folder" if folder.exists() else "there is no such folder"
        raise SpoolUnavailable(folder, reason)
    if folder.parent.name == RUNS and _is_run(folder):
        return Place(folder.parent.parent, RunFolder(folder))
    if (folder / RUNS).is_dir() or (folder / RUN).exists() or RootLock(folder).is_made:
        return Place(folder)
    if _is_run(folder):  # copied from somewhere, its description lost
        return Place(folder, RunFolder(folder))
    raise SpoolUnavailable(
        folder,
        f"it is no root of tradespan, which holds a folder `{RUNS}`, and no run's folder, which"
        f" holds `{RUN}` or segments",
    )


def _is_run(folder: Path) -> bool:
    if (folder / RUN).exists():
        return True
    try:
        return any(SegmentName.parse(entry.name) for entry in folder.iterdir())
    except OSError:
        return False
