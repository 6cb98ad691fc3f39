"""Where there is no space on the disk, series count in memory until there is."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests.support.fakes import SteppingClock
from tests.unit.pages.builders import read_folder
from tests.unit.signals.metrics.conftest import Run
from tests.unit.signals.metrics.reading import one, read_run
from tradespan.signals.metrics.registry import InstrumentRegistry
from tradespan.signals.slot import SignalSlot


def refuse(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_new_series_looks_for_space_at_once_for_all_that_found_none(
    registry: InstrumentRegistry,
    signals: SignalSlot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counter = registry.counter("c")
    counter.add(1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", refuse)
        Run(tmp_path, signals)
        counter.add(2)
        registry.histogram("h").record(1)
    registry.counter("later").add(5)

    assert counter.labels().value == one(tmp_path, "c").value == 3.0
    assert one(tmp_path, "later").value == 5.0


def test_series_get_their_place_with_what_they_counted_once_there_is_space(
    signals: SignalSlot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SteppingClock()
    registry = InstrumentRegistry(signals, clock.seconds)
    old = registry.counter("old")
    first = Run(tmp_path / "first", signals)
    old.add(7)
    signals.clear()
    first.page.close()
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", refuse)
        Run(tmp_path / "second", signals)
        new, latency = registry.counter("new", labels=("a",)), registry.histogram("h")
        cached = new.labels("x")
        for each in (old.add, cached.add, latency.record):
            each(2)
    assert read_run(tmp_path / "second") == []

    clock.step(1.1)
    registry.place_homeless()
    for each in (old.add, cached.add, latency.record):
        each(3)

    assert one(tmp_path / "second", "old").value == 5.0
    assert one(tmp_path / "second", "new", a="x").value == 5.0
    assert one(tmp_path / "second", "h").parts == (5.0, 2.0, 3.0)
    assert [reading.in_memory for reading in read_folder(tmp_path / "second")] == [0]
    assert one(tmp_path / "first", "old").value == 7.0


def test_who_counts_asks_for_a_place_again(
    signals: SignalSlot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SteppingClock()
    registry = InstrumentRegistry(signals, clock.seconds)
    Run(tmp_path, signals)
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", refuse)
        counter = registry.counter("c")
    clock.step(1.1)
    counter.add(4)

    assert one(tmp_path, "c").value == 4.0
