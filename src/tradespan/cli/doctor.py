"""`tradespan doctor`: the settings in force, and whether each hop works."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tradespan.bootstrap.diagnosis import Finding, diagnose
from tradespan.cli.arguments import add_endpoint, one_or_many
from tradespan.cli.exits import FAILED, OK
from tradespan.config import Config, Explanation, load_config


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "doctor",
        help="print the settings in force and test each hop",
        description="Print each setting with its origin, and test spool, agent, store and receiver."
        " Exit status 1 if something is wrong or the books do not balance.",
    )
    add = parser.add_argument
    add("--json", action="store_true", help="as JSON")
    add("--all", action="store_true", help="settings at their defaults as well")
    add("--root", metavar="DIR", help="the root to look at")
    add("--spool", metavar="DIR", help="one run's folder to look at")
    add_endpoint(parser, "the OTLP receiver to test")
    add("--config", metavar="FILE", help="settings file")


def run(namespace: argparse.Namespace) -> int:
    """Print; say no if something is wrong."""
    given = {"root": namespace.root, "spool": namespace.spool}
    given["endpoint"] = one_or_many(namespace.endpoint)
    config = load_config(
        {name: value for name, value in given.items() if value is not None},
        config_file=namespace.config,
        command_line=True,
    )
    findings = diagnose(config)
    rows = [row for row in config.explain() if namespace.all or row.origin != "default"]
    if namespace.json:
        json.dump(_as_json(config, findings), sys.stdout, indent=2)
        print()
    else:
        _print(rows, findings, config)
    return OK if all(finding.good for finding in findings) else FAILED


def _as_json(config: Config, findings: list[Finding]) -> dict[str, Any]:
    return {
        "settings": [
            {"key": row.key, "value": row.value, "origin": row.origin} for row in config.explain()
        ],
        "warnings": list(config.warnings),
        "hops": [
            {"hop": each.hop, "good": each.good, "says": each.says, **each.facts}
            for each in findings
        ],
    }


def _print(rows: list[Explanation], findings: list[Finding], config: Config) -> None:
    console = Console()
    settings = Table("Setting", "Value", "Origin", box=None, header_style="bold", pad_edge=False)
    for row in rows:
        settings.add_row(*map(escape, (row.key, row.value, row.origin)))
    if rows:
        console.print(settings)
    else:
        console.print("All settings are at their defaults (--all shows them).")
    for sentence in config.warnings:
        console.print(f"[yellow]![/] {escape(sentence)}", highlight=False)
    console.print()
    for mark, hop, says in _lines(findings):
        console.print(f"{mark} [bold]{hop}[/]  {escape(says)}", highlight=False, soft_wrap=True)


def _lines(findings: list[Finding]) -> Iterator[tuple[str, str, str]]:
    for finding in findings:
        yield ("[green]✓[/]" if finding.good else "[red]✗[/]"), finding.hop, finding.says
