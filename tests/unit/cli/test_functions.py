"""`tradespan functions`, as called from a shell."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from tests.unit.pages.builders import CHECK, DECIDE, MILLISECOND, Writer, count, leave_dead
from tradespan.cli import functions, main
from tradespan.cli.functions import (
    format_objective,
    format_percent,
    format_quantile,
    format_rate,
)
from tradespan.core.clock import SystemClock
from tradespan.pages.metrics import FunctionSeries, MetricPage
from tradespan.pages.readings import Counts, FunctionTotal
from tradespan.spool.folder import RunFolder

SEND = FunctionSeries("bot.execution.Router.send", "execution")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root with two runs of one bot, both over."""
    monkeypatch.setenv("TRADESPAN_ROOT", str(tmp_path))
    for calls in (2, 3):
        folder = RunFolder.create(tmp_path, "bot").path
        leave_dead(folder, DECIDE, *[15_000] * calls)
        writer = Writer(folder)
        count(MetricPage(writer), CHECK, *[3 * MILLISECOND] * 5, errors=1)
        count(MetricPage(writer), SEND, 7 * MILLISECOND)
        writer.locks.abandon()
    return tmp_path


def run_functions(
    capsys: pytest.CaptureFixture[str], *options: str, status: int = 0
) -> tuple[str, str]:
    assert main(["functions", *options]) == status
    captured = capsys.readouterr()
    return captured.out, captured.err


def names(printed: str) -> list[str]:
    return [line.split()[0] for line in printed.splitlines()[1:]]


def objects(printed: str) -> dict[str, dict[str, object]]:
    rows = [json.loads(line) for line in printed.splitlines()]
    return {row["name"]: row for row in rows}


# ── the table ───────────────────────────────────────────────────────────────────────────────────


def test_table_adds_up_the_runs_of_a_root(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed, complaint = run_functions(capsys)
    lines = [" ".join(line.split()) for line in printed.splitlines()]

    assert complaint == ""
    assert lines == [
        "Function Group Calls Calls/s Errors Error % p50 p95 p99 Total Objective",
        "bot.risk.check risk 10 2 20 3.5 ms 4.8 ms 5.0 ms 30.0 ms missed 80 of 90 % in 10.0 ms",
        "bot.strategy.decide strategy 5 0 0 15.0 µs 19.5 µs 19.9 µs 75.0 µs",
        "bot.execution.Router.send execution 2 0 0 7.5 ms 9.8 ms 9.9 ms 14.0 ms",
    ]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("calls", [CHECK, DECIDE, SEND]),
        ("errors", [CHECK, SEND, DECIDE]),
        ("p99", [SEND, CHECK, DECIDE]),
        ("total", [CHECK, SEND, DECIDE]),
    ],
)
def test_table_is_sorted_most_first_then_by_name(
    root: Path,
    capsys: pytest.CaptureFixture[str],
    sort: str,
    expected: list[FunctionSeries],
) -> None:
    printed, _ = run_functions(capsys, "--sort", sort)

    assert names(printed) == [series.name for series in expected]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--name", r"\.ch"], [CHECK]),
        (["--group", "strategy"], [DECIDE]),
        (["--group", "risk", "--name", "check"], [CHECK]),
        (["--limit", "1"], [CHECK]),
        (["--limit", "1", "--sort", "p99"], [SEND]),
    ],
)
def test_filters_leave_what_they_name(
    root: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    expected: list[FunctionSeries],
) -> None:
    printed, _ = run_functions(capsys, *options)

    assert names(printed) == [series.name for series in expected]


def test_narrow_terminal_keeps_name_calls_errors_and_percentiles(root: Path) -> None:
    totals = functions.look(root).totals
    console = Console(file=StringIO(), width=80, force_terminal=True)
    titles = [c.title for c in functions.build_columns(totals, [None] * 3, console.width)]

    assert titles == [
        "Function", "Calls", "Calls/s", "Errors", "Error %", "p50", "p95", "p99", "Objective",
    ]  # fmt: skip


