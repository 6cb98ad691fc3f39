from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.faults import Refuse
from tests.support.receiver import Receiver
from tests.unit.cli.spools import Root
from tradespan.cli import main


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def root(tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Root:
    monkeypatch.setenv("TRADESPAN_ROOT", str(tmp_path / "root"))
    return Root(tmp_path / "root", receiver)


@pytest.fixture
def spool(capsys: pytest.CaptureFixture[str]) -> Any:
    """Calls the command; returns what it printed."""

    def call(*words: object, status: int = 0) -> str:
        assert main(["spool", *map(str, words)]) == status
        captured = capsys.readouterr()
        call.err = captured.err  # type: ignore[attr-defined]
        return captured.out

    return call


@pytest.fixture
def refused(root: Root) -> Root:
    """A root whose run is over; ten of its records were refused."""
    root.bot.record(10)
    root.end()
    root.receiver.play(Refuse(400), times=None)
    root.deliver()
    root.receiver.recover()
    assert root.book.parked == 10
    return root
