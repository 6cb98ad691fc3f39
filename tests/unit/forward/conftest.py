from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fakes import ListSink, SteppingClock
from tests.unit.forward.builders import Bot
from tests.unit.forward.roots import Root
from tradespan.core import guard
from tradespan.core.records import Span


@pytest.fixture
def clock() -> SteppingClock:
    return SteppingClock()


@pytest.fixture
def bot(tmp_path: Path) -> Bot:
    return Bot(tmp_path / "run")


@pytest.fixture
def sink() -> ListSink[Span]:
    return ListSink()


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    before = guard.raise_errors(False)
    root = Root(tmp_path)
    yield root
    root.agent.close()
    guard.raise_errors(before)


@pytest.fixture
def quiet_guard() -> Iterator[None]:
    """Errors of ours are expected here: they are counted, and not raised."""
    before = guard.raise_errors(False)
    yield
    guard.raise_errors(before)
