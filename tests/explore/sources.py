"""What the suites need beside the development environment, fetched once and kept outside of it.

Below `$XDG_CACHE_HOME/tradespan-explore`, in a folder named by a hash of the pins and of Python:
`packages` (for PYTHONPATH) and `sources` (unpacked source distributions). All by pip, from the
registry that it is configured for, with the hashes of requirements/explore.txt.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from importlib.metadata import distributions
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PINS = REPOSITORY / "requirements" / "explore.txt"


class NotFetched(Exception):
    """pip could not fetch or install; its last words."""


def ensure_fetched(source_names: Iterable[str], pins: Path = PINS) -> Path:
    """The folder with all of it, made now where something is missing.

    Raises:
        NotFetched: pip failed.
    """
    folder = _cache_folder() / _name_of(pins)
    folder.mkdir(parents=True, exist_ok=True)
    packages = folder / "packages"
    if not packages.is_dir():
        with tempfile.TemporaryDirectory(dir=folder) as fresh:
            _pip("install", "--no-deps", "--require-hashes", "--target", fresh, "-r", str(pins))
            shutil.copytree(fresh, packages)
    for name in source_names:
        if not (folder / "sources" / name).is_dir():
            _fetch_source(name, pins, folder / "sources")
    return folder


def version_of(name: str, folder: Path | None) -> str:
    """A distribution's version: the fetched one, else the environment's."""
    path = [*([str(folder / "packages")] if folder else []), *sys.path]
    for found in distributions(name=name, path=path):
        return found.version
    return "?"


def _fetch_source(name: str, pins: Path, into: Path) -> None:
    pin = re.search(rf"^{re.escape(name)}==(?:.*\\\n)*.*\n", pins.read_text(), re.MULTILINE)
    if pin is None:
        raise NotFetched(f"{pins.name} has no pin of {name}")
    with tempfile.TemporaryDirectory() as fetched:
        wanted = Path(fetched, "wanted.txt")
        wanted.write_text(pin[0])
        _pip(
            "download", "--no-deps", "--require-hashes", "--no-binary", name,
            "--dest", fetched, "-r", str(wanted),
        )  # fmt: skip
        (archive,) = Path(fetched).glob("*.tar.gz")
        with tarfile.open(archive) as opened:
            opened.extractall(fetched, filter="data")
        (unpacked,) = (each for each in Path(fetched).iterdir() if each.is_dir())
        shutil.copytree(unpacked, into / name)


def _pip(*words: str) -> None:
    command: Sequence[str] = (sys.executable, "-m", "pip", "--quiet", *words)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotFetched(f"pip {words[0]} failed: {done.stderr.strip()[-500:]}")


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(base) / "tradespan-explore"


def _name_of(pins: Path) -> str:
    python = f"{sys.version_info[:3]} {sys.base_prefix}"
    return hashlib.sha256(pins.read_bytes() + python.encode()).hexdigest()[:16]
