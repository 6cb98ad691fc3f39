"""`tradespan conventions check`: whether your own declarations are sound."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import msgspec

from tradespan.cli.exits import FAILED, OK, USAGE
from tradespan.cli.render import format_count, plain
from tradespan.config import load_config
from tradespan.conventions.additions import FOLDER, find_files, read_additions
from tradespan.conventions.registry import Registry
from tradespan.conventions.tables import Problem

SUMMARY = "check your own declarations"
DESCRIPTION = (
    "Read declarations of your own, and say what is wrong in them, by file and line: unknown keys,"
    " names that are taken or abbreviated, ids as labels, units that are none by UCUM, buckets that"
    " do not rise. Exit status 1 if anything is."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    parser.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        type=Path,
        help=f"YAML files (default: the setting `conventions`, or {FOLDER}/*.yaml)",
    )


def run(namespace: argparse.Namespace) -> int:
    """Check; say no if something is wrong."""
    config = load_config({}, config_file=namespace.config, command_line=True)
    files = namespace.files or find_files(config.conventions, config.file)
    if not files:
        print(
            "tradespan conventions check: there is nothing to check: name files, or put them into"
            f" {FOLDER}/ beside the settings file",
            file=sys.stderr,
        )
        return USAGE
    registry, problems = read_additions(files)
    if namespace.json:
        print(msgspec.json.encode(to_json(files, registry, problems)).decode())
    else:
        for problem in problems:
            print(plain(str(problem)))
        print(say_what(files, registry, problems))
    return FAILED if problems else OK


def say_what(files: list[Path], registry: Registry, problems: list[Problem]) -> str:
    """The last line."""
    told = [format_count(count, what) for what, count in counts_of(registry).items() if count]
    verdict = format_count(len(problems), "problem") if problems else "sound"
    found = f"{format_count(len(files), 'file')}, {', '.join(told) or 'nothing declared'}"
    return f"{found}: {verdict}"


def counts_of(registry: Registry) -> dict[str, int]:
    """How much is declared, by what it is."""
    return {
        "attribute": len(registry.attributes),
        "instrument": len(registry.of_type("metric")),
        "event": len(registry.of_type("event")),
        "signal": len(registry.of_type("span")),
    }


def to_json(files: list[Path], registry: Registry, problems: list[Problem]) -> dict[str, Any]:
    """As plain values."""
    return {
        "files": [str(file) for file in files],
        "declared": counts_of(registry),
        "problems": [
            {
                "file": problem.place.file,
                "line": problem.place.line or None,
                "name": problem.path,
                "message": problem.reason,
            }
            for problem in problems
        ],
    }
