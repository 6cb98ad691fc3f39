"""What `tradespan run` passes on of the agent's words, once each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tradespan.cli.run import Notices
from tradespan.config import Config, load_config
from tradespan.spool.folder import RunFolder


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config({"root": tmp_path, "ui": "off"}, config_file="none")


def told(folder: Path, *numbers: int, pid: int = 7, sink: str = "otlp-1") -> dict[str, Any]:
    """`agent.json` with a backlog for each number."""
    backlogs = [
        {"folder": str(folder), "sink": sink, "number": number, "sentence": f"warning {number}"}
        for number in numbers
    ]
    return {"pid": pid, "backlogs": backlogs}


def test_each_warning_of_this_run_is_told_once(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notices = Notices(config, RunFolder(tmp_path / "mine"))
    for numbers in ((), (1,), (1,), (), (1,), (2,)):
        notices.hear(told(tmp_path / "mine", *numbers))
    notices.hear(told(tmp_path / "others", 5))
    notices.hear(told(tmp_path / "mine", 1, sink="store"))
    assert capsys.readouterr().err.splitlines() == [
        "tradespan: warning 1",
        "tradespan: warning 2",
        "tradespan: warning 1",
    ]


def test_agent_that_takes_over_does_not_repeat_what_stands(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notices = Notices(config, RunFolder(tmp_path / "mine"))
    notices.hear(told(tmp_path / "mine", 1))
    notices.hear(told(tmp_path / "mine", 2))
    capsys.readouterr()
    notices.hear(told(tmp_path / "mine", 1, pid=8))
    assert capsys.readouterr().err == ""
    notices.hear(told(tmp_path / "mine", 2, pid=8))
    assert capsys.readouterr().err == "tradespan: warning 2\n"


def test_agent_of_an_earlier_version_tells_of_no_backlogs(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Notices(config, RunFolder(tmp_path / "mine")).hear({"pid": 7})
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("served", "said"),
    [
        (18473, ""),
        (8000, ", not at port 18473: all runs of a root have one, the first's"),
    ],
)
def test_address_of_the_metrics_is_told_and_whose_port_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], served: int, said: str
) -> None:
    given = {"root": tmp_path, "ui": "off", "metrics_port": 18473}
    notices = Notices(load_config(given, config_file="none"), RunFolder(tmp_path / "mine"))
    address = f"http://127.0.0.1:{served}/metrics"
    for told_now in ({"pid": 7}, {"pid": 7, "scrape": address}, {"pid": 7, "scrape": address}):
        notices.hear(told_now)
    assert capsys.readouterr().err == f"tradespan: metrics at {address}{said}\n"
