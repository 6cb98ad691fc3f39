"""Every shape of a call behaves the same whichever context runtime OpenTelemetry uses.

The other tests of this folder run once more, in a process that uses the one not in force here, and
goes the way in Python where this one may go through C.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tradespan.core.runtime_context import RuntimeContext

HERE = Path(__file__)
AGAIN = "TRADESPAN_TESTS_AGAIN"
CHOICE = "OTEL_PYTHON_CONTEXT"
NO_CONTEXT = ("test_programs", "test_looks")
"""Tests of what is no matter of contexts, or runs in processes that choose for themselves."""


@pytest.mark.skipif(AGAIN in os.environ, reason="this is the second run")
def test_every_shape_holds_with_the_other_runtime() -> None:
    ours = RuntimeContext.installed is not None
    environment = os.environ | {
        AGAIN: "1",
        CHOICE: "contextvars_context" if ours else "tradespan",
        "TRADESPAN_PURE": "1",
    }
    files = [str(file) for file in HERE.parent.glob("test_*.py") if file.stem not in NO_CONTEXT]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    again = subprocess.run(
        command, env=environment, capture_output=True, text=True, cwd=HERE.parents[4], check=False
    )
    assert again.returncode == 0, again.stdout[-5_000:]
