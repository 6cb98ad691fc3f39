"""`tradespan targets`: what patterns would watch, before anything is run."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from tradespan.bootstrap.program import CannotRun
from tradespan.bootstrap.targets import DryRun, dry_run
from tradespan.cli.exits import FAILED, OK, USAGE
from tradespan.cli.render import (
    Column,
    format_count,
    make_console,
    plain,
    print_columns,
    print_line,
)
from tradespan.cli.run import near_file
from tradespan.config import Config, load_config
from tradespan.core.errors import TargetNotFound
from tradespan.declare.names import TRADESPAN_SIGNAL
from tradespan.instrument.auto.names import say_meant
from tradespan.instrument.auto.survey import (
    LEFT_ALONE,
    SKIPPED,
    WATCHED,
    Row,
    Tally,
    counts_of,
)
from tradespan.instrument.options import Watch

_STYLES = {WATCHED: "green", SKIPPED: "yellow", LEFT_ALONE: "dim"}


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "targets",
        help="show which functions patterns would watch",
        usage="tradespan targets [-i REGEX] [-x REGEX] [-m MODULE | SCRIPT.py] [OPTION…]",
        description="Show which functions the patterns of the options, the environment and the"
        " settings file would watch, and which not, and why. Modules are imported, which runs"
        " their top-level code; a script and a package's __main__ are only read. Exit status 1 if"
        " a pattern matches nothing.",
        epilog="tradespan targets -i 'bot\\..*' bot.py: what tradespan run would watch. Without a"
        " script or -m: the packages that the patterns begin with, and all modules in them but for"
        " tests.",
    )
    add = parser.add_argument
    add("script", nargs="?", metavar="SCRIPT.py", help="a program to read, not to run")
    pattern = "functions to %s, as for run; may be given again"
    add("-i", "--include", action="append", metavar="REGEX", help=pattern % "watch")
    add("-x", "--exclude", action="append", metavar="REGEX", help=pattern % "leave alone")
    add("-m", "--module", action="append", metavar="MODULE", default=[],
        help="a module or package to look through; may be given again")  # fmt: skip
    add("--all", action="store_true", help="list also what is left alone")
    add("--json", action="store_true", help="one JSON document, with everything")
    add("--environment", metavar="NAME", help="development, staging or production")
    add("--config", metavar="FILE", help="settings file (default: the nearest tradespan.toml)")


def run(namespace: argparse.Namespace) -> int:
    """Show; say no if a pattern matches nothing.

    Raises:
        ConfigurationError: A setting cannot be used.
        TargetNotFound: There is no such script or module.
    """
    script = namespace.script
    if script is not None and not Path(script).exists():
        raise TargetNotFound(script, "script", near_file(script))
    names = ("include", "exclude", "environment")
    given = {name: getattr(namespace, name) for name in names}
    config = load_config(
        {name: value for name, value in given.items() if value is not None},
        config_file=namespace.config,
        command_line=True,
        inherit=False,
    )
    threads = set(threading.enumerate())
    try:
        found = dry_run(config, namespace.module, script)
    except (CannotRun, SyntaxError) as error:
        print(f"tradespan targets: {error}", file=sys.stderr)
        return USAGE
    if sentence := explain_nothing(found, named=bool(script or namespace.module)):
        print(f"tradespan targets: {sentence}", file=sys.stderr)
        return USAGE
    if namespace.json:
        print(msgspec.json.encode(to_json(found)).decode())
    else:
        show(make_console(), found, config, everything=namespace.all)
    status = FAILED if any(map(is_idle, found.survey.tallies())) else OK
    end_with(set(threading.enumerate()) - threads, status)
    return status


def end_with(threads: set[threading.Thread], status: int) -> None:
    """Do not wait for what imported modules have started and nobody will end."""
    if any(not thread.daemon for thread in threads):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def explain_nothing(found: DryRun, *, named: bool) -> str:
    """Why there is nothing to look at; "" if there is. `named`: a script or module was given."""
    selection = found.survey.selection
    if not selection.include:
        return "no pattern says what to watch: give one, as in: tradespan targets -i 'bot\\..*'"
    if not named and selection.beginnings == {""}:
        return (
            "the patterns begin with no package's name: say with -m MODULE or a script where to"
            " look for what they match"
        )
    return ""


def is_idle(tally: Tally) -> bool:
    """Whether a pattern was to select something, and matches nothing."""
    return tally.setting != "exclude" and not tally.functions


# ── as tables ───────────────────────────────────────────────────────────────────────────────────


def show(console: Console, found: DryRun, config: Config, *, everything: bool) -> None:
    """Print the functions, the patterns, what is left alone and what could not be imported."""
    rows = sorted(found.survey.rows, key=lambda row: row.name)
    shown = [row for row in rows if everything or row.what != LEFT_ALONE]
    if shown:
        print_columns(console, function_columns(shown, config))
        console.print()
    tallies = found.survey.tallies()
    print_columns(console, pattern_columns(tallies))
    if not everything and (left := left_columns(rows, found.survey.packages)):
        console.print()
        print_columns(console, left)
    if everything and found.survey.packages:
        console.print()
        print_columns(console, package_columns(found.survey.packages))
    console.print()
    print_line(console, Text(summary(rows, found), style="dim"))
    sys.stdout.flush()
    for sentence in complaints(found, tallies):
        print(f"tradespan: {sentence}", file=sys.stderr)


def function_columns(rows: Sequence[Row], config: Config) -> list[Column]:
    """A line for each function; columns without a word are left out."""
    groups = [row.watch.process_group if row.watch else "" for row in rows]
    options = [describe(row.watch, config) if row.watch else "" for row in rows]
    columns = [
        Column("Function", [Text(plain(row.name)) for row in rows], flexible=True),
        Column("What", [Text(row.what, style=_STYLES[row.what]) for row in rows]),
        Column("Group", [Text(plain(group), style="dim") for group in groups]),
        Column("Options", [Text(plain(said)) for said in options], flexible=True),
        Column("Why", [Text(plain(row.why)) for row in rows], flexible=True),
    ]
    return columns[:2] + [column for column in columns[2:] if any(column.cells)]


def describe(watch: Watch, config: Config) -> str:
    """What is particular of a function's options: `sample_rate=0.1, durable`."""
    usual = Watch(max_repr=config.capture.max_repr)
    said = [
        f"{name}={getattr(watch, name):g}"
        for name in ("sample_rate", "min_duration", "slow", "max_repr")
        if getattr(watch, name) != getattr(usual, name)
    ]
    if watch.serializer != usual.serializer:
        said.append(f"serializer={watch.serializer}")
    said += ["durable"] * watch.durable + ["no metrics"] * (not watch.metrics)
    said += [f"no {name}" for name in ("args", "result") if not getattr(watch.capture, name)]
    said += [name for name in ("locals", "source") if getattr(watch.capture, name)]
    if watch.objective is not None:
        said.append(f"objective {watch.objective.success:g}")
    if signal := watch.attributes.get(TRADESPAN_SIGNAL):
        said.append(f"signal {signal}")
    return ", ".join(said)


