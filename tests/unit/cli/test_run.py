"""`tradespan run`: what its process loads, which stays as the supervisor."""

from __future__ import annotations

import subprocess
import sys


def test_starting_a_run_loads_nothing_that_only_the_bot_or_the_agent_needs() -> None:
    program = "import sys, tradespan.cli.run; print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    heavy = {"msgspec", "opentelemetry", "importlib.metadata", "asyncio", "sqlite3", "http.client"}
    assert heavy.isdisjoint(ran.stdout.split())
