from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from tests.support.fakes import SteppingClock


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What was logged by anybody, but for the loop's word on its selector; it stays empty."""
    caplog.set_level(logging.DEBUG)

    def messages() -> list[str]:
        told = (r for r in caplog.records if r.name != "asyncio" or r.levelno > logging.DEBUG)
        return [record.getMessage() for record in told]

    return messages


@pytest.fixture
def clock() -> SteppingClock:
    return SteppingClock()
