"""What a process's governor has decided, `governor-<writer>.json` of a run's folder."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tradespan.core.process import is_alive
from tradespan.spool.deaths import printable
from tradespan.spool.folder import RunFolder, read_json, replace_json

LEVELS = ("full", "counted", "restored")
MOST_FILES = 32
"""Of processes that are gone, in one folder; above that the oldest go."""
MOST_FUNCTIONS = 200
"""That a file tells of by name."""
_SAID = 10
"""Functions that a sentence names."""
_NUMBERS = ("time", "budget", "overhead", "essential", "peak")
_NAME = re.compile(r"governor-[0-9a-f]{32}\.json")


def write_governed(folder: Path, writer: bytes, told: Mapping[str, Any]) -> None:
    """Replace a process's file; the first time, files of processes long gone make room.

    Raises:
        OSError: It cannot be written.
    """
    path = folder / f"governor-{writer.hex()}.json"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        _make_room(folder)
    replace_json(path, told)


def _make_room(folder: Path) -> None:
    files = _files(RunFolder(folder))
    dead = [(told["time"], path) for path, told in files if not _lives(told)]
    for _, path in sorted(dead)[: max(len(dead) - MOST_FILES + 1, 0)]:
        with suppress(OSError):
            path.unlink()


def read_governed(folder: RunFolder, *, alive: bool = False) -> list[dict[str, Any]]:
    """What the processes of a folder have told, the latest first. What is no such file is left out.

    `alive`: only of those that run.
    """
    told = [each for _, each in _files(folder) if not alive or _lives(each)]
    return sorted(told, key=lambda each: -each["time"])


def percent(share: float) -> str:
    """`2 %`, `14 %`, `0.35 %`."""
    return f"{share * 100:.2g} %" if share < 0.1 else f"{share * 100:,.0f} %"


def say_governed(told: Mapping[str, Any]) -> str:
    """Which functions of a process are watched less, and why, one a line; empty if none is."""
    functions = told["functions"]
    if not functions:
        return ""
    levels = told["levels"]
    parts = [
        f"process {told.get('pid')}: watching cost up to {percent(told['peak'])} of a core, now"
        f" {percent(told['overhead'])} (max_overhead is {percent(told['budget'])}):"
        f" {levels['counted']:,} only counted, {levels['restored']:,} not observed"
    ]
    parts += [_say_function(each) for each in functions[:_SAID]]
    if len(functions) > _SAID:
        parts.append(f"{len(functions) - _SAID:,} more")
    if told["essential"] > told["budget"]:
        share = percent(told["essential"])
        parts.append(f"{share} are of functions that are durable or mapped, and never watched less")
    return "\n    ".join(parts)


def _say_function(told: Mapping[str, Any]) -> str:
    how = "only counted" if told["level"] == "counted" else "not observed"
    since = time.strftime("%H:%M:%S UTC", time.gmtime(min(told["since"], 1e11)))
    return (
        f"{printable(told['name'])} is {how} since {since}: {told['rate']:,.0f} calls a second of"
        f" {told['mean'] / 1e3:,.1f} µs, each span {told['cost'] / 1e3:,.1f} µs,"
        f" {percent(told['share'])} of a core"
    )


def _files(folder: RunFolder) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in [folder.path / name for name in folder.entries() if _NAME.fullmatch(name)]:
        told = read_json(path)
        if told is not None and _is_whole(told):
            yield path, told


def _is_whole(told: Mapping[str, Any]) -> bool:
    """Whether it has what readers take for granted; anybody may have written it."""
    levels, functions = told.get("levels"), told.get("functions")
    return (
        all(_is_number(told.get(key)) for key in _NUMBERS)
        and isinstance(levels, dict)
        and all(_is_number(levels.get(level)) for level in LEVELS)
        and isinstance(functions, list)
        and all(map(_is_function, functions))
    )


def _is_function(told: Any) -> bool:
    return (
        isinstance(told, dict)
        and isinstance(told.get("name"), str)
        and told.get("level") in LEVELS
        and all(_is_number(told.get(key)) for key in ("since", "rate", "mean", "cost", "share"))
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e18


def _lives(told: Mapping[str, Any]) -> bool:
    process, start = told.get("pid"), told.get("start")
    known = isinstance(process, int) and isinstance(start, int)
    return known and is_alive(process, start)  # type: ignore[arg-type]
