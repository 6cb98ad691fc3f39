"""By which way frames get into a file: through a mapping, or by `write` (FORMAT.md, rule 17)."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NamedTuple

_MOUNTS = Path("/proc/self/mountinfo")
_UNTRUSTED = frozenset(
    ("9p", "afs", "bcachefs", "btrfs", "ceph", "cifs", "nfs", "nfs4", "smb3", "zfs")
)
"""Their allocation is no promise (copy on write), or a server's. FUSE's is anybody's."""


MMAP, WRITE = "mmap", "write"


class Way(NamedTuple):
    """One of the two, and why."""

    name: str
    why: str


def choose_way(folder: Path, mounts: Path = _MOUNTS, platform: str = sys.platform) -> Way:
    """How to write into a folder that need not exist yet."""
    if platform != "linux":
        return Way(WRITE, f"allocation cannot be trusted on {platform}")
    kind = file_system(folder, mounts)
    if not kind:
        return Way(WRITE, "the file system is unknown")
    if kind in _UNTRUSTED or kind.startswith("fuse"):
        return Way(WRITE, f"allocation cannot be trusted on {kind}")
    return Way(MMAP, f"{kind} allocates beforehand")


def allocates(folder: Path) -> bool:
    """Whether bytes that were allocated in a folder are there to stay."""
    return choose_way(folder).name == MMAP


def file_system(folder: Path, mounts: Path = _MOUNTS) -> str:
    """Its type, as `mount` calls it; empty if that is not known.

    By the longest mount point above it: device numbers of btrfs stand in no table.
    """
    try:
        lines = mounts.read_bytes().splitlines()
    except OSError:
        return ""
    wanted = os.fsencode(os.path.realpath(folder))
    longest, found = -1, b""
    for line in lines:
        # 36 35 98:0 /root /mount/point rw,noatime master:1 - ext4 /dev/sda1 rw
        before, _, after = line.partition(b" - ")
        point = _plain(before.split()[4])
        inside = wanted == point or wanted.startswith(point.rstrip(b"/") + b"/")
        # The later one of two on the same point lies above.
        if inside and len(point) >= longest:
            longest, found = len(point), after.split()[0]
    return os.fsdecode(found)


def _plain(point: bytes) -> bytes:
    """A mount point without the escapes of spaces and the like."""
    for escaped, char in (
        (rb"\040", b" "),
        (rb"\011", b"\t"),
        (rb"\012", b"\n"),
        (rb"\134", b"\\"),
    ):
        point = point.replace(escaped, char)
    return point
