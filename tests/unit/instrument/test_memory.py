"""A process does not grow with what it records (`python -m benchmarks.memory`: ten million)."""

from __future__ import annotations

import subprocess
import sys

from tests.docs.pages import DOCS

CALLS = 200_000


def test_calls_leave_nothing_behind() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.unit.instrument.growth", str(CALLS)],
        cwd=DOCS.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    # One block in a hundred calls would be a thousand.
    assert int(ended.stdout) < CALLS // 200
