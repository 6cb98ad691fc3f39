"""The command line. One file a command: `add_parser(subparsers)` and `run(namespace) -> int`.

Only the chosen command's file is imported: `tradespan run` stays small.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

from tradespan.cli.exits import INTERRUPTED, OK, USAGE
from tradespan.core.errors import TradespanError

COMMANDS = {
    "run": "run a program and record what it does",
    "targets": "show which functions patterns would watch",
    "traces": "list recorded traces",
    "trace": "show one trace as a tree",
    "map": "show what the [[map]] tables found in a run",
    "logs": "show what programs logged",
    "functions": "count calls, errors and durations by function",
    "orders": "list open orders, and show what became of one",
    "audit": "show what was done to safety, configuration and orders",
    "deaths": "list processes that died, and what they were doing",
    "ui": "look at recorded traces in a browser",
    "agent": "forward what programs recorded, as a service",
    "spool": "show, check, send again or delete what lies on disk",
    "conventions": "list names, check your own declarations, find telemetry that deviates",
    "demo": "run a small trading system and look at it",
    "doctor": "print the settings in force and test each hop",
}


class _Parser(argparse.ArgumentParser):
    """Argparse's own, told the width: finding it out imports 1 MB of `shutil`."""

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("formatter_class", _make_formatter)
        super().__init__(**settings)


def _make_formatter(prog: str) -> argparse.HelpFormatter:
    try:
        width = min(os.get_terminal_size().columns, 100)
    except OSError:
        width = 80
    return argparse.HelpFormatter(prog, width=width)


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    arguments = sys.argv[1:] if argv is None else argv
    parser = _Parser(
        prog="tradespan",
        description="OpenTelemetry for trading systems.",
        epilog="tradespan COMMAND --help says more about each.",
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    chosen = next((word for word in arguments if not word.startswith("-")), "")
    if chosen and chosen not in COMMANDS:
        print(f"tradespan: there is no command {chosen}{_hint_command(chosen)}", file=sys.stderr)
        return USAGE
    subparsers = parser.add_subparsers(
        dest="command",
        metavar="COMMAND",
        prog="tradespan",
        title="commands",
        parser_class=_Parser,
    )
    command = import_module(f"tradespan.cli.{chosen}") if chosen in COMMANDS else None
    for name, summary in COMMANDS.items():
        if command is not None and name == chosen:
            command.add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=summary)
    try:
        return _run(parser, command, chosen, arguments)
    except TradespanError as error:
        print(f"tradespan: {error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # `tradespan traces | head`: the reader has seen enough.
        sys.stderr.close()
        return OK


def _hint_command(word: str) -> str:
    """What may have been meant by a word that is no command."""
    if word.endswith(".py"):
        return f"; did you mean tradespan run {word}?"
    near = import_module("tradespan.config.entries").find_near(word, COMMANDS)
    return f"; did you mean {near}?" if near else " (tradespan --help lists them)"


def _run(
    parser: argparse.ArgumentParser, command: ModuleType | None, chosen: str, arguments: list[str]
) -> int:
    if chosen == "run":
        return _dispatch_run(parser, arguments)
    namespace, unknown = parser.parse_known_args(arguments)
    if unknown:
        wrong = unknown[0]
        said = f"there is no option {wrong}" if wrong.startswith("-") else f"{wrong} is too much"
        help_ = f"tradespan {chosen} --help" if chosen else "tradespan --help"
        print(f"{help_.removesuffix(' --help')}: {said} ({help_} says more)", file=sys.stderr)
        return USAGE
    if namespace.version:
        return _print_version()
    if command is None:
        parser.print_help()
        return USAGE
    status: int = command.run(namespace)
    return status


def _dispatch_run(parser: argparse.ArgumentParser, arguments: list[str]) -> int:
    command = import_module("tradespan.cli.run")
    place = arguments.index("run") + 1
    options, target = command.split_target(arguments[place:])
    namespace, unknown = parser.parse_known_args([*arguments[:place], *options])
    if unknown:
        print(
            f"tradespan run: there is no option {unknown[0]}; what is for the program stands"
            " behind its name (tradespan run --help lists the options)",
            file=sys.stderr,
        )
        return USAGE
    namespace.target = target
    status: int = command.run(namespace)
    return status


def _print_version() -> int:
    print(import_module("tradespan.core.version").__version__)
    return 0
