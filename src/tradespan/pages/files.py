"""How a mapped file comes into being: allocated and locked before it can be seen by its name."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from tradespan.pages.locks import LockKeeper

_FLAGS = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
_BLOCK = 512
"""Bytes of what `st_blocks` counts."""


class Prepared(NamedTuple):
    """A file of zeros that somebody may have made for us beforehand."""

    path: Path
    least: int
    """Bytes that it has to have."""
    most: int


@contextmanager
def make_file(
    path: Path, size: int, locks: LockKeeper, prepared: Prepared | None = None
) -> Iterator[tuple[int, int]]:
    """A new file of so many bytes, to be mapped and described in the block.

    A size of 0 allocates nothing. The file gets its name when the block has ended well; else it is
    gone. Yields two descriptors: of the file, for the block only, and the one that holds its lock.

    `prepared`: taken in its place if it fits; the file has that one's size then.

    Raises:
        OSError: No space, no permission, no folder.
    """
    unnamed = path.with_name(f".{path.name}")
    with suppress(FileNotFoundError):  # one that was interrupted has left it
        os.unlink(unnamed)
    descriptor = -1 if prepared is None else _take(prepared, unnamed)
    fresh = descriptor < 0
    if fresh:
        descriptor = os.open(unnamed, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
    lock = -1
    try:
        lock = locks.lock(unnamed)
        if fresh and size:
            os.posix_fallocate(descriptor, 0, size)
        yield descriptor, lock
        os.rename(unnamed, path)
    except BaseException:
        locks.let_go(lock)
        with suppress(OSError):  # its folder may be gone
            os.unlink(unnamed)
        raise
    finally:
        os.close(descriptor)


def _take(prepared: Prepared, unnamed: Path) -> int:
    """Give a prepared file the name of the one in the making. Its descriptor; -1 if none fits."""
    try:
        # First of all: from here on nobody else finds it.
        os.rename(prepared.path, unnamed)
    except OSError:
        return -1
    with suppress(OSError):
        descriptor = os.open(unnamed, _FLAGS | os.O_NONBLOCK)
        if _fits(prepared, os.fstat(descriptor)):
            return descriptor
        os.close(descriptor)
    with suppress(OSError):
        os.unlink(unnamed)
    return -1


def _fits(prepared: Prepared, status: os.stat_result) -> bool:
    """Whether a file is ours alone, and as if we had made it.

    Its bytes are not looked at: whoever may write files of ours may write segments as well.
    """
    return (
        stat.S_ISREG(status.st_mode)
        and stat.S_IMODE(status.st_mode) == 0o600
        and status.st_uid == os.geteuid()
        and status.st_nlink == 1
        and prepared.least <= status.st_size <= prepared.most
        # Allocated to the end: a hole could end the writer with SIGBUS once the disk is full.
        and status.st_blocks * _BLOCK >= status.st_size
    )
