"""How often the kernel ended a process for want of memory, where we are. Standard library only.

Source: kernel documentation, admin-guide/cgroup-v2.rst (`memory.events`) and
cgroup-v1/memory.rst (`memory.oom_control`); `/proc/vmstat` counts for the whole machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

CGROUPS, PROC = Path("/sys/fs/cgroup"), Path("/proc")


def oom_kills(cgroups: Path = CGROUPS, proc: Path = PROC) -> int | None:
    """Processes of our cgroup that were killed so far; of the machine, where no cgroup tells.

    None: nobody counts. A difference of two readings and a SIGKILL between them belong together.
    """
    for path in _places(cgroups, proc):
        try:
            words = dict(line.split() for line in path.read_text().splitlines())
            return int(words["oom_kill"])
        except (OSError, ValueError, KeyError):
            continue
    return None


def _places(cgroups: Path, proc: Path) -> Iterator[Path]:
    try:
        lines = (proc / "self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        inside = path.lstrip("/")
        if not controllers:
            yield cgroups / inside / "memory.events"
            yield cgroups / "unified" / inside / "memory.events"
        elif "memory" in controllers.split(","):
            yield cgroups / "memory" / inside / "memory.oom_control"
            yield cgroups / "memory/memory.oom_control"
    yield cgroups / "memory.events"
    yield proc / "vmstat"
