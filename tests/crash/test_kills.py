"""25 kills along the whole way; `make crash` does a thousand."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.crash.kills import WAYS, KillLoop

KILLS = 25


@pytest.mark.timeout(180)
def test_killed_programs_and_agents_lose_and_tear_nothing(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    ways = [WAYS[number % len(WAYS)] for number in range(KILLS)]
    findings = KillLoop(tmp_path, seed).run(ways)
    print(f"\nseed {seed}: {findings}")
    assert findings.kills == KILLS
    assert findings.rolled > 0
    assert findings.acknowledged > 100 * KILLS
    assert findings.of_children > 0
    assert (findings.lost, findings.torn, findings.stored_twice) == (0, 0, 0), (seed, findings)
    assert findings.unaccounted == 0, (seed, findings)
    assert findings.sent_twice > 0, "answers were lost: something has to come twice"
