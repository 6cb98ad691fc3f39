"""What it was measured on, and with which versions."""

from __future__ import annotations

import os
import platform
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tradespan.core import native
from tradespan.instrument.context import CURRENT

_PACKAGES = ("tradespan", "opentelemetry-api", "opentelemetry-sdk", "msgspec", "wrapt")


def describe() -> dict[str, str]:
    """The facts that the numbers depend on, in the order to show them."""
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "libraries": ", ".join(f"{name} {found}" for name, found in versions(_PACKAGES).items()),
        "tradespan's hot path": native.describe(),
        "current span": f"kept by {type(CURRENT).__name__}",
        "other programs": f"load average {os.getloadavg()[0]:.1f} when it began",
        "mapped files": f"on {file_system(Path(tempfile.gettempdir()))}, where TMPDIR is",
    }


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """The installed version of each; `missing` for what is not there."""
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


def file_system(path: Path) -> str:
    """The type of the file system that a path is on, such as `ext4`."""
    mounts = Path("/proc/mounts")
    return type_of_mount(path.resolve(), mounts.read_text()) if mounts.exists() else "unknown"


def type_of_mount(path: Path, mounts: str) -> str:
    """The same, by the lines of `/proc/mounts`: of the deepest mount point above, the last line."""
    best, kind = -1, "unknown"
    for line in mounts.splitlines():
        _, point, found, *_ = line.split()
        depth = len(Path(point).parts)
        if depth >= best and path.is_relative_to(point):
            best, kind = depth, found
    return kind


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or "unknown processor"
