"""`tradespan traces`, as called from a shell."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.store.builders import (
    BOT,
    CHECK,
    MILLISECOND,
    NOON,
    SECOND,
    SUBMIT,
    insert,
    make_exception,
    make_span,
    trace_hex,
)
from tradespan.cli import main
from tradespan.core.records import Span
from tradespan.store.store import Store

LONG_AGO = 0xAB << 120 | 1
RECENT = 0xCD << 120 | 2
FAILED = 0xEF << 120 | 3


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root with three traces: of noon in March 2026, of now, and one that failed a minute ago."""
    monkeypatch.setenv("TRADESPAN_ROOT", str(tmp_path))
    now = time.time_ns() - NOON
    with Store.open(tmp_path / "store.db") as store:
        insert(
            store,
            make_span(LONG_AGO, 1, start=512 * MILLISECOND, arguments=["'AAPL'", 300]),
            make_span(RECENT, 1, start=now, site=CHECK, duration=1500 * MILLISECOND),
            *failing(now - 60 * SECOND),
        )
    return tmp_path


def failing(start: int) -> list[Span]:
    error = make_exception(message="no answer [red]in[/] 2.0 s\x1b[2J", time=start)
    return [
        make_span(FAILED, 1, start=start, arguments=["'MSFT'", 5], failed=True, events=[error]),
        make_span(FAILED, 2, 1, start=start, site=SUBMIT),
    ]


def run_traces(
    capsys: pytest.CaptureFixture[str], *options: str, status: int = 0
) -> tuple[list[str], str]:
    assert main(["traces", *options]) == status
    captured = capsys.readouterr()
    return captured.out.splitlines(), captured.err