def pattern_columns(tallies: Sequence[Tally]) -> list[Column]:
    """A line for each pattern: what it matches, and how much of it is watched."""
    idle = ["bold red" if is_idle(tally) else "" for tally in tallies]
    counts = [Text(f"{t.functions:,}", style=s) for t, s in zip(tallies, idle, strict=True)]
    watched = ["" if tally.setting == "exclude" else f"{tally.watched:,}" for tally in tallies]
    return [
        Column("Pattern", [Text(plain(tally.pattern)) for tally in tallies], flexible=True),
        Column("Setting", [Text(tally.setting) for tally in tallies]),
        Column("From", [Text(plain(tally.origin), style="dim") for tally in tallies]),
        Column("Functions", counts, right=True),
        Column("Watched", [Text(count) for count in watched], right=True),
    ]


def left_columns(rows: Sequence[Row], packages: dict[str, str]) -> list[Column]:
    """What is left alone, counted by reason; none if nothing is."""
    counts = Counter(row.why for row in rows if row.what == LEFT_ALONE)
    lines = [(f"{count:,}", why) for why, count in counts.most_common()]
    for what, count in Counter(packages.values()).most_common():
        lines.append((format_count(count, "package"), what))
    if not lines:
        return []
    return [
        Column("Left alone", [Text(count) for count, _ in lines], right=True),
        Column("Why", [Text(plain(why)) for _, why in lines], flexible=True),
    ]


def package_columns(packages: dict[str, str]) -> list[Column]:
    """A line for each package that is left alone as a whole."""
    return [
        Column("Package", [Text(plain(name)) for name in sorted(packages)]),
        Column("Left alone", [Text(packages[name]) for name in sorted(packages)]),
    ]


def summary(rows: Sequence[Row], found: DryRun) -> str:
    """`12 functions in 3 modules: 9 watched, 1 skipped, 2 left alone`."""
    told = ", ".join(f"{count:,} {what}" for what, count in counts_of(rows).items())
    modules = format_count(len(found.modules), "module")
    where = f"{modules} and {found.program}" if found.program else modules
    return f"{format_count(len(rows), 'function')} in {where}: {told}"


def complaints(found: DryRun, tallies: Sequence[Tally]) -> Iterator[str]:
    """What went wrong, a sentence each."""
    for module, error in found.failed.items():
        yield f"{module} cannot be imported: {plain(error)}"
    for package, near in found.missing.items():
        yield f"there is no module {package}" + (f"; did you mean {near}?" if near else "")
    for tally in filter(is_idle, tallies):
        meant = say_meant(tally.pattern, tally.near)
        yield f"the pattern '{tally.pattern}' matches no function{meant}"


# ── for programs ────────────────────────────────────────────────────────────────────────────────


def to_json(found: DryRun) -> dict[str, Any]:
    """Everything as plain values; durations in seconds."""
    return {
        "program": found.program or None,
        "counts": counts_of(found.survey.rows),
        "functions": [_function(row) for row in found.survey.rows],
        "patterns": [asdict(tally) for tally in found.survey.tallies()],
        "left_alone_packages": found.survey.packages,
        "modules": found.modules,
        "failed": found.failed,
        "missing": found.missing,
    }


def _function(row: Row) -> dict[str, Any]:
    watch = row.watch
    options: dict[str, Any] | None = None
    if watch is not None:
        names = ("process_group", "sample_rate", "min_duration", "slow", "durable", "max_repr",
                 "serializer", "sensitive_fields", "metrics")  # fmt: skip
        options = {name: getattr(watch, name) for name in names}
        options["capture"] = asdict(watch.capture)
        options["objective"] = asdict(watch.objective) if watch.objective else None
        options["signal"] = watch.attributes.get(TRADESPAN_SIGNAL)
    return {
        "name": row.name,
        "what": row.what,
        "why": row.why,
        "patterns": row.patterns,
        "options": options,
    }
