"""`tradespan map check`: what each `[[map]]` table of the settings found in a run."""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from rich.text import Text

from tradespan.bootstrap.folders import choose_root
from tradespan.cli.exits import FAILED, OK
from tradespan.cli.render import (
    Column,
    format_count,
    make_console,
    plain,
    print_columns,
    print_line,
)
from tradespan.cli.rooted import explain_run, read_rooted
from tradespan.config import Config, MapRule
from tradespan.config.rules import Converted, FieldSource, FromArguments, FromResult, FromSelf
from tradespan.declare import instruments as declared
from tradespan.instrument.auto.names import names_match
from tradespan.pages.readings import MetricReading, read_metric_pages
from tradespan.signals.sets.mapped import feeds_of
from tradespan.spool.folder import RunFolder, run_folders
from tradespan.store.rows import TraceFilter
from tradespan.store.store import Store

_FUNCTION, _SIGNAL = "code.function.name", "tradespan.signal"
_FIELD, _PROBLEM = "tradespan.map.field", "tradespan.map.problem"
_LOOKED_AT = 20
"""Newest traces of a function in which an example is looked for."""
_SHOWN = 40
"""Characters of one."""


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "map",
        help="show what the [[map]] tables found in a run",
        description="Show what the [[map]] tables of the settings file found in a run.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser(
        "check",
        help="the functions and fields that each table found",
        description="The functions of each table, their calls, the fields that those gave or why"
        " not, and what was fed. Every call counts, its span kept or not. Status 1 if a table found"
        " no call.",
    )
    add = check.add_argument
    add("--run", metavar="NAME", help="which run: the end of its folder's name (default: the last)")
    add("--json", action="store_true", help="one JSON object a table, with all fields")
    add("--root", metavar="DIR", help="the root whose runs to look at")
    add("--config", metavar="FILE", help="settings file")


@dataclass(slots=True)
class FoundField:
    """One field of a table."""

    attribute: str
    source: str
    found: int
    """Calls that gave it."""
    missing: dict[str, int]
    """Reason → calls."""
    example: Any = None


@dataclass(slots=True)
class FoundTable:
    """What one `[[map]]` table found."""

    rule: MapRule
    functions: dict[str, int] = field(default_factory=dict)
    """Name → calls."""
    fields: list[FoundField] = field(default_factory=list)
    instruments: list[str] = field(default_factory=list)
    """Fed in this run."""
    events: list[str] = field(default_factory=list)
    others: dict[str, str] = field(default_factory=dict)
    """Functions to which an earlier table has given another signal."""
    near: list[str] = field(default_factory=list)
    """Functions that were called and have a similar name, if it found none."""

    def signal_of(self, function: str) -> str | None:
        """What its calls were; None: it is not among the functions."""
        if function not in self.functions:
            return None
        return self.others.get(function, self.rule.signal)

    @property
    def calls(self) -> int:
        """Of all its functions."""
        return sum(self.functions.values())


def run(namespace: argparse.Namespace) -> int:
    """Show; say no if a table found nothing.

    Raises:
        ConfigurationError: A setting cannot be used.
    """
    config = read_rooted(namespace)
    root = choose_root(config).root
    folder = find_run(root, namespace.run)
    if not config.map or folder is None:
        print(f"tradespan: {_explain(config, root, namespace.run)}", file=sys.stderr)
        return FAILED
    tables = look(config, folder)
    if namespace.json:
        for table in tables:
            print(msgspec.json.encode(to_json(table), enc_hook=str).decode())
    else:
        show(tables, folder)
    return OK if all(table.calls for table in tables) else FAILED


def find_run(root: Path, name: str | None) -> RunFolder | None:
    """The folder of the run that is meant."""
    found = [each for each in run_folders(root) if name is None or each.path.name.endswith(name)]
    return found[-1] if found else None


def _explain(config: Config, root: Path, name: str | None) -> str:
    if not config.map:
        return f"there are no [[map]] tables in {config.file or 'the settings: there is no file'}"
    if name is not None:
        return explain_run(root, name)
    return f"there is no run below {root}: run `tradespan run …` first, or name a root with --root"


# ── what a run tells ────────────────────────────────────────────────────────────────────────────


