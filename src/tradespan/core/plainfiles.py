"""Reading files that others may have put there. Standard library only."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""Flags for opening what may be anything: a pipe would hold us up, a link lead astray."""


class NotPlainFile(OSError):
    """A link, a pipe, a folder: whatever is no file with bytes of its own."""


def open_plain(path: Path) -> int:
    """A descriptor to read a plain file by.

    Raises:
        NotPlainFile: It is none.
        OSError: It is gone, or not ours to read.
    """
    try:
        descriptor = os.open(path, READ)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise NotPlainFile(error.errno, "it is no plain file", str(path)) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotPlainFile(errno.EINVAL, "it is no plain file", str(path))
    return descriptor
