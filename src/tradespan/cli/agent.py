"""`tradespan agent`: forward what programs recorded, as a service or once."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

from tradespan.bootstrap.addressees import name_agents_sink
from tradespan.bootstrap.agent import Occupied, serve
from tradespan.bootstrap.notify import take_manager
from tradespan.bootstrap.once import Delivery, deliver_once
from tradespan.bootstrap.places import Place, find_place
from tradespan.cli.arguments import add_endpoint, one_or_many
from tradespan.cli.exits import FAILED, OK, USAGE
from tradespan.cli.progress import Progress
from tradespan.cli.render import format_count
from tradespan.config import Config, load_config
from tradespan.core.errors import SpoolUnavailable


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "agent",
        help="forward what programs recorded, as a service",
        description="Watch the roots of any number of programs and deliver what is recorded there,"
        " until SIGTERM. One agent serves a root: on one that another holds it says so and ends"
        " with status 1.",
        epilog="docs/guides/agent.md shows it under systemd and in a container.",
    )
    add = parser.add_argument
    add(
        "directories", nargs="*", metavar="DIR", help="roots, or runs (default: the settings' root)"
    )
    add_endpoint(parser)
    store = parser.add_mutually_exclusive_group()
    store.add_argument("--store", metavar="FILE", help="the embedded store (default: in the root)")
    store.add_argument("--no-store", action="store_true", help="keep no local store")
    add("--once", action="store_true", help="deliver what is there and end; 0 only if all went")
    add("--json", action="store_true", help="with --once: tell as JSON what went")
    add("--drain", metavar="TIME", help="with --once: give up when nothing moved for so long")
    add("--ui", action="store_true", help="serve the UI as well")
    add("--port", metavar="N", help="the UI's port (default: 8420, or the next free one)")
    add("--metrics-port", metavar="N", help="serve /metrics on this port (8000 by custom)")
    add("--config", metavar="FILE", help="settings file")
    add("--attached", action="store_true", help=argparse.SUPPRESS)
    add("--parent", type=int, help=argparse.SUPPRESS)
    add("--orphan", action="store_true", help=argparse.SUPPRESS)
    add("--lock", type=int, help=argparse.SUPPRESS)


def run(namespace: argparse.Namespace) -> int:
    """Serve until a signal, or deliver once.

    Raises:
        SpoolUnavailable: A DIR is neither a root nor a run's folder.
        ConfigurationError: A setting cannot be used.
    """
    if not namespace.once and (namespace.json or namespace.drain is not None):
        option = "--json" if namespace.json else "--drain"
        print(f"tradespan agent: {option} goes with --once", file=sys.stderr)
        return USAGE
    if namespace.orphan and os.fork():
        # Whoever started us waits for this process, and knows nothing of the one that stays.
        os._exit(OK)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr
    )
    places = [_to_place(Path(each), namespace) for each in namespace.directories]
    config = _read_config(namespace, places)
    places = join_places(places) or [Place(config.root)]
    if namespace.once:
        return _deliver(namespace, config, places)
    if not namespace.attached:
        _say(places)
    try:
        serve(
            config,
            places,
            attached=namespace.attached,
            parent=-1 if namespace.orphan else namespace.parent,
            inherited=namespace.lock,
            manager=take_manager(os.environ),
        )
    except Occupied as error:
        if namespace.attached:
            return OK
        print(f"tradespan: {error}; one agent serves a root", file=sys.stderr)
        return FAILED
    return OK


def _say(places: list[Place]) -> None:
    """Which roots: who mistyped one sees it."""
    for place in places:
        new = "" if place.root.exists() else ", where nothing has been recorded yet"
        logging.getLogger("tradespan").info("forwarding what is recorded in %s%s", place.root, new)


def _to_place(folder: Path, namespace: argparse.Namespace) -> Place:
    """The root that a folder is, or for a service is going to be."""
    if namespace.attached:
        return Place(folder.absolute())
    try:
        return find_place(folder)
    except SpoolUnavailable:
        is_empty = folder.is_dir() and not any(folder.iterdir())
        if namespace.once or not (is_empty or not folder.exists()):
            raise
        return Place(folder.absolute())


def join_places(places: list[Place]) -> list[Place]:
    """Each root once: named by several of its runs, it is served whole."""
    roots: dict[Path, Place] = {}
    for place in places:
        known = roots.setdefault(place.root, place)
        same = known.only and place.only and known.only.path == place.only.path
        if known is not place and not same:
            roots[place.root] = Place(place.root)
    return list(roots.values())


def _read_config(namespace: argparse.Namespace, places: list[Place]) -> Config:
    given: dict[str, Any] = {
        name: value
        for name in ("store", "drain", "port", "metrics_port")
        if (value := getattr(namespace, name)) is not None
    }
    if namespace.endpoint:
        given["endpoint"] = one_or_many(namespace.endpoint)
    if namespace.no_store:
        given["store"] = None
    if namespace.ui:
        given["ui"] = "on"
    if len(places) == 1 and not namespace.attached:
        given["root"] = places[0].root
    return load_config(given, config_file=namespace.config, command_line=True)


def _deliver(namespace: argparse.Namespace, config: Config, places: list[Place]) -> int:
    deliveries = []
    for place in places:
        progress: list[Progress] = []

        def show(waiting: int, bars: list[Progress] = progress) -> None:
            if not bars:
                bars.append(Progress("delivering", waiting, unit="records"))
            bars[0].remain(waiting)

        try:
            deliveries.append(deliver_once(config, place, show))
        finally:
            for bar in progress:
                bar.close()
    if namespace.json:
        print(json.dumps([_to_json(each) for each in deliveries], indent=2))
    else:
        for delivery in deliveries:
            for sentence in tell(delivery):
                print(f"tradespan: {sentence}", file=sys.stderr)
    return OK if all(each.good for each in deliveries) else FAILED


def tell(delivery: Delivery) -> list[str]:
    """A sentence for each destination: what went, what stays, and why."""
    if delivery.problem:
        return [f"{delivery.problem}; nothing was done"]
    sentences = []
    for line in delivery.lines:
        name = name_agents_sink(line.name, line.address) if line.address else line.name
        parts = [f"{format_count(line.accepted, 'record')} delivered to {name}"]
        if line.parked:
            parts.append(
                f"{line.parked:,} refused for good, kept as dead letters"
                f" (tradespan spool resend {delivery.place.root})"
            )
        if line.waiting:
            parts.append(f"{line.waiting:,} stay")
        if line.reason:
            parts.append(line.reason)
        sentences.append("; ".join(parts))
    return sentences or ["nothing waits"]


def _to_json(delivery: Delivery) -> dict[str, Any]:
    return {
        "root": str(delivery.place.root),
        "good": delivery.good,
        "problem": delivery.problem,
        "destinations": [
            {
                "name": line.name,
                "address": line.address,
                "accepted": line.accepted,
                "parked": line.parked,
                "waiting": line.waiting,
                "unaccounted": line.unaccounted,
                "reason": line.reason,
            }
            for line in delivery.lines
        ],
    }
