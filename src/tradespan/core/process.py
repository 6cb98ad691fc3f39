"""Facts of this and other processes, from /proc where there is one. Standard library only."""

from __future__ import annotations

import os
from pathlib import Path

_START = 19
"""Place of the start among what /proc/PID/stat tells, from the state on."""


def process_start(pid: int) -> int:
    """Clock ticks between boot and the process's start; 0 if unknown or gone."""
    fields = _read_stat(pid)
    return int(fields[_START]) if len(fields) > _START else 0


def has_children() -> bool:
    """Whether this process has children that it has not waited for; False where nobody tells."""
    try:
        lists = [path.read_bytes() for path in Path("/proc/self/task").glob("*/children")]
    except OSError:
        return False
    return any(each.strip() for each in lists)


def is_alive(pid: int, start: int = 0) -> bool:
    """Whether the process runs; with `start`, whether it is the same one (pids are reused).

    `pid` may come out of a file: what no process can have is not alive. (0 and below would name
    groups of processes.)
    """
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    fields = _read_stat(pid)
    if not fields:
        # Gone since; or there is no /proc, and nobody tells more.
        return not Path("/proc/self/stat").exists()
    return len(fields) > _START and start in (0, int(fields[_START])) and fields[0] != b"Z"


def _read_stat(pid: int) -> list[bytes]:
    """What /proc tells of a process, from its state on; nothing if it is gone."""
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        stat = os.read(descriptor, 4096)
    except OSError:  # it ended between the two
        return []
    finally:
        os.close(descriptor)
    # The command's name stands in parentheses and may itself hold spaces and parentheses.
    return stat[stat.rfind(b")") + 2 :].split()
