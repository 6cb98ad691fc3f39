"""`tradespan functions`: how often watched functions are called, fail, and how long they take."""

from __future__ import annotations

import argparse
import math
import re
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from tradespan.bootstrap.folders import choose_root
from tradespan.cli.arguments import read_limit
from tradespan.cli.exits import OK, tell_nothing
from tradespan.cli.render import (
    Column,
    format_count,
    format_duration,
    make_console,
    plain,
    print_columns,
    print_line,
    shorten_process,
)
from tradespan.cli.rooted import read_rooted
from tradespan.forward.exemplars import (
    Buckets,
    Exemplar,
    FunctionKey,
    key_of,
    merge_exemplars,
    read_exemplars,
)
from tradespan.pages.metrics import FunctionSeries
from tradespan.pages.readings import FunctionTotal, merge, read_metric_pages
from tradespan.spool.folder import run_folders
from tradespan.spool.governed import read_governed

INTERVAL = 1.0
"""Seconds between two looks of `--watch`."""
NARROW = 110
"""Columns of a terminal below which groups and total times are left out."""
_NOTES = 5
"""Sentences about pages that are printed at most."""

_WATCHED = {"counted": "counted", "restored": "not observed"}
"""How the governor has a function watched that costs too much, by its level."""

SORTS: dict[str, Callable[[FunctionTotal], float]] = {
    "calls": lambda total: total.counts.calls,
    "errors": lambda total: total.counts.errors,
    "p99": lambda total: -1.0 if (p99 := total.quantile(0.99)) is None else p99,
    "total": lambda total: total.counts.total,
}


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "functions",
        help="show how often watched functions are called and fail, and how long they take",
        description="Calls, errors and durations of watched functions, over all runs of a root"
        " whose folders are still there. Every call counts, its span kept or not.",
        epilog="""
        Percentiles are interpolated within the histogram's buckets, whose bounds are 1, 2, 5, 10 …
        from 1 µs to 100 s: they tell the bucket, and inside it guess. Calls/s is of processes that
        run, over their life; with --watch, since the last look.
        """,
    )
    add = parser.add_argument
    add("--sort", choices=[*SORTS], default="calls", help="most first by this (default: calls)")
    add("--name", metavar="REGEX", type=read_pattern, help="a function whose name this is found in")
    add("--group", metavar="NAME", help="a process group")
    add("-n", "--limit", metavar="N", type=read_limit, help="at most so many")
    add(
        "--slowest",
        action="store_true",
        help="the trace of a kept call in the slowest bucket that has one, for `tradespan trace`",
    )
    add("--json", action="store_true", help="one JSON object a line, with all fields")
    add("--watch", action="store_true", help="look again every second, until Ctrl-C")
    add("--root", metavar="DIR", help="the root whose runs to look at")
    add("--config", metavar="FILE", help="settings file")


def read_pattern(text: str) -> re.Pattern[str]:
    """A regular expression, for argparse."""
    try:
        return re.compile(text)
    except re.error as error:
        message = f"{text!r} is no regular expression: {error}"
        raise argparse.ArgumentTypeError(message) from error


@dataclass(frozen=True, slots=True)
class Look:
    """What the pages of a root say at one moment."""

    totals: list[FunctionTotal]
    notes: list[str]
    now: int
    """Nanoseconds, UTC."""
    calls: dict[FunctionSeries, int] = field(default_factory=dict)
    exemplars: dict[FunctionKey, Buckets] = field(default_factory=dict)
    governed: dict[str, str] = field(default_factory=dict)
    """Functions that the governor has watched less: how, by name."""

    def buckets(self, total: FunctionTotal) -> Buckets:
        """The latest kept call of each bucket."""
        return self.exemplars.get(key_of(total.series), {})


def run(namespace: argparse.Namespace, wait: Callable[[float], object] = time.sleep) -> int:
    """Show; say no if nothing matches. `wait`: between two looks of `--watch`, in seconds.

    Raises:
        ConfigurationError: A setting cannot be used.
    """
    config = read_rooted(namespace)
    root = choose_root(config).root
    console = make_console()
    if not namespace.watch:
        return show(console, root, namespace, look(root), None)
    before: Look | None = None
    with suppress(KeyboardInterrupt):
        while True:
            now = look(root)
            if console.is_terminal:
                console.clear()
            show(console, root, namespace, now, before)
            sys.stdout.flush()
            before = now
            wait(INTERVAL)
    return OK