def look(config: Config, folder: RunFolder) -> list[FoundTable]:
    """Compare the tables with the pages of a run."""
    readings = read_metric_pages(folder.metric_pages)
    calls = count(readings, declared.TRADESPAN_MAP_CALLS.name, _FUNCTION, _SIGNAL)
    labels = (_FUNCTION, _SIGNAL, _FIELD, _PROBLEM)
    missing = count(readings, declared.TRADESPAN_MAP_MISSING.name, *labels)
    fed = {each.series.name for reading in readings for each in reading.numbers if each.has_value}
    fed |= {each.series.name for reading in readings for each in reading.histograms}
    known = {each.series.name for reading in readings for each in reading.functions}
    began = min((each.page.created for each in readings if each.page is not None), default=0)
    examples = _Examples(config.store_path, began)
    tables = []
    for rule in config.map:
        table = FoundTable(rule)
        for (name, signal), number in sorted(calls.items()):
            if not is_named(rule, name):
                continue
            differs = any(each.when and is_named(each, name) for each in config.map)
            if differs and signal != rule.signal:
                continue  # those calls are another table's
            table.functions[name] = table.functions.get(name, 0) + number
            if signal != rule.signal:
                table.others[name] = signal
        if table.calls:
            _fill(table, missing, fed, examples)
        else:
            table.near = near(rule.function, {*known, *(name for name, _ in calls)})
        tables.append(table)
    return tables


def is_named(rule: MapRule, function: str) -> bool:
    """Whether a table names a function."""
    # A script's functions go by `__main__` as well.
    return names_match(rule.function, (function, f"__main__.{function.partition('.')[2]}"))


def count(readings: Iterable[MetricReading], name: str, *labels: str) -> Counter[tuple[str, ...]]:
    """A counter of the run, summed over its processes, by some of its labels."""
    found: Counter[tuple[str, ...]] = Counter()
    for reading in readings:
        for each in reading.numbers:
            if each.series.name == name and each.value:
                held = dict(each.series.labels)
                found[tuple(held.get(label, "") for label in labels)] += int(each.value)
    return found


def _fill(
    table: FoundTable, missing: Counter[tuple[str, ...]], fed: set[str], examples: _Examples
) -> None:
    example = examples.of(table.functions)
    for attribute, source in table.rule.fields.items():
        problems: Counter[str] = Counter()
        for (function, signal, name, problem), number in missing.items():
            if name == attribute and signal == table.signal_of(function):
                problems[problem] += number
        found = max(table.calls - sum(problems.values()), 0)
        told = FoundField(attribute, describe(source), found, dict(problems.most_common()))
        told.example = example.get(attribute) if found else None
        table.fields.append(told)
    feeds = feeds_of(table.rule.signal)
    if feeds is not None and len(table.others) < len(table.functions):
        table.instruments = [each.name for each in feeds.instruments if each.name in fed]
        types = (feeds.started, feeds.event)
        if table.rule.events:
            table.events = [each.name for each in types if each is not None]


class _Examples:
    """Attributes of the run's latest calls, out of the store."""

    def __init__(self, store: Path | None, since: int) -> None:
        """`since`: nanoseconds, UTC."""
        self._since = since
        self._store = store if store is not None and store.exists() else None

    def of(self, functions: Iterable[str]) -> dict[str, Any]:
        """Of each attribute the latest value that is there."""
        found: dict[str, Any] = {}
        if self._store is None:
            return found
        with Store.open(self._store, readonly=True) as store:
            for name in functions:
                wanted = TraceFilter(self._since, name=f"^{re.escape(name)}$", limit=_LOOKED_AT)
                for row in store.traces(wanted).rows:
                    for span in store.trace(row.trace_id):
                        if span.process == name:
                            for key, value in span.attributes.items():
                                found.setdefault(key, value)
        return found


def near(pattern: re.Pattern[str], names: Iterable[str]) -> list[str]:
    """Functions that were called and that the pattern may mean: by its text."""
    import difflib  # optional extra: only for a pattern that matches nothing

    by_text = {re.escape(name): name for name in sorted(names)}
    return [by_text[each] for each in difflib.get_close_matches(pattern.pattern, by_text, 3, 0.7)]


