from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from tests.support.fakes import SteppingClock


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What was logged by anybody but asyncio; it should stay empty."""
    caplog.set_level(logging.DEBUG)

    def messages() -> list[str]:
        return [r.getMessage() for r in caplog.records if not r.name.startswith("asyncio")]

    return messages


@pytest.fixture
def clock() -> SteppingClock:
    return SteppingClock()
