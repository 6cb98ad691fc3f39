"""`tradespan agent`: forward what programs recorded, as a service or once."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import Any

from tradespan.bootstrap.agent import deliver_once, serve
from tradespan.cli.exits import FAILED, OK
from tradespan.config import Config, load_config
from tradespan.spool.folder import RootLock


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "agent",
        help="forward what programs recorded, as a service",
        description="Watch roots (or single run folders) and deliver what is recorded there.",
    )
    add = parser.add_argument
    add("directories", nargs="*", metavar="DIR", help="roots (default: the settings' root)")
    add("--endpoint", metavar="URL", help="OTLP receiver, such as http://localhost:4318")
    store = parser.add_mutually_exclusive_group()
    store.add_argument("--store", metavar="FILE", help="the embedded store (default: in the root)")
    store.add_argument("--no-store", action="store_true", help="keep no local store")
    add("--once", action="store_true", help="deliver what is there and end; 0 only if all went")
    add("--drain", metavar="TIME", help="with --once: give up when nothing moved for so long")
    add("--ui", action="store_true", help="serve the UI as well")
    add("--port", metavar="N", help="the UI's port")
    add("--config", metavar="FILE", help="settings file")
    add("--attached", action="store_true", help=argparse.SUPPRESS)


def run(namespace: argparse.Namespace) -> int:
    """Serve until a signal, or deliver once."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr
    )
    config = _read_config(namespace)
    roots = [Path(each).absolute() for each in namespace.directories] or [config.root]
    if namespace.once:
        return OK if deliver_once(config, roots) else FAILED
    if serve(config, roots, attached=namespace.attached):
        return OK
    if not namespace.attached:
        for root in roots:
            if (holder := RootLock(root).holder()) is not None:
                print(f"tradespan: process {holder} serves {root} already", file=sys.stderr)
    return OK if namespace.attached else FAILED


def _read_config(namespace: argparse.Namespace) -> Config:
    names = ("endpoint", "store", "drain", "port")
    given = {name: getattr(namespace, name) for name in names}
    given = {name: value for name, value in given.items() if value is not None}
    if namespace.no_store:
        given["store"] = None
    if namespace.ui:
        given["ui"] = "on"
    if len(namespace.directories) == 1 and not namespace.attached:
        given["root"] = namespace.directories[0]
    return load_config(given, config_file=namespace.config, command_line=True)
