"""What instrumentation records is read back from the spool that it was written to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.captured import Captured, capture


@pytest.fixture
def captured(tmp_path: Path) -> Iterator[Captured]:
    """The process's wrappers and tracers record into a folder of the test's own."""
    with capture(tmp_path / "spool") as captured:
        yield captured
