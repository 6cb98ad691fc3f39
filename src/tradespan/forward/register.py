"""Which run folders of a root there are, which of them are open, and which may go."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path

from tradespan.forward.orphans import as_number
from tradespan.forward.readingstate import load_state, unread_pages
from tradespan.spool.folder import DRAINED, RUN, RUNS, RunFolder, run_folders

MOST_DRAINED = 1_000
"""Folders of delivered runs that stay: a program that is started again and again, each time with
metric pages of its own, does not fill the disk."""
MOST_ENDED = 32
"""Runs of which `ended_since` tells: of a program that is started each second, the latest."""
_LOOK_AGAIN = 2.0
"""Seconds between two looks at the folders that are closed, and at the list of all."""


class FolderRegister:
    """Keeps one `RunFolder` a path, so that what it has read of small files stays known.

    May be asked by any thread.
    """

    def __init__(self, root: Path, only: RunFolder | None = None) -> None:
        """`only`: know this folder alone."""
        self._root = root
        self._only = only
        self._folders: dict[str, RunFolder] = {}
        self._closed: dict[str, int] = {}
        """Path → when the folder had changed last, at the time it was closed."""
        self._listed: tuple[int, bool] = (-1, False)
        self._looked_at = float("-inf")
        self._lock = threading.Lock()

    def open_folders(self) -> list[RunFolder]:
        """Folders that are not drained to the end."""
        with self._lock:
            self._list()
            self._reopen()
            return [folder for path, folder in self._folders.items() if path not in self._closed]

    def ended_since(self, moment: float) -> list[RunFolder]:
        """Folders that may be of runs which ended after a moment (unix seconds), the latest few.

        Whether a run is over, and not only silent, is for others to say.
        """
        with self._lock:
            self._list()
            # A closed folder changed last when it was closed, if not earlier.
            late = [
                folder
                for path, folder in self._folders.items()
                if path not in self._closed or folder.changed >= moment * 1e9
            ]
        return [folder for folder in late if when_over(folder) >= moment][-MOST_ENDED:]

    def close(self, folder: RunFolder) -> None:
        """Nothing is left in a folder. It is opened again when a file comes into it."""
        with self._lock:
            self._closed[str(folder.path)] = folder.changed

    def remove_drained(self, before: float, most: int = MOST_DRAINED) -> list[RunFolder]:
        """Delete folders that were drained before a moment (unix seconds), and the oldest of more
        than `most`. Returns those deleted.

        A folder whose books don't balance stays: it is the evidence. So does one with dead letters.
        """
        with self._lock:
            closed = [folder for path, folder in self._folders.items() if path in self._closed]
        closed = sorted((each for each in closed if each.path != self._root), key=_age)
        excess = max(len(closed) - most, 0)
        over = [each for each in closed[:excess] if _is_over(each, float("inf"))]
        over += [each for each in closed[excess:] if _is_over(each, before)]
        return [folder for folder in over if folder.remove()]

    def _list(self) -> None:
        """Look for new folders, unless nothing came or went."""
        state = _state(self._root)
        now = time.monotonic()
        if state == self._listed and now - self._looked_at < _LOOK_AGAIN:
            return
        found = [self._only] if self._only is not None else list(run_folders(self._root))
        known = self._folders
        self._folders = {str(f.path): known.get(str(f.path), f) for f in found}
        self._closed = {path: at for path, at in self._closed.items() if path in self._folders}
        for path in self._folders.keys() - known.keys():
            if _is_over_and_read(self._folders[path]):
                self._closed[path] = self._folders[path].changed
        self._listed = state

    def _reopen(self) -> None:
        """Open closed folders in which something changed: another run, or a child that lives."""
        now = time.monotonic()
        if now - self._looked_at < _LOOK_AGAIN:
            return
        self._looked_at = now
        for path, at in list(self._closed.items()):
            folder = self._folders[path]
            if folder.changed != at and not _is_over_and_read(folder):
                del self._closed[path]


def when_over(folder: RunFolder) -> float:
    """When a run ended, unix seconds: as its supervisor said, else when it counted last, as far as
    the file system tells (with half a minute's grain); 0: it never counted.
    """
    told = as_number((folder.ended or {}).get("time"))
    if told > 0:
        return told
    signs = [0.0]
    for path in folder.metric_pages():
        with suppress(OSError):
            signs.append(path.stat().st_mtime)
    return max(signs)


def _state(root: Path) -> tuple[int, bool]:
    """Changes when a folder comes or goes."""
    try:
        changed = (root / RUNS).stat().st_mtime_ns
    except OSError:
        changed = -1
    return changed, (root / RUN).exists()


def is_complete(folder: RunFolder) -> bool:
    """Whether its books were closed when all of it had been delivered."""
    drained = folder.drained
    return drained is not None and drained.get("complete") is True


def _is_drained(folder: RunFolder) -> bool:
    """Whether all of it was delivered, and nothing came since."""
    return is_complete(folder) and not folder.segments()


def _is_over_and_read(folder: RunFolder) -> bool:
    """Whether nothing comes any more: no child has outlived the run, and counted on since."""
    return _is_drained(folder) and not is_outlived(folder)


def is_outlived(folder: RunFolder) -> bool:
    """Whether a child counted, or counts, after the last reading of its run."""
    return bool(unread_pages(folder, load_state(folder.path)))


def _age(folder: RunFolder) -> str:
    """Sorts the folders below a root by their beginning, which their names tell."""
    return folder.path.name


def _is_over(folder: RunFolder, before: float) -> bool:
    drained = folder.drained
    if drained is None or not _is_drained(folder) or any(page.alive for page in folder.pages()):
        return False
    sinks = drained.get("sinks", {})
    try:
        return (folder.path / DRAINED).stat().st_mtime < before and not any(
            sink.get("unaccounted") for sink in sinks.values()
        )
    except (AttributeError, OSError):
        return False
