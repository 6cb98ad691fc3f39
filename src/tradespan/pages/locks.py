"""Locks that say "my process lives": held on a descriptor of their own, gone with the process.

`flock`, not `fcntl`: an `fcntl` lock vanishes when anybody in the process closes the file. A
`flock` is shared by a forked child, which therefore closes its copies first of all.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from tradespan.core.plainfiles import open_plain

_FLAGS = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW


class LockKeeper:
    """The locks of one process generation."""

    def __init__(self) -> None:
        self._held: set[int] = set()

    def __del__(self) -> None:
        # Nobody can write any more who would have locked for it.
        self.abandon()

    def lock(self, path: Path) -> int:
        """Lock a file of ours. Returns the descriptor that holds the lock.

        Raises:
            OSError: It cannot be opened, or somebody else holds it.
        """
        descriptor = os.open(path, _FLAGS)
        # Known before it is locked: another thread may fork at any moment from here on.
        self._held.add(descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            self.let_go(descriptor)
            raise
        return descriptor

    def let_go(self, descriptor: int) -> None:
        """Release a lock; nothing if a fork has done so."""
        if descriptor in self._held:
            self._held.discard(descriptor)
            os.close(descriptor)

    def abandon(self) -> None:
        """Close all. In a forked child these are copies: the parent's locks stay."""
        while self._held:
            os.close(self._held.pop())


def is_locked(descriptor: int) -> bool | None:
    """Whether a living process holds the lock of this file; None where locks don't work."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def is_held(path: Path) -> bool:
    """Whether a living process holds a file's lock; where locks don't work, nobody is known to.

    Raises:
        OSError: It cannot be opened, or is no plain file.
    """
    descriptor = open_plain(path)
    try:
        return is_locked(descriptor) is True
    finally:
        os.close(descriptor)


def read_with_lock(path: Path, most: int) -> tuple[bytes, bool | None]:
    """A file's bytes, `most` of them at most, and whether a living process holds its lock.

    Raises:
        OSError: It cannot be read, or is no plain file.
    """
    descriptor = open_plain(path)
    with os.fdopen(descriptor, "rb") as file:
        # The lock first: what a process wrote that is gone by then stands still.
        locked = is_locked(descriptor)
        return file.read(most), locked
