"""What source files were like when they were watched, and whether they are still the same.

A file's facts are taken in the program's process. Whoever shows its lines later trusts nothing:
the path goes through no link, ends at a plain `.py` file below a folder that the run named, and its
size, time and hash are those of the facts.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from tradespan.core.records import SourceFile

MOST_BYTES = 2 << 20
"""A larger file is no source that somebody reads."""
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_WALK = getattr(os, "O_PATH", os.O_RDONLY) | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_DIRECTORY
_SUFFIX = ".py"
_facts: dict[str, SourceFile | None] = {}
"""File → its facts, read once a process: later ones would be of other lines than those that run."""


class SourceHidden(Exception):
    """A file's lines are not shown; says why."""


def describe_source(file: str) -> SourceFile | None:
    """The facts of a code object's file; None if it is no source file that can be read."""
    if file not in _facts:
        try:
            _facts[file] = describe_file(file)
        except (OSError, ValueError):
            _facts[file] = None
    return _facts[file]


def describe_file(file: str) -> SourceFile | None:
    """The facts of a file as it is now; None if it is no source file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no file's name.
    """
    # Links are followed here, while the program runs that came by them, and never again.
    path = os.path.realpath(file)
    if not path.endswith(_SUFFIX):
        return None
    descriptor = os.open(path, _READ)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_BYTES:
            return None
        content = _read(descriptor)
    finally:
        os.close(descriptor)
    if len(content) != status.st_size:
        return None
    return SourceFile(path, status.st_size, status.st_mtime_ns, hashlib.sha256(content).digest())


def read_source(source: SourceFile, roots: Iterable[str]) -> str:
    """The text of a file, as it was when its facts were taken.

    Args:
        source: The facts, as a record brought them.
        roots: Folders, absolute and without links, below which the file has to be.

    Raises:
        SourceHidden: It is another file by now, or must not be read.
    """
    path = source.path
    if not path.endswith(_SUFFIX):
        raise SourceHidden("it is no .py file")
    if not _is_plain(path) or not any(_is_below(path, root) for root in roots):
        raise SourceHidden("outside of the run's folders")
    try:
        descriptor = _open_without_links(path)
    except FileNotFoundError:
        raise SourceHidden("the file is gone") from None
    except OSError as error:
        through_link = error.errno in (errno.ELOOP, errno.ENOTDIR)
        why = "a link leads to it" if through_link else error.strerror or str(error)
        raise SourceHidden(why) from None
    try:
        content = _read_same(descriptor, source)
    except OSError as error:
        raise SourceHidden(error.strerror or str(error)) from None
    finally:
        os.close(descriptor)
    return content.decode("utf-8", "replace")


def _is_plain(path: str) -> bool:
    return "\0" not in path and path.startswith(os.sep) and os.path.normpath(path) == path


def _is_below(path: str, root: str) -> bool:
    # `/` is above nothing by this: a run that began there has named no folder.
    return _is_plain(root) and path.startswith(root + os.sep)


def _open_without_links(path: str) -> int:
    """Open a file one component after the other, so that none of them can be a link."""
    _, *folders, name = Path(path).parts
    at = os.open(os.sep, _WALK)
    try:
        for folder in folders:
            inside = os.open(folder, _WALK, dir_fd=at)
            os.close(at)
            at = inside
        # Before it is opened: to open a device may do something.
        if not stat.S_ISREG(mode := os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
            if stat.S_ISLNK(mode):
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            raise SourceHidden("it is no regular file")
        return os.open(name, _READ, dir_fd=at)
    finally:
        os.close(at)


def _read_same(descriptor: int, source: SourceFile) -> bytes:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise SourceHidden("it is no regular file")
    if status.st_size > MOST_BYTES:
        raise SourceHidden("it is larger than 2 MiB")
    if (status.st_size, status.st_mtime_ns) != (source.size, source.changed):
        raise SourceHidden("changed since")
    content = _read(descriptor)
    if hashlib.sha256(content).digest() != source.digest:
        raise SourceHidden("changed since")
    return content


def _read(descriptor: int) -> bytes:
    """All of a file that is not too large, and one byte of one that is."""
    parts = []
    room = MOST_BYTES + 1
    while room and (part := os.read(descriptor, room)):
        parts.append(part)
        room -= len(part)
    return b"".join(parts)
