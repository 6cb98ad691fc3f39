"""What governors have decided, as it is written, read and said."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.unit.forward.builders import Bot
from tradespan.cli import main
from tradespan.core.process import process_start
from tradespan.forward.measures import measure_governors
from tradespan.spool.folder import RunFolder, replace_json
from tradespan.spool.governed import MOST_FILES, read_governed, say_governed, write_governed

GONE = 2**22 + 1
"""A process id that no process has."""


def told(pid: int | None = None, **changed: Any) -> dict[str, Any]:
    """A file's content, of this process by default."""
    pid = pid or os.getpid()
    functions = [
        {
            "name": "bot.step",
            "level": "restored",
            "since": 1_795_290_027.4,
            "rate": 257_863.7,
            "mean": 300.0,
            "cost": 1_425.9,
            "share": 0.367,
        },
        {
            "name": "bot.order",
            "level": "counted",
            "since": 1_795_290_030.0,
            "rate": 14_236.6,
            "mean": 89_601.4,
            "cost": 1_634.6,
            "share": 0.0232,
        },
    ]
    return {
        "pid": pid,
        "start": process_start(pid),
        "time": 1_795_290_031.0,
        "budget": 0.02,
        "overhead": 0.0036,
        "essential": 0,
        "peak": 0.369,
        "levels": {"restored": 1, "counted": 1, "full": 5},
        "functions": functions,
    } | changed


def write(folder: Path, number: int = 1, **changed: Any) -> None:
    write_governed(folder, number.to_bytes(16, "big"), told(**changed))


def test_what_is_written_is_read_the_latest_first(tmp_path: Path) -> None:
    write(tmp_path, 1, time=5.0)
    write(tmp_path, 2, time=7.0, pid=GONE)
    write(tmp_path, 1, time=6.0)
    folder = RunFolder(tmp_path)
    assert [each["time"] for each in read_governed(folder)] == [7.0, 6.0]
    assert [each["time"] for each in read_governed(folder, alive=True)] == [6.0]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        json.dumps(told(levels=[])),
        json.dumps(told(levels={"full": "5"})),
        json.dumps(told(overhead=-1)),
        json.dumps(told(peak=float("inf"))),
        json.dumps(told(functions=[{"name": "bot.step"}])),
        json.dumps(told(functions={})),
        json.dumps(told(time=None)),
    ],
)
def test_what_is_no_such_file_is_left_out(tmp_path: Path, content: str) -> None:
    write(tmp_path)
    (tmp_path / f"governor-{'a' * 32}.json").write_text(content)
    assert len(read_governed(RunFolder(tmp_path))) == 1


def test_those_of_processes_that_are_gone_do_not_fill_the_folder(tmp_path: Path) -> None:
    write(tmp_path, 1, time=0.0)
    for number in range(2, 3 * MOST_FILES):
        write(tmp_path, number, time=float(number), pid=GONE)
    left = read_governed(RunFolder(tmp_path))
    assert len(left) == MOST_FILES + 1
    assert (left[0]["time"], left[-1]["time"]) == (3.0 * MOST_FILES - 1, 0.0)


def test_a_folder_that_was_delivered_goes_with_them(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    write(folder.path)
    assert folder.remove()


def test_it_is_said_who_is_watched_less_and_why() -> None:
    pid = os.getpid()
    assert say_governed(told()) == (
        f"process {pid}: watching cost up to 37 % of a core, now 0.36 % (max_overhead is 2 %):"
        " 1 only counted, 1 not observed\n    bot.step is not observed since 19:40:27 UTC:"
        " 257,864 calls a second of 0.3 µs, each span 1.4 µs, 37 % of a core\n    bot.order is only"
        " counted since 19:40:30 UTC: 14,237 calls a second of 89.6 µs, each span 1.6 µs, 2.3 % of"
        " a core"
    )
    assert say_governed(told(functions=[])) == ""


def test_a_budget_that_cannot_be_kept_is_said() -> None:
    said = say_governed(told(essential=0.05))
    assert said.endswith("5 % are of functions that are durable or mapped, and never watched less")


def test_many_functions_are_said_in_few_words() -> None:
    many = [told()["functions"][0] | {"name": f"bot.f\x1b{n}"} for n in range(50)]
    said = say_governed(told(functions=many))
    assert said.endswith("\n    40 more")
    assert "\x1b" not in said


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRADESPAN_ROOT", str(tmp_path / "root"))
    bot = Bot(tmp_path / "root" / "runs" / "one")
    bot.folder.path.mkdir(parents=True)
    (tmp_path / "root").chmod(0o700)
    bot.folder.describe(destinations=[])
    bot.record(3)
    write(bot.folder.path)
    return bot.folder.path


def test_doctor_says_it_of_the_latest_runs(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    hops = {hop["hop"]: hop for hop in json.loads(capsys.readouterr().out)["hops"]}
    assert hops["governor one"]["says"] == say_governed(told())
    assert hops["governor one"]["governor"]["functions"][0]["name"] == "bot.step"


def test_metrics_are_of_processes_that_run(root: Path) -> None:
    write(root, 2, pid=GONE)
    folder = RunFolder(root)
    wanted = {
        ("tradespan.governor.functions", ("restored",), 1),
        ("tradespan.governor.functions", ("counted",), 1),
        ("tradespan.governor.functions", ("full",), 5),
        ("tradespan.governor.overhead", (), 0.0036),
    }
    readings = list(measure_governors(folder))
    for each in readings:
        assert tuple(label for label, _ in each.labels) == each.instrument.labels
    assert {
        (each.instrument.name, tuple(value for _, value in each.labels), each.value)
        for each in readings
    } == wanted


def test_a_file_that_anybody_wrote_breaks_no_doctor(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replace_json(root / f"governor-{'b' * 32}.json", told(functions=[{"name": 3}]))
    assert main(["doctor", "--json"]) == 0
    assert "bot.order" in capsys.readouterr().out