def test_list_has_the_columns_of_the_ui(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines, _ = run_traces(capsys)
    heading = ["Time (IST)", "Process", "Group", "Status", "Duration", "Spans", "Data",
               "Exception", "Trace"]  # fmt: skip
    assert re.split(r"  +", lines[0]) == heading
    assert len(lines) == 4
    assert re.split(r"  +", lines[3]) == [
        "2026-03-01 17:30:00.512",
        "momentum_bot.strategy.decide",
        "strategy",
        "OK",
        "1.0 ms",
        "1",
        "symbol='AAPL' quantity=300",
        trace_hex(LONG_AGO),
    ]


def test_piped_list_has_whole_ids_and_no_colours(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines, _ = run_traces(capsys)
    assert [line.split()[-1] for line in lines[1:]] == [
        trace_hex(RECENT),
        trace_hex(FAILED),
        trace_hex(LONG_AGO),
    ]
    assert not any("\x1b" in line or "…" in line or line != line.rstrip() for line in lines)


def test_text_of_a_bot_cannot_steer_the_terminal(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines, _ = run_traces(capsys, "--errors")
    assert r"ExchangeTimeout: no answer [red]in[/] 2.0 s\x1b[2J" in lines[1]


@pytest.mark.parametrize("columns", [64, 80, 120, 200])
def test_terminal_gets_colours_and_lines_that_fit(
    root: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    columns: int,
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(columns))
    lines, _ = run_traces(capsys)
    assert "\x1b[1;31mERR" in lines[2]
    shown = [re.sub(r"\x1b\[[\d;]*m", "", line) for line in lines]
    assert max(map(len, shown)) <= columns
    ids = {re.split(r"\s+", line)[-1] for line in shown[1:4]}
    assert all(trace_hex(each).startswith(tuple(ids)) for each in (LONG_AGO, RECENT, FAILED))
    assert "3 traces, newest first; tradespan trace ID shows one".startswith(shown[-1].rstrip("…"))


def test_json_is_one_object_a_line_with_all_fields(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines, _ = run_traces(capsys, "--json")
    rows = [json.loads(line) for line in lines]
    assert rows[2] == {
        "time": "2026-03-01T12:00:00.512000000Z",
        "row_id": 1,
        "trace_id": trace_hex(LONG_AGO),
        "span_id": f"{1:016x}",
        "name": "decide",
        "process": "momentum_bot.strategy.decide",
        "group": "strategy",
        "service": BOT.attributes["service.name"],
        "start": NOON + 512 * MILLISECOND,
        "duration": MILLISECOND,
        "status": "OK",
        "spans": 1,
        "errors": 0,
        "data": "symbol='AAPL' quantity=300",
        "exception": "",
        "running": 0,
    }
    assert [row["errors"] for row in rows] == [0, 1, 0]


@pytest.mark.parametrize(
    ("options", "traces"),
    [
        (["--errors"], [FAILED]),
        (["--name", r"risk\.check"], [RECENT]),
        (["--name", "submit"], [FAILED]),
        (["--since", "10m"], [RECENT, FAILED]),
        (["--since", "30s"], [RECENT]),
        (["--group", "execution"], [FAILED]),
        (["--service", "momentum-bot"], [RECENT, FAILED, LONG_AGO]),
        (["--search", "symbol=AAPL"], [LONG_AGO]),
        (["--search", "duration:>1s"], [RECENT]),
        (["--limit", "1"], [RECENT]),
        (["--since", "10m", "--group", "strategy"], [FAILED]),
    ],
)
def test_filters_choose(
    root: Path, capsys: pytest.CaptureFixture[str], options: list[str], traces: list[int]
) -> None:
    lines, _ = run_traces(capsys, "--json", *options)
    assert [json.loads(line)["trace_id"] for line in lines] == [trace_hex(each) for each in traces]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--name", "nothing"], "none of 3 traces satisfies --name nothing"),
        (
            ["--group", "feed", "--errors"],
            "none of 3 traces satisfies --group feed; --group can be execution, risk, strategy",
        ),
        (["--service", "x"], "satisfies --service x; --service can be momentum-bot"),
        (
            ["--errors", "--name", "check"],
            "none of 3 traces satisfies all of --errors, --name check",
        ),
        (["--search", "MSFT", "--search", "nosuch"], "satisfies --search nosuch"),
    ],
)
def test_nothing_found_names_the_filter(
    root: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    for more in ([], ["--json"]):
        lines, complaint = run_traces(capsys, *options, *more, status=1)
        assert lines == []
        assert complaint.startswith("tradespan: ")
        assert said in complaint


def test_since_that_is_too_short_names_the_newest(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, complaint = run_traces(capsys, "--since", "0s", status=1)
    assert re.search(r"satisfies --since; the newest began at \d{4}-\d\d-\d\dT", complaint)


def test_missing_store_says_what_makes_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, complaint = run_traces(capsys, "--root", str(tmp_path), status=0)
    run_traces(capsys, "--root", str(tmp_path), "--errors", status=1)
    run_traces(capsys, "--store", str(tmp_path / "named.db"), status=1)
    assert f"no store at {tmp_path / 'store.db'}: run `tradespan run …` first" in complaint
    assert list(tmp_path.iterdir()) == []


def test_empty_store_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Store.open(tmp_path / "own.db").close()
    _, complaint = run_traces(capsys, "--store", str(tmp_path / "own.db"), status=0)
    assert "own.db is empty: nothing has been recorded yet" in complaint


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--search", "status:maybe"], "the status is err, ok or running, not maybe at position 7"),
        (["--name", "a(b"], "the regular expression fails"),
    ],
)
def test_search_that_cannot_be_read_shows_the_place(
    root: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    _, complaint = run_traces(capsys, *options, status=2)
    assert said in complaint
    assert complaint.splitlines()[-1].strip() == "^"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--since", "10x"], "'x' is no unit of time; expected a duration such as 30s, 10m"),
        (["--since", "soon"], "expected a duration"),
        (["--limit", "0"], "'0' is no whole number from 1 up"),
        (["--limit", "many"], "'many' is no whole number"),
    ],
)
def test_option_that_cannot_be_read_is_named(
    root: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["traces", *options])
    assert caught.value.code == 2
    complaint = capsys.readouterr().err
    assert f"{options[0]}: " in complaint
    assert said in complaint


def test_list_works_where_the_encoding_has_no_lines_and_blocks(root: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    run = subprocess.run(
        [sys.executable, "-c", "import sys; from tradespan.cli import main; sys.exit(main())",
         "traces", "--errors"],
        capture_output=True, text=True, env=environment, check=False, timeout=60,
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (0, "")
    assert trace_hex(FAILED) in run.stdout
