"""What the runs found, kept in results.json beside this file: the page is written from it.

A run replaces what it measured anew and leaves the rest, each with the date of its own run.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.explore.compare import Difference
from tests.explore.expected import reason_of
from tests.explore.play import Books, Play
from tests.explore.subjects import Subject

FILE = Path(__file__).with_name("results.json")
Found = dict[str, Any]
"""One suite both ways, of plain values."""
FAILURES = ("failed", "setup failed", "collect failed", "passed, teardown failed")


def summarize(
    subject: Subject,
    subject_version: str,
    plays: tuple[Play, Play],
    books: Books,
    differences: Sequence[Difference],
    flaky: int,
) -> Found:
    """A row of the table; `plays`: bare and watched."""
    return {
        "subject": subject.key,
        "package": f"{subject.distribution} {subject_version}",
        "bare": _way(plays[0]),
        "watched": _way(plays[1]),
        "functions": plays[1].functions,
        "books": asdict(books) | {"balance": books.balance},
        "differences": [
            asdict(each) | {"reason": reason_of(subject.key, each.name)} for each in differences
        ],
        "flaky": flaky,
        "left_out": dict(subject.deselect),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "versions": f"tradespan {version('tradespan')}, CPython {platform.python_version()}",
    }


def _way(play: Play) -> Found:
    return {
        "tests": len(play.outcomes),
        "passed": play.count("passed", "xpassed"),
        "failed": play.count(*FAILURES),
        "warnings": play.warnings.total(),
        "seconds": round(play.seconds, 1),
        "peak_bytes": play.peak_bytes,
        "ended": play.ended,
    }


def is_good(found: Found) -> bool:
    """Whether both runs came to their end, all differences are explained and the books balance."""
    explained = all(each["reason"] for each in found["differences"])
    ended = found["bare"]["ended"] and found["watched"]["ended"]
    return bool(explained and ended and found["books"]["balance"])


def load(path: Path = FILE) -> dict[str, Found]:
    """By subject."""
    found: dict[str, Found] = json.loads(path.read_text()) if path.exists() else {}
    return found


def keep(found: Found, path: Path = FILE) -> None:
    """Put a row in the place of the subject's earlier one."""
    kept = load(path)
    kept[found["subject"]] = found
    path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
