"""A file system that refuses, forgets and miscounts: what stands for `os` in spool and pages.

The real calls go to real files. Everything else is added from outside: product code knows nothing
of it.
"""

from __future__ import annotations

import errno
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PAGE = 4096
_ROOMS = ("tradespan.spool", "tradespan.pages", "tradespan.forward", "tradespan.core.plainfiles")
_CREATES = os.O_CREAT | os.O_TRUNC

Choose = Callable[[], bool]
"""The next decision of a crash: whether something reached the disk."""


class FaultyFiles:
    """`os`, with faults by the name of the call, and a memory of what was flushed.

    `faults` says which calls fail, with which `errno`; `after` lets so many of that call through
    first. Reads of a file are counted in `calls` like everything else.
    """

    def __init__(self) -> None:
        self.faults: dict[str, int] = {}
        self.after: dict[str, int] = {}
        self.calls: Counter[str] = Counter()
        self._flushed: dict[tuple[int, int], bytes] = {}
        """Device and inode → the content at its last `fsync`."""
        self._patched: list[Any] = []
        self._drawn = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def install(self) -> None:
        """Stand for `os` in each module of the rooms that touch files."""
        for name, module in sorted(sys.modules.items()):
            if name.startswith(_ROOMS) and getattr(module, "os", None) is os:
                module.os = self  # type: ignore[attr-defined]
                self._patched.append(module)

    def remove(self) -> None:
        """Give `os` back."""
        while self._patched:
            self._patched.pop().os = os

    @contextmanager
    def healthy(self) -> Iterator[None]:
        """No faults in the block."""
        faults, self.faults = self.faults, {}
        try:
            yield
        finally:
            self.faults = faults

    def _pass(self, name: str) -> None:
        self.calls[name] += 1
        fault = self.faults.get(name)
        if fault is None:
            return
        if self.after.get(name, 0) > 0:
            self.after[name] -= 1
            return
        raise OSError(fault, os.strerror(fault))

    # ── the calls that can fail ─────────────────────────────────────────────────────────────────

    def open(self, path: Any, flags: int, mode: int = 0o777, **others: Any) -> int:
        self._pass("create" if flags & _CREATES else "open")
        return os.open(path, flags, mode, **others)

    def posix_fallocate(self, descriptor: int, offset: int, size: int) -> None:
        self._pass("allocate")
        os.posix_fallocate(descriptor, offset, size)

    def pwrite(self, descriptor: int, data: bytes, offset: int) -> int:
        self._pass("write")
        return os.pwrite(descriptor, data, offset)

    def ftruncate(self, descriptor: int, size: int) -> None:
        self._pass("truncate")
        os.ftruncate(descriptor, size)

    def rename(self, source: Any, target: Any) -> None:
        self._pass("rename")
        os.rename(source, target)  # noqa: PTH104 - it is what this stands for

    def pread(self, descriptor: int, size: int, offset: int) -> bytes:
        self._pass("read")
        return os.pread(descriptor, size, offset)

    def fsync(self, descriptor: int) -> None:
        self._pass("flush")
        status = os.fstat(descriptor)
        self._flushed[status.st_dev, status.st_ino] = os.pread(descriptor, status.st_size, 0)

    fdatasync = fsync

    def urandom(self, size: int) -> bytes:
        """The same in every run: the names of files, and with them their order, come from it."""
        self._drawn += 1
        return self._drawn.to_bytes(size, "big")

    # ── the machine goes down ───────────────────────────────────────────────────────────────────

    def crash(self, folder: Path, choose: Choose) -> None:
        """Leave of each file what reached the disk: pages in any order, a name or none.

        A page that was not flushed since it was written is new or old, as it is chosen; the size is
        the new one (blocks were allocated). A file that was never flushed may have no name.
        """
        for path in sorted(folder.iterdir()):
            if not path.is_file():
                continue
            status = path.stat()
            flushed = self._flushed.get((status.st_dev, status.st_ino))
            if flushed is None and not choose():
                path.unlink()
                continue
            data = path.read_bytes()
            survived = replace_pages(flushed or b"", data, choose)
            # A new inode: who had the old one open died with the machine.
            path.unlink()
            path.write_bytes(survived)
            path.chmod(0o600)


def replace_pages(old: bytes, new: bytes, choose: Choose) -> bytes:
    """`new`, of which each page that differs from `old` is there or not."""
    old = old[: len(new)].ljust(len(new), b"\0")
    kept = bytearray(old)
    for start in range(0, len(new), PAGE):
        page = slice(start, start + PAGE)
        if new[page] != old[page] and choose():
            kept[page] = new[page]
    return bytes(kept)


NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES)
"""What the calls that make a file fail with."""
