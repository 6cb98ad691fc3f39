"""`tradespan conventions`: what telemetry is called, your own declarations, and what deviates."""

from __future__ import annotations

import argparse
import sys
from types import ModuleType
from typing import Any

from tradespan.cli import conventions_check, conventions_list, conventions_live, conventions_show
from tradespan.cli.exits import USAGE
from tradespan.conventions.tables import NoYaml

ACTIONS: dict[str, ModuleType] = {
    "list": conventions_list,
    "show": conventions_show,
    "check": conventions_check,
    "live": conventions_live,
}


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "conventions",
        help="list names, check your own declarations, find telemetry that deviates",
        description="Attributes, instruments and events have declared names, types, units and"
        " labels. A program may declare its own in the same form: YAML files in the folder"
        " conventions/ beside the settings file, or those that the setting `conventions` names.",
        epilog="tradespan conventions ACTION --help says more about each.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="actions")
    for name, module in ACTIONS.items():
        action = actions.add_parser(name, help=module.SUMMARY, description=module.DESCRIPTION)
        module.add_options(action)
        action.add_argument("--json", action="store_true", help="as JSON, with all fields")
        action.add_argument("--config", metavar="FILE", help="settings file")
    parser.set_defaults(show_help=parser.print_help)


def run(namespace: argparse.Namespace) -> int:
    """Do what was asked.

    Raises:
        ConfigurationError: A setting cannot be used.
        SpoolUnavailable: A folder is neither a root nor a run's.
    """
    if namespace.action is None:
        namespace.show_help()
        return USAGE
    try:
        status: int = ACTIONS[namespace.action].run(namespace)
    except NoYaml as error:
        print(f"tradespan conventions: {error}", file=sys.stderr)
        return USAGE
    return status
