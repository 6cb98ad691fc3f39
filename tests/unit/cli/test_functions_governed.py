"""`tradespan functions` where the governor has functions watched less: counts are not whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.test_functions import objects, run_functions
from tests.unit.pages.builders import CHECK, DECIDE, MILLISECOND, Writer, count
from tradespan.pages.metrics import FunctionSeries, MetricPage
from tradespan.spool.folder import RunFolder
from tradespan.spool.governed import write_governed

SEND = FunctionSeries("bot.execution.Router.send", "execution")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a root's only run."""
    monkeypatch.setenv("TRADESPAN_ROOT", str(tmp_path))
    folder = RunFolder.create(tmp_path, "bot").path
    writer = Writer(folder)
    for series in (CHECK, DECIDE, SEND):
        count(MetricPage(writer), series, MILLISECOND)
    writer.locks.abandon()
    return folder


def govern(folder: Path) -> None:
    """As a process tells that ended since."""
    numbers = dict.fromkeys(("since", "rate", "mean", "cost", "share"), 1.0)
    levels = {CHECK.name: "counted", SEND.name: "restored"}
    told = dict.fromkeys(("time", "budget", "overhead", "essential", "peak"), 1.0) | {
        "levels": {"full": 1, "counted": 1, "restored": 1},
        "functions": [{"name": name, "level": how, **numbers} for name, how in levels.items()],
    }
    write_governed(folder, bytes(16), told)


def test_how_an_earlier_run_was_governed_says_nothing_of_a_later_one(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    govern(root)
    RunFolder.create(root.parent.parent, "bot")
    printed, _ = run_functions(capsys, "--json")
    assert {each["watched"] for each in objects(printed).values()} == {"full"}


def test_functions_that_the_governor_has_watched_less_are_marked(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    govern(root)
    printed, _ = run_functions(capsys)
    assert printed.splitlines()[0].endswith("Watched")
    ends = {line.split()[0]: line.rstrip() for line in printed.splitlines()[1:]}
    assert ends[CHECK.name].endswith("  counted")
    assert ends[SEND.name].endswith("  not observed")
    assert ends[DECIDE.name].endswith("s")
    printed, _ = run_functions(capsys, "--json")
    watched = {name: each["watched"] for name, each in objects(printed).items()}
    assert watched == {CHECK.name: "counted", SEND.name: "restored", DECIDE.name: "full"}
