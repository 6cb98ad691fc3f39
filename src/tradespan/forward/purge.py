"""What may be deleted by hand, and deleting it; what is lost by that is counted with its reason."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tradespan.forward.amends import amending
from tradespan.forward.letters import Letter, read_letters
from tradespan.forward.parking import PARKED
from tradespan.spool.folder import DAMAGED, DRAINED, RunFolder

What = Literal["run", "parked", "damaged"]


@dataclass(frozen=True, slots=True)
class Removable:
    """One thing that may be deleted."""

    what: What
    folder: RunFolder
    size: int
    """Bytes."""
    lost: int = 0
    """Records that no destination will ever have by this."""
    note: str = ""
    letter: Letter | None = None
    path: Path | None = None
    """A file that was set aside."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What somebody wants to be rid of."""

    older_than: float = 0.0
    """Seconds since it was delivered, refused or set aside."""
    parked: bool = False
    damaged: bool = False
    now: float = field(default_factory=time.time)

    def is_old(self, since: float) -> bool:
        """Whether something that stands since a moment (unix seconds) is meant."""
        return self.now - since >= self.older_than


def find_removable(folders: list[RunFolder], choice: Choice) -> list[Removable]:
    """What may go, in the order in which it has to."""
    found: list[Removable] = []
    for folder in folders:
        files = list(_find_files(folder, choice))
        found += files
        if (run := _find_run(folder, files, choice)) is not None:
            found.append(run)
    return found


def _find_files(folder: RunFolder, choice: Choice) -> Iterator[Removable]:
    if choice.parked:
        for letter in read_letters(folder):
            if choice.is_old(letter.time):
                yield Removable(
                    "parked",
                    folder,
                    letter.size,
                    letter.refused,
                    f"{letter.sink}: {letter.reason}",
                    letter,
                )
    if choice.damaged:
        for path in sorted(folder.path.glob(f"*{DAMAGED}")):
            status = path.stat(follow_symlinks=False)
            if choice.is_old(status.st_mtime):
                yield Removable("damaged", folder, status.st_size, 0, path.name, path=path)


def _find_run(folder: RunFolder, files: list[Removable], choice: Choice) -> Removable | None:
    """A run of which nothing is left but what goes with it."""
    drained = folder.drained
    if drained is None or drained.get("complete") is not True or folder.segments():
        return None
    if (folder.path / "runs").exists() or any(page.alive for page in folder.pages()):
        return None
    if folder.keeps_orders():
        return None
    going = {path for each in files for path in _paths(each)}
    left = {*folder.path.glob(f"{PARKED}/*/*"), *folder.path.glob(f"*{DAMAGED}")} - going
    lost = unaccounted(drained)
    # What does not balance is the evidence, until somebody says that he has seen it.
    if left or (lost and not choice.damaged):
        return None
    since = (folder.path / DRAINED).stat().st_mtime
    if not choice.is_old(since):
        return None
    size = sum(p.stat().st_size for p in folder.path.iterdir() if p.is_file() and p not in going)
    note = f"{lost:,} records of it are unaccounted for" if lost else "delivered"
    return Removable("run", folder, size, 0, note)


def unaccounted(drained: dict[str, object]) -> int:
    """Records that a run's closed books miss."""
    sinks = drained.get("sinks")
    lines = sinks.values() if isinstance(sinks, dict) else []
    numbers = [line.get("unaccounted", 0) for line in lines if isinstance(line, dict)]
    return max((number for number in numbers if isinstance(number, int)), default=0)


def _paths(each: Removable) -> list[Path]:
    if each.letter is not None:
        return each.letter.files
    return [each.path] if each.path is not None else []


def remove(each: Removable) -> bool:
    """Delete it. Returns whether it is gone.

    Raises:
        Busy: Somebody sends these dead letters again, right now.
        OSError: The folder cannot be written.
    """
    if each.what == "run":
        return each.folder.remove()
    if each.path is not None:
        each.path.unlink(missing_ok=True)
        return True
    letter = each.letter
    assert letter is not None
    if not letter.paths[0].exists():
        return False
    with amending(each.folder) as amender:
        if not letter.paths[0].exists():  # sent again meanwhile
            return False
        amender.settle(letter.sink, letter.files, purged=letter.refused)
    return True