def test_name_cannot_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leave_dead(RunFolder.create(tmp_path, "bot").path, FunctionSeries("bot.\x1b[2Jx"), 1)
    printed, _ = run_functions(capsys, "--root", str(tmp_path))

    assert "\x1b" not in printed
    assert r"bot.\x1b[2Jx" in printed


# ── for programs ────────────────────────────────────────────────────────────────────────────────


def test_json_has_a_line_a_function_with_all_fields(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed, _ = run_functions(capsys, "--json")
    check = objects(printed)[CHECK.name]
    buckets = check.pop("buckets")
    bounds = check.pop("bounds_ns")

    assert isinstance(buckets, list)
    assert isinstance(bounds, list)
    assert (sum(buckets), len(buckets), len(bounds)) == (10, 26, 25)
    assert check == {
        "name": "bot.risk.check",
        "group": "risk",
        "attributes": {},
        "calls": 10,
        "calls_per_second": None,
        "errors": 2,
        "error_share": 0.2,
        "p50_ns": 3_500_000.0,
        "p95_ns": 4_850_000.0,
        "p99_ns": 4_970_000.0,
        "total_ns": 30 * MILLISECOND,
        "objective": {
            "target": 0.9,
            "latency_ns": 10 * MILLISECOND,
            "good": 8,
            "good_share": 0.8,
            "met": False,
        },
        "exemplars": [],
        "running": 0,
        "watched": "full",
    }


def test_json_has_no_number_where_there_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder.create(tmp_path, "bot").path
    leave_dead(folder, DECIDE)
    leave_dead(folder, SEND, 200 * 10**9)
    printed, _ = run_functions(capsys, "--json", "--root", str(tmp_path))
    rows = objects(printed)

    keys = ("p99_ns", "error_share", "calls_per_second", "objective")
    assert [rows[DECIDE.name][key] for key in keys] == [None] * 4
    assert [rows[SEND.name][key] for key in keys] == [None, 0.0, None, None]


# ── nothing, and wrong calls ────────────────────────────────────────────────────────────────────


def test_root_without_counts_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed, complaint = run_functions(capsys, "--root", str(tmp_path / "none"), status=0)

    assert printed == ""
    assert complaint.startswith("tradespan: no function has been counted below ")
    assert "run `tradespan run …` first" in complaint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--name", "nope"], "none of 3 functions satisfies --name nope"),
        (
            ["--group", "riks"],
            "none of 3 functions satisfies --group riks; --group can be execution, risk, strategy",
        ),
        (
            ["--group", "risk", "--name", "decide"],
            "none of 3 functions satisfies --name decide and --group risk",
        ),
    ],
)
def test_filters_that_leave_nothing_are_named(
    root: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert run_functions(capsys, *options, status=1) == ("", f"tradespan: {said}\n")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--name", "a(b"], "'a(b' is no regular expression: missing )"),
        (["--limit", "0"], "'0' is no whole number from 1 up"),
        (["--sort", "name"], "invalid choice: 'name'"),
    ],
)
def test_option_that_cannot_be_read_is_named(
    root: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["functions", *options])
    complaint = capsys.readouterr().err

    assert caught.value.code == 2
    assert f"{options[0]}: " in complaint
    assert said in complaint


