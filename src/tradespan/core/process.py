"""Facts of this and other processes, from /proc where there is one. Standard library only."""

from __future__ import annotations

import os
from pathlib import Path


def process_start(pid: int) -> int:
    """Clock ticks between boot and the process's start; 0 if unknown or gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return 0
    # The command's name stands in parentheses and may itself hold spaces and parentheses.
    fields = stat[stat.rfind(b")") + 2 :].split()
    return int(fields[19]) if len(fields) > 19 else 0


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
    if not Path("/proc/self/stat").exists():
        return True
    now = process_start(pid)
    return now != 0 and (start in (0, now)) and not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat[stat.rfind(b")") + 2 : stat.rfind(b")") + 3] == b"Z"
