"""What the long runs found, kept in results.json beside this file: the page is written from it.

A run replaces what it measured anew and leaves the rest, each with the date of its own run.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("results.json")
Found = dict[str, Any]
"""One measurement: flat, of plain values; `date` and `versions` tell where it comes from."""


def load(path: Path = FILE) -> dict[str, list[Found]]:
    """Measurements by section: `matrix`, `kills`, `chaos`, `burst`."""
    found: dict[str, list[Found]] = json.loads(path.read_text()) if path.exists() else {}
    return found


def replace(section: str, keys: Iterable[str], found: list[Found], path: Path = FILE) -> None:
    """Put measurements in place of earlier ones that agree with them in `keys`."""
    kept = load(path)
    fresh = {tuple(each[key] for key in keys) for each in found}
    old = kept.get(section, [])
    old = [each for each in old if tuple(each[key] for key in keys) not in fresh]
    kept[section] = sorted(old + found, key=lambda each: [str(each[key]) for key in keys])
    path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")


def stamp(library: str = "") -> Found:
    """Where a measurement comes from; `library`: name and version of a peer."""
    ours = f"tradespan {version('tradespan')}"
    python = f"CPython {platform.python_version()}"
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "versions": ", ".join([library or ours, python]),
    }