def test_damaged_page_is_told_and_the_others_are_shown(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = next(root.glob(f"runs/*/{'?' * 32}.metrics"))
    damaged.write_bytes(b"not a page")
    printed, complaint = run_functions(capsys)

    assert complaint == f"tradespan: {damaged}: it is no metric page\n"
    assert len(names(printed)) >= 2


def test_many_damaged_pages_are_told_in_few_lines(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = next(root.glob("runs/*"))
    for number in range(9):
        (folder / f"{number:032x}.metrics").write_bytes(b"not a page")
    _, complaint = run_functions(capsys)

    assert len(complaint.splitlines()) == 6
    assert complaint.endswith("tradespan: 4 more pages cannot be read whole\n")


# ── watching ────────────────────────────────────────────────────────────────────────────────────


def read_options(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    functions.add_parser(parser.add_subparsers())
    return parser.parse_args(["functions", *options])


def test_watch_shows_the_calls_since_the_last_look_until_it_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now)
    writer = Writer(RunFolder.create(tmp_path, "bot").path, clock=SystemClock())
    page = MetricPage(writer)
    count(page, DECIDE, *[1] * 100)
    waits: list[float] = []

    def wait(seconds: float) -> None:
        nonlocal now
        waits.append(seconds)
        if len(waits) == 4:
            raise KeyboardInterrupt
        if len(waits) == 3:
            writer.locks.abandon()
        count(page, DECIDE, *[1] * 20 * len(waits))
        now += 2 * 10**9

    options = read_options("--watch", "--json", "--root", str(tmp_path))
    assert functions.run(options, wait) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["calls"] for row in rows] == [100, 120, 160, 220]
    # Who is gone has no rate.
    assert [row["calls_per_second"] for row in rows[1:]] == [10.0, 20.0, None]
    assert waits == [1.0] * 4


def test_watch_waits_for_a_function_to_be_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rounds: list[Callable[[], object]] = [
        lambda: leave_dead(RunFolder.create(tmp_path, "bot").path, DECIDE, 1)
    ]

    def wait(seconds: float) -> None:
        if not rounds:
            raise KeyboardInterrupt
        rounds.pop()()

    assert functions.run(read_options("--watch", "--root", str(tmp_path)), wait) == 0
    captured = capsys.readouterr()
    assert captured.err.count("no function has been counted") == 1
    assert names(captured.out) == [DECIDE.name]


def test_rate_without_watching_is_over_the_life_of_running_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder.create(tmp_path, "bot").path
    leave_dead(folder, DECIDE, *[1] * 1_000)
    writer = Writer(folder)
    count(MetricPage(writer), DECIDE, *[1] * 50)
    began = writer.clock.wall()
    monkeypatch.setattr(time, "time_ns", lambda: began + 10 * 10**9)
    printed, _ = run_functions(capsys, "--json", "--root", str(tmp_path))
    row = objects(printed)[DECIDE.name]

    assert (row["calls"], row["calls_per_second"], row["running"]) == (1_050, 5.0, 1)


# ── numbers ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("rate", "shown"),
    [(None, ""), (0.0, "0"), (0.01, "< 0.1"), (3.24, "3.2"), (1204.4, "1,204")],
)
def test_rate_is_short(rate: float | None, shown: str) -> None:
    assert format_rate(rate) == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [(None, ""), (0, "0"), (0.00001, "< 0.01"), (0.999999, "99.99"), (1, "100"), (0.999, "99.9")],
)
def test_percentage_is_never_rounded_up_to_all(share: float | None, shown: str) -> None:
    assert format_percent(share) == shown


def test_duration_above_all_bounds_says_so() -> None:
    above = FunctionTotal(DECIDE, Counts((*[0] * 25, 1), 10**12, 0, 1), ())

    assert format_quantile(above, 0.5) == "> 1 m 40 s"


@pytest.mark.parametrize(
    ("series", "good", "shown"),
    [
        (DECIDE, 10, ""),
        (CHECK, 10, "met 100 of 90 % in 10.0 ms"),
        (CHECK, 8, "missed 80 of 90 % in 10.0 ms"),
        (FunctionSeries("f", target=0.999), 9, "missed 90 of 99.9 %"),
    ],
)
def test_objective_says_whether_it_is_met(series: FunctionSeries, good: int, shown: str) -> None:
    total = FunctionTotal(series, Counts((10, *[0] * 25), 0, 0, good), ())

    assert format_objective(total).plain == shown


def test_objective_of_a_function_that_was_not_called_is_not_judged() -> None:
    total = FunctionTotal(CHECK, Counts((0,) * 26, 0, 0, 0), ())

    assert format_objective(total).plain == "90 % in 10.0 ms"
