from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.desk import Desk
from tests.support.receiver import Receiver


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A folder for the test's programs; whatever still runs at the end is killed."""
    desk = Desk(tmp_path)
    yield desk
    desk.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """An OTLP/HTTP receiver that listens."""
    with Receiver() as receiver:
        yield receiver