def describe(source: FieldSource) -> str:
    """A field's source as it is written in the settings file."""
    if isinstance(source, Converted):
        words = "" if source.factor is None else f" × {float(source.factor):.15g}"
        words += "".join(f" {word}={meant}" for word, meant in (source.values or {}).items())
        return f"{describe(source.source)}{words}"
    if isinstance(source, FromArguments):
        return ".".join(("args", source.parameter, *source.steps))
    if isinstance(source, FromResult):
        return ".".join(("result", *source.steps))
    if isinstance(source, FromSelf):
        return ".".join(("self", *source.steps))
    return f"={source.value}"


def describe_conditions(rule: MapRule) -> str:
    """What a call has to meet: `args.message.kind is fill or partial`."""
    said = [f"{describe(each.source)} is {' or '.join(each.words)}" for each in rule.when]
    return ", and ".join(said)


# ── for people ──────────────────────────────────────────────────────────────────────────────────


def show(tables: Sequence[FoundTable], folder: RunFolder) -> None:
    """A table a table."""
    console = make_console()
    print_line(console, Text(f"Run {folder.path.name}", style="dim"))
    for table in tables:
        print_line(console, "")
        style = "bold" if table.calls else "bold red"
        heading = f"{table.rule.signal}  {table.rule.function.pattern}"
        print_line(console, Text(plain(heading), style=style), f"  ({table.rule.origin})")
        for sentence in say(table):
            print_line(console, f"  {plain(sentence)}")
        if table.fields:
            print_columns(console, columns(table))
    idle = sum(not table.calls for table in tables)
    if idle:
        print_line(console, "")
        told = f"{idle:,} of {format_count(len(tables), 'table')} found no call"
        print_line(console, Text(told, style="bold red"))


def say(table: FoundTable) -> Iterator[str]:
    """What is to be said of a table beside its fields."""
    if table.rule.when:
        yield f"when {describe_conditions(table.rule)}"
    for name, calls in table.functions.items():
        yield f"{format_count(calls, 'call')} of {name}"
    if not table.calls:
        meant = "; a table selects none: name the function by -i, include or [[instrument]] as well"
        if table.near:
            meant = f"; called were: {', '.join(table.near)}"
        yield f"no call of a watched function{meant}"
        return
    for name, signal in table.others.items():
        yield f"{name} is {signal} by an earlier table: this one gives fields only"
    if table.instruments:
        yield f"feeds {', '.join(table.instruments)}"
    if table.events:
        yield f"publishes {', '.join(table.events)}"
    if not table.instruments and not table.events and not table.others:
        yield "feeds nothing: no set and no event knows this signal"


def columns(table: FoundTable) -> list[Column]:
    """A line a field."""
    rows = table.fields
    bad = ["" if each.found else "bold red" for each in rows]
    found = [Text(f"{each.found:,}", style=style) for each, style in zip(rows, bad, strict=True)]
    return [
        Column("  Field", [Text(plain(f"  {each.attribute}")) for each in rows]),
        Column("From", [Text(plain(each.source)) for each in rows], flexible=True),
        Column("Found", found, right=True),
        Column("Example", [Text(plain(_shorten(each.example))) for each in rows], flexible=True),
        Column("Missing", [Text(plain(_say_missing(each))) for each in rows], flexible=True),
    ]


def _shorten(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _say_missing(each: FoundField) -> str:
    return "; ".join(f"{number:,}: {problem}" for problem, number in each.missing.items())


# ── for programs ────────────────────────────────────────────────────────────────────────────────


def to_json(table: FoundTable) -> dict[str, Any]:
    """As plain values."""
    return {
        "function": table.rule.function.pattern,
        "signal": table.rule.signal,
        "when": describe_conditions(table.rule),
        "origin": table.rule.origin,
        "calls": table.calls,
        "functions": table.functions,
        "fields": [
            {
                "attribute": each.attribute,
                "source": each.source,
                "found": each.found,
                "missing": each.missing,
                "example": each.example,
            }
            for each in table.fields
        ],
        "instruments": table.instruments,
        "events": table.events,
        "signals_of_others": table.others,
        "near": table.near,
    }
