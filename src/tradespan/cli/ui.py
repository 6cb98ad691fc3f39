"""`tradespan ui`: look at a store in a browser."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from tradespan.bootstrap.folders import check_root
from tradespan.bootstrap.ui import UiUnavailable, build_server
from tradespan.cli.exits import FAILED, OK
from tradespan.config import load_config
from tradespan.store.store import Store


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "ui",
        help="look at recorded traces in a browser",
        description="Serve the UI over a store, on loopback; the printed link opens it.",
    )
    add = parser.add_argument
    add("--store", metavar="FILE", help="the store (default: the root's)")
    add("--root", metavar="DIR", help="the root whose store to show")
    add("--port", metavar="N", help="port (default: 8420, or the next free one)")
    add("--config", metavar="FILE", help="settings file")


def run(namespace: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    names = ("store", "root", "port")
    given = {name: getattr(namespace, name) for name in names}
    config = load_config(
        {name: value for name, value in given.items() if value is not None},
        config_file=namespace.config,
        command_line=True,
    )
    store = config.store_path
    if store is None or not store.exists():
        check_root(config)
        print(
            f"tradespan: no store at {store}: run `tradespan run …` first,"
            " or name one with --store",
            file=sys.stderr,
        )
        return FAILED
    Store.open(store, readonly=True).close()  # the server itself opens it when it is first asked
    root = Path(store).absolute().parent if namespace.store else config.root
    try:
        server, link = build_server(root, store, config.ui.port)
    except UiUnavailable as error:
        print(f"tradespan: {error}", file=sys.stderr)
        return FAILED
    server.run(on_ready=lambda: print(f"UI at {link} (Ctrl-C ends it)", flush=True))
    return OK
