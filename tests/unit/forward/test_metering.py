"""What an agent does with pages of a run whose metrics somebody takes, or nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.forward.metered import METRICS, World, told
from tests.unit.pages.measured import TRADES
from tradespan.forward.metering import Metering
from tradespan.forward.post import Destination
from tradespan.pages.folding import MOST_DEAD


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "run")


def make_metering(world: World, *wanted: Destination) -> Metering:
    metering = Metering(lambda folder: list(wanted), lambda folder: True)
    metering.reader = world.reader
    return metering


def leave_workers(world: World) -> None:
    for _ in range(MOST_DEAD + 1):
        page = world.process()
        page.add(TRADES)
        page.die()


def test_pages_are_folded_only_when_their_last_reading_is_recorded(world: World) -> None:
    metering = make_metering(world, METRICS)
    leave_workers(world)
    metering.fold(world.folder)
    assert len(world.folder.metric_pages()) == MOST_DEAD + 1

    points = [point for point in world.step() if point.value]
    assert told(points, TRADES.name) == [1.0] * (MOST_DEAD + 1)
    metering.fold(world.folder)
    assert len(world.folder.metric_pages()) == 1
    assert [p for p in world.step() if p.name == TRADES.name] == [], "a folded page is of nobody"


def test_pages_that_nobody_takes_are_folded_and_never_read(world: World) -> None:
    metering = make_metering(world)
    leave_workers(world)
    metering.work([world.folder])
    metering.fold(world.folder)

    assert metering.finish(world.folder)
    assert len(world.folder.metric_pages()) == 1
    assert world.folder.segments() == []


def test_without_a_reader_nobody_waits(world: World) -> None:
    metering = make_metering(world, METRICS)
    metering.reader = None
    world.process().add(TRADES)
    metering.work([world.folder])
    assert metering.finish(world.folder)
    assert world.folder.segments() == []
