"""The start-up rows: what is compared, and a start of each kind."""

from __future__ import annotations

import pytest

from benchmarks import __main__ as bench
from benchmarks import startup
from benchmarks.startup import Start, describe_speed, startup_rows


def test_the_least_of_the_starts_are_compared_and_the_whole_start_has_the_bar() -> None:
    bare = [Start(500_000, 400_000, 0), Start(450_000, 420_000, 0)]
    watched = [Start(990_000, 800_000, 4_000), Start(900_000, 900_000, 4_000)]

    whole, imports = startup_rows(bare, watched)

    assert (whole.cost, whole.reference, whole.ratio) == (900_000, 450_000, 2.0)
    assert whole.met
    assert (imports.ratio, imports.met) == (2.0, None)


def test_the_speed_is_that_of_what_the_imports_took_longer() -> None:
    note = describe_speed([Start(0, 400_000, 0)], [Start(0, 800_000, 4_000)])

    assert "4,000 functions of numpy and pandas" in note
    assert "10,000 a second" in note


def test_the_group_can_be_asked_for_and_is_of_the_usual_run() -> None:
    assert bench.read_arguments(["--only", "startup"]).groups == ["startup"]
    assert "startup" in bench.read_arguments([]).groups


def test_a_watched_start_watches_and_a_bare_one_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "PACKAGES", ("sortedcontainers",))

    assert startup.start_bare().watched == 0
    start = startup.start_watched()
    assert start.watched > 10
    assert start.whole > start.imports > 0
