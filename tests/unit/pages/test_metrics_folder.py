"""How long a run's counts stay, and how many pages: folding, and what removing a folder takes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.fakes import NOON, SteppingClock
from tests.unit.pages.builders import (
    CHECK,
    DECIDE,
    Writer,
    calls_in,
    count,
    leave_dead,
    problems_in,
    read_folder,
    totals_of,
)
from tradespan.pages import folding, metrics
from tradespan.pages.folding import fold_dead_pages
from tradespan.pages.metrics import OTHER, FunctionSeries, MetricPage
from tradespan.spool.folder import RunFolder

NOBODY = "0" * 32


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path, "bot")


def fold(folder: RunFolder, most: int = 2) -> int:
    return fold_dead_pages(folder.path, folder.metric_pages, most)


def names(folder: RunFolder) -> list[str]:
    return sorted(path.name.partition(".")[0] for path in folder.metric_pages())


# ── folding ─────────────────────────────────────────────────────────────────────────────────────


def test_pages_of_dead_processes_become_one_with_their_sum(folder: RunFolder) -> None:
    for number in range(5):
        leave_dead(folder.path, CHECK, *range(number))
        leave_dead(folder.path, DECIDE, number)
    before = {name: total.counts for name, total in totals_of(folder.path).items()}

    assert fold(folder) == 10
    assert names(folder) == [NOBODY]
    assert {name: total.counts for name, total in totals_of(folder.path).items()} == before
    assert problems_in(folder.path) == []


def test_few_pages_are_left_as_they_are(folder: RunFolder) -> None:
    paths = [leave_dead(folder.path, DECIDE, 1) for _ in range(3)]

    assert fold(folder, most=3) == 0
    assert folder.metric_pages() == sorted(paths)


def test_page_of_a_living_process_is_not_folded(folder: RunFolder) -> None:
    for _ in range(3):
        leave_dead(folder.path, DECIDE, 1)
    living = Writer(folder.path)
    page = MetricPage(living)
    count(page, DECIDE, 1)

    assert fold(folder) == 3
    count(page, DECIDE, 1)
    assert names(folder) == [NOBODY, living.identity.hex()]
    assert calls_in(folder.path) == {DECIDE.name: 5}


def test_what_was_folded_is_folded_again_with_the_next_ones(folder: RunFolder) -> None:
    for _ in range(4):
        for _ in range(3):
            leave_dead(folder.path, DECIDE, 1)
        assert fold(folder) == 3
    (reading,) = read_folder(folder.path)

    assert calls_in(folder.path) == {DECIDE.name: 12}
    assert len(reading.folded) == 3


def test_folded_page_counts_since_the_earliest(folder: RunFolder) -> None:
    for seconds in (20, 0, 10):
        clock = SteppingClock()
        clock.step(seconds)
        writer = Writer(folder.path, clock=clock)
        count(MetricPage(writer), DECIDE, 1)
        writer.locks.abandon()
    fold(folder)
    (reading,) = read_folder(folder.path)

    assert reading.page is not None
    assert (reading.page.created, reading.page.alive) == (NOON, False)


def test_folding_that_is_killed_before_it_deletes_counts_nothing_twice(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        leave_dead(folder.path, DECIDE, 1)

    def die(path: Path, missing_ok: bool = False) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", die)
        with pytest.raises(KeyboardInterrupt):
            fold(folder)
    assert len(folder.metric_pages()) == 4
    assert calls_in(folder.path) == {DECIDE.name: 3}
    assert fold(folder) == 0
    assert names(folder) == [NOBODY]
    assert calls_in(folder.path) == {DECIDE.name: 3}


def test_folding_that_finds_no_space_changes_nothing(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = sorted(leave_dead(folder.path, DECIDE, 1) for _ in range(3))

    def refuse(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="No space"):
        fold(folder)
    assert sorted(folder.path.iterdir()) == paths


def test_page_that_cannot_be_read_whole_is_left_alone(folder: RunFolder) -> None:
    damaged = leave_dead(folder.path, CHECK, 1)
    damaged.write_bytes(damaged.read_bytes()[:200])
    for _ in range(3):
        leave_dead(folder.path, DECIDE, 1)

    assert fold(folder) == 3
    assert damaged in folder.metric_pages()
    assert calls_in(folder.path) == {DECIDE.name: 3}


def test_functions_above_the_cap_are_folded_into_other(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        leave_dead(folder.path, FunctionSeries(f"f{number}"), *[1] * (number + 1))
    monkeypatch.setattr(folding, "MOST_SERIES", 2)
    fold(folder)

    assert calls_in(folder.path) == {"f5": 6, "f4": 5, OTHER: 10}


def test_what_found_no_place_stays_told(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MOST_SERIES", 0)
    for _ in range(3):
        leave_dead(folder.path, DECIDE, 1)
    fold(folder)

    assert [reading.overflow for reading in read_folder(folder.path)] == [3]


# ── the folder ──────────────────────────────────────────────────────────────────────────────────


def test_removing_a_delivered_run_takes_its_pages_along(folder: RunFolder) -> None:
    writer = Writer(folder.path)
    page = MetricPage(writer)
    for number in range(300):
        page.function(FunctionSeries(f"f{number}"), 29)
    writer.locks.abandon()
    (folder.path / f".{'a' * 32}.metrics.2").write_text("")

    assert len(folder.metric_pages()) > 1
    assert folder.remove()
    assert not folder.path.exists()


def test_folder_in_which_a_process_counts_is_not_removed(folder: RunFolder) -> None:
    writer = Writer(folder.path)
    count(MetricPage(writer), DECIDE, 1)

    assert not folder.remove()
    assert calls_in(folder.path) == {DECIDE.name: 1}
    writer.locks.abandon()
    assert folder.remove()


def test_users_own_file_with_such_an_ending_keeps_the_folder(folder: RunFolder) -> None:
    (folder.path / "my.metrics").write_text("")

    assert not folder.remove()
    assert folder.metric_pages() == []
