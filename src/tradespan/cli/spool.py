"""`tradespan spool`: what lies on disk, whether it is whole, and what to do about the rest."""

from __future__ import annotations

import argparse
from pathlib import Path
from types import ModuleType
from typing import Any

from tradespan.bootstrap.folders import check_root, choose_root
from tradespan.bootstrap.places import find_place
from tradespan.cli import spool_list, spool_purge, spool_resend, spool_status, spool_verify
from tradespan.cli.exits import USAGE
from tradespan.config import load_config

ACTIONS: dict[str, ModuleType] = {
    "status": spool_status,
    "list": spool_list,
    "verify": spool_verify,
    "resend": spool_resend,
    "purge": spool_purge,
}


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "spool",
        help="show, check, send again or delete what lies on disk",
        description="What programs recorded lies in segments below a root until each destination"
        " has taken it. These commands look at it, and act on what a destination refused.",
        epilog="tradespan spool ACTION --help says more about each.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="actions")
    for name, module in ACTIONS.items():
        action = actions.add_parser(name, help=module.SUMMARY, description=module.DESCRIPTION)
        action.add_argument(
            "directory",
            nargs="?",
            metavar="DIR",
            help="a root, or one run's folder (default: the settings' root)",
        )
        module.add_options(action)
        action.add_argument("--json", action="store_true", help="as JSON, with all fields")
        action.add_argument("--config", metavar="FILE", help="settings file")
    parser.set_defaults(show_help=parser.print_help)


def run(namespace: argparse.Namespace) -> int:
    """Do what was asked.

    Raises:
        SpoolUnavailable: DIR is neither a root nor a run's folder.
        ConfigurationError: A setting cannot be used.
    """
    if namespace.action is None:
        namespace.show_help()
        return USAGE
    named = None if namespace.directory is None else find_place(Path(namespace.directory))
    given = {} if named is None else {"root": named.root}
    config = choose_root(load_config(given, config_file=namespace.config, command_line=True))
    check_root(config)
    place = named or find_place(config.root)
    status: int = ACTIONS[namespace.action].run(namespace, config, place)
    return status
