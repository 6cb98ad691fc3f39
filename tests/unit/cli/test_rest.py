"""What `tradespan run` says of records that nobody has delivered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tradespan.bootstrap.folders import destinations
from tradespan.bootstrap.receivers import sink_name
from tradespan.cli.run_end import print_end, print_rest
from tradespan.config import Config, load_config
from tradespan.spool.folder import RunFolder, private_folder
from tradespan.supervise import RunEnd

AT = "http://localhost:4318"
NOTHING: dict[str, Any] = {"accepted": 0, "parked": 0, "on_disk": 0, "unaccounted": 0}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config({"root": str(tmp_path / "root"), "endpoint": AT, "service": "bot"})


@pytest.fixture
def folder(config: Config) -> RunFolder:
    return RunFolder.create(config.root, "bot")


def books(config: Config, *sinks: dict[str, Any], **others: Any) -> dict[str, Any]:
    """Of a run whose store, log file, and receivers of spans, lines and readings have these."""
    names = [sink_name(*each) for each in destinations(config)]
    told = {name: {**NOTHING, **sink} for name, sink in zip(names, sinks, strict=False)}
    return {"recorded": 30, "sinks": told, "signals": {"span": 20, "log": 10}, **others}


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(("place", "sent"), [("root/runs/1", "root"), ("elsewhere", "elsewhere")])
def test_the_command_names_a_folder_in_which_the_records_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str, sent: str
) -> None:
    (tmp_path / "root" / "runs").mkdir(parents=True)
    folder = RunFolder(private_folder(tmp_path / place))
    print_rest(load_config({"root": str(tmp_path / "root")}), folder, RunEnd(0, None))
    assert capsys.readouterr().err.endswith(f"tradespan agent --once {tmp_path / sent}\n")


def test_what_waits_for_one_receiver_is_one_line_with_the_reason(
    config: Config, folder: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    told = books(config, {}, {}, {"on_disk": 20}, {"on_disk": 10}, {"on_disk": 3})
    traces = sink_name(*destinations(config)[2])
    told["causes"] = {traces: "localhost:4318: ConnectionRefusedError: [Errno 111] Refused"}
    print_rest(config, folder, RunEnd(0, told))
    assert said(capsys) == [
        f"tradespan: 20 spans, 10 log lines wait for {AT} (Refused) in {folder.path}; the next run"
        f" delivers them, or: tradespan agent --once {config.root}"
    ]


def test_readings_are_told_where_nothing_else_waits(
    config: Config, folder: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    print_rest(config, folder, RunEnd(0, books(config, {}, {}, {}, {}, {"on_disk": 1})))
    (line,) = said(capsys)
    assert line.startswith(f"tradespan: 1 reading of metrics waits for {AT} in ")
    assert "; the next run delivers it, or: " in line


def test_of_a_store_that_could_not_be_opened_the_spans_wait(
    config: Config, folder: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    told = books(config, {}, {}, {}, {}, {})
    del told["sinks"]["store"]
    print_rest(config, folder, RunEnd(0, told))
    (line,) = said(capsys)
    assert line.startswith(f"tradespan: 20 spans wait for the store {config.store_path} in ")


def test_whatever_is_refused_discarded_or_lost_is_told(
    config: Config, folder: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    sinks: list[dict[str, Any]] = [
        {},
        {},
        {"parked": 1, "unaccounted": 2},
        {"discarded": {"age": 3, "bytes": 1}},
        {},
    ]
    print_rest(config, folder, RunEnd(0, books(config, *sinks, discarded={"overflow": 1})))
    assert said(capsys) == [
        f"tradespan: 4 log lines for {AT} discarded by the limits of the spool"
        " (spool.bytes, spool.age, spool.free)",
        f"tradespan: {AT} refused 1 span, kept in {folder.path}/parked; to send them again:"
        f" tradespan spool resend {config.root}",
        f"tradespan: 2 spans for {AT} LOST: see tradespan doctor",
        "tradespan: 1 record discarded before anybody had it: overflow",
    ]


def test_a_person_is_told_what_is_where_and_how_to_look_at_it(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = [{"accepted": 20}, {"accepted": 10}, {"accepted": 20}, {"accepted": 10}, {}]
    print_end(config, RunEnd(0, books(config, *taken)))
    assert said(capsys) == [
        f"tradespan: 20 spans in the store {config.store_path}",
        f"tradespan: 10 log lines in {config.logs.file}",
        f"tradespan: 20 spans, 10 log lines at {AT}",
        f"tradespan: look at it with tradespan ui --store {config.store_path}",
    ]


def test_where_nothing_but_lines_was_recorded_the_way_to_name_functions_is_told(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    told = books(config, {}, {"accepted": 10}, signals={"log": 10})
    print_end(config, RunEnd(0, told))
    assert said(capsys)[-1].startswith("tradespan: no call was recorded: no pattern says what to")