def look(root: Path) -> Look:
    """Read all pages of a root's runs."""
    now = time.time_ns()
    folders = list(run_folders(root))
    # Before the pages: what an exemplar stands for is counted in them then.
    exemplars = merge_exemplars([read_exemplars(folder.path) for folder in folders])
    readings = [reading for folder in folders for reading in read_metric_pages(folder.metric_pages)]
    totals = merge(function for reading in readings for function in reading.functions)
    notes = [problem for reading in readings for problem in reading.problems]
    if len(notes) > _NOTES:
        notes[_NOTES:] = [f"{format_count(len(notes) - _NOTES, 'more page')} cannot be read whole"]
    if overflow := sum(reading.overflow for reading in readings):
        notes.append(
            f"{format_count(overflow, 'function')} found no place, and count as (other):"
            " a process has room for 2,000"
        )
    if in_memory := sum(reading.in_memory for reading in readings):
        counted = "function is" if in_memory == 1 else "functions are"
        notes.append(
            f"{in_memory:,} {counted} counted in memory only, not shown here: the folder could not"
            " be written when they were first called"
        )
    calls = {total.series: total.counts.calls for total in totals}
    # Of those that run; where none does, of the last one: an earlier run's says nothing of it.
    files = [told for folder in folders for told in read_governed(folder, alive=True)]
    files = files or [told for folder in folders[-1:] for told in read_governed(folder)]
    governed = {each["name"]: each["level"] for told in files for each in told["functions"]}
    return Look(totals, notes, now, calls, exemplars, governed)


def show(
    console: Console, root: Path, namespace: argparse.Namespace, now: Look, before: Look | None
) -> int:
    """Print one look; `before`: the last one, for rates since then."""
    chosen = choose(now.totals, namespace)
    for note in now.notes:
        print(f"tradespan: {note}", file=sys.stderr)
    if not chosen:
        filtered = namespace.name is not None or namespace.group is not None
        return tell_nothing(explain_nothing(root, now, namespace), filtered=filtered)
    shown = chosen[: namespace.limit]
    rates = [rate_of(total, now, before) for total in shown]
    if namespace.json:
        for total, rate in zip(shown, rates, strict=True):
            told = to_json(total, rate, now.buckets(total))
            told["watched"] = now.governed.get(total.series.name, "full")
            print(msgspec.json.encode(told).decode())
        return OK
    columns = build_columns(shown, rates, console.width)
    if namespace.slowest:
        columns.append(Column("Slowest", [Text(slowest(now.buckets(each))) for each in shown]))
    levels = [now.governed.get(each.series.name, "") for each in shown]
    if any(levels):
        columns.append(Column("Watched", [Text(_WATCHED.get(level, "")) for level in levels]))
    print_columns(console, columns)
    if console.is_terminal:
        more = f"{len(shown):,} of " if len(shown) < len(chosen) else ""
        line = f"{more}{format_count(len(chosen), 'function')}; percentiles are interpolated"
        print_line(console, Text(f"{line} within buckets of 1-2-5 steps", style="dim"))
    return OK


def choose(totals: Sequence[FunctionTotal], namespace: argparse.Namespace) -> list[FunctionTotal]:
    """Those that the filters leave, sorted."""
    name, group = namespace.name, namespace.group
    kept = [
        total
        for total in totals
        if (name is None or name.search(total.series.name))
        and (group is None or total.series.process_group == group)
    ]
    kept.sort(key=lambda total: (-SORTS[namespace.sort](total), total.series.name))
    return kept


def explain_nothing(root: Path, now: Look, namespace: argparse.Namespace) -> str:
    """Why no function is shown."""
    if not now.totals:
        return (
            f"no function has been counted below {root}: run `tradespan run …` first, or name"
            " another root with --root"
        )
    given = [f"--name {namespace.name.pattern}"] if namespace.name is not None else []
    hint = ""
    if namespace.group is not None:
        given.append(f"--group {namespace.group}")
        groups = {each.series.process_group for each in now.totals} - {""}
        if namespace.group not in groups:
            hint = f"; --group can be {', '.join(sorted(groups)) or 'nothing yet'}"
    total = format_count(len(now.totals), "function")
    return f"none of {total} satisfies {' and '.join(given)}{hint}"


def rate_of(total: FunctionTotal, now: Look, before: Look | None) -> float | None:
    """Calls a second; None where no process runs that could call, or no time has passed."""
    if before is not None:
        seconds = (now.now - before.now) / 1e9
        # A page may have gone between the two looks.
        fresh = max(total.counts.calls - before.calls.get(total.series, 0), 0)
        return fresh / seconds if seconds > 0 and total.running else None
    lives = [(each.counts.calls, (now.now - each.page.created) / 1e9) for each in total.running]
    rates = [calls / seconds for calls, seconds in lives if seconds > 0]
    return sum(rates) if rates else None


def slowest(buckets: Buckets) -> str:
    """The trace of the exemplar in the slowest bucket that has one; empty if none has."""
    return buckets[max(buckets)].trace_id if buckets else ""


