"""How a mapped file comes into being: allocated and locked before it can be seen by its name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tradespan.pages.locks import LockKeeper

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


@contextmanager
def make_file(path: Path, size: int, locks: LockKeeper) -> Iterator[tuple[int, int]]:
    """A new file of so many bytes, to be mapped and described in the block.

    It gets its name when the block has ended well; else it is gone. Yields two descriptors: of the
    file, for the block only, and the one that holds its lock.

    Raises:
        OSError: No space, no permission, no folder.
    """
    unnamed = path.with_name(f".{path.name}")
    with suppress(FileNotFoundError):  # one that was interrupted has left it
        os.unlink(unnamed)
    descriptor = os.open(unnamed, _FLAGS, 0o600)
    lock = -1
    try:
        lock = locks.lock(unnamed)
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
