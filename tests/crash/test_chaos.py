"""A receiver that misbehaves loses nothing, and a burst into a receiver that is down neither.

Times and our waits are a twentieth of the true ones; `make crash` has the long form.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.chaos import FAULTS, burst, endure

MOST_AGENT = 80.0
"""MiB of the agent's process, interpreter and libraries included: idle it takes 30."""
MOST_GROWTH = 20.0
"""MiB that the program's own memory may grow by, however much it records."""
LONG_ONLY = {"answers cut off", "a web page with 200", "500 all the time"}
"""Met in turn with the others."""
LONGEST_EXIT = 5.0
"""Seconds: far above what a slow machine makes of the one that is promised."""


SHORT = [faults for faults in FAULTS if faults not in LONG_ONLY]


@pytest.mark.parametrize("faults", SHORT)
def test_receiver_that_misbehaves_loses_nothing(tmp_path: Path, faults: str) -> None:
    found = endure(tmp_path, faults, calls=200, rounds=5, seconds=1.5, scale=0.05)
    print(f"\n{found}")
    assert (found.recorded, found.lost) == (2_000, 0)
    assert found.refused > 0
    assert found.exit_seconds < LONGEST_EXIT
    assert found.agent_mebibytes < MOST_AGENT


def test_burst_into_a_receiver_that_is_down_is_all_there_when_it_is_back(tmp_path: Path) -> None:
    found = burst(tmp_path, 50_000)
    print(f"\n{found}")
    assert (found.spans, found.lost) == (50_000, 0)
    assert found.grown_mebibytes < MOST_GROWTH
    assert found.agent_mebibytes < MOST_AGENT