def to_json(total: FunctionTotal, rate: float | None, buckets: Buckets) -> dict[str, Any]:
    """As plain values; times in nanoseconds. What is undefined is null."""
    series, counts = total.series, total.counts
    percentiles = {f"p{share}_ns": total.quantile(share / 100) for share in (50, 95, 99)}
    objective = None
    if series.target is not None:
        objective = {
            "target": series.target,
            "latency_ns": series.latency,
            "good": counts.good,
            "good_share": total.share_good,
            "met": total.met,
        }
    return {
        "name": series.name,
        "group": series.process_group,
        "attributes": dict(series.attributes),
        "calls": counts.calls,
        "calls_per_second": rate,
        "errors": counts.errors,
        "error_share": total.share_failed,
        **{key: p if p is None or math.isfinite(p) else None for key, p in percentiles.items()},
        "total_ns": counts.total,
        "bounds_ns": series.bounds,
        "buckets": counts.buckets,
        "exemplars": [_exemplar(place, each) for place, each in sorted(buckets.items())],
        "objective": objective,
        "running": len(total.running),
    }


def _exemplar(place: int, exemplar: Exemplar) -> dict[str, Any]:
    """`bucket`: its place in `buckets`."""
    return {
        "bucket": place,
        "value_ns": exemplar.value,
        "trace_id": exemplar.trace_id,
        "span_id": exemplar.span_id,
        "time_ns": exemplar.time,
    }


def build_columns(
    totals: Sequence[FunctionTotal], rates: Sequence[float | None], width: int
) -> list[Column]:
    """The columns of the table."""
    wide = width >= NARROW
    names = [shorten_process(total.series.name, max(width // 3, 16)) for total in totals]
    groups = [Text(plain(total.series.process_group), style="dim") for total in totals]
    columns = [Column("Function", [Text(plain(name)) for name in names], flexible=True)]
    if wide and any(groups):
        columns.append(Column("Group", groups))
    numbers = {
        "Calls": [f"{total.counts.calls:,}" for total in totals],
        "Calls/s": [format_rate(rate) for rate in rates],
    }
    columns += [_right(title, cells) for title, cells in numbers.items()]
    red = ["bold red" if total.counts.errors else "dim" for total in totals]
    errors = [f"{total.counts.errors:,}" for total in totals]
    columns.append(_right("Errors", errors, red))
    columns.append(_right("Error %", [format_percent(t.share_failed) for t in totals], red))
    for share in (50, 95, 99):
        cells = [format_quantile(total, share / 100) for total in totals]
        columns.append(_right(f"p{share}", cells))
    if wide:
        columns.append(_right("Total", [format_duration(t.counts.total) for t in totals]))
    if any(total.series.target is not None for total in totals):
        columns.append(Column("Objective", [format_objective(total) for total in totals]))
    return columns


def _right(title: str, cells: Sequence[str], styles: Sequence[str] = ()) -> Column:
    styled = styles or [""] * len(cells)
    texts = [Text(cell, style=style) for cell, style in zip(cells, styled, strict=True)]
    return Column(title, texts, right=True)


def format_rate(rate: float | None) -> str:
    """Calls a second: `0`, `< 0.1`, `3.2`, `1,204`; nothing where there is none."""
    if rate is None:
        return ""
    if 0 < rate < 0.1:
        return "< 0.1"
    return f"{rate:,.0f}" if rate >= 100 or rate == 0 else f"{rate:.1f}"


def format_percent(share: float | None) -> str:
    """`0`, `< 0.01`, `1.25`, `100`; nothing where there is none. 100 is all, and nothing less."""
    if share is None:
        return ""
    percent = share * 100
    if 0 < percent < 0.01:
        return "< 0.01"
    return f"{math.floor(percent * 100 + 1e-6) / 100:g}"


def format_quantile(total: FunctionTotal, share: float) -> str:
    """A duration; `> 1 m 40 s` if it lies above all bounds; nothing without calls."""
    duration = total.quantile(share)
    if duration is None:
        return ""
    if math.isinf(duration):
        return f"> {format_duration(total.series.bounds[-1] if total.series.bounds else 0)}"
    return format_duration(round(duration))


def format_objective(total: FunctionTotal) -> Text:
    """`met 99.95 of 99.9 % in 5.0 ms`: whether, the good calls' share, the target, the latency."""
    series = total.series
    if series.target is None:
        return Text()
    wanted = f"{series.target * 100:.10g} %"
    if series.latency is not None:
        wanted += f" in {format_duration(series.latency)}"
    if total.met is None:
        return Text(wanted, style="dim")
    verdict = Text("met" if total.met else "missed", style="green" if total.met else "bold red")
    return Text.assemble(verdict, f" {format_percent(total.share_good)} of {wanted}")
