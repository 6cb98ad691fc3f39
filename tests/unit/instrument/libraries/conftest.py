from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.instrument.libraries.sdk import Sdk
from tradespan.core import guard


@pytest.fixture
def sdk() -> Sdk:
    """The plain SDK."""
    return Sdk()


@pytest.fixture(autouse=True)
def strict() -> Iterator[None]:
    """Errors of ours are raised."""
    before = guard.raise_errors(True)
    yield
    guard.raise_errors(before)


@pytest.fixture
def kept_in() -> Iterator[None]:
    """Errors of ours are kept in and counted, as they are in a program."""
    before = guard.raise_errors(False)
    yield
    guard.raise_errors(before)
