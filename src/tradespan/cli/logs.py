"""`tradespan logs`: show what programs logged."""

from __future__ import annotations

import argparse
import sys
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tradespan.cli.arguments import read_limit, read_time
from tradespan.cli.exits import OK, USAGE, tell_nothing
from tradespan.cli.logs_reading import Follower, Line, find_files, read_all
from tradespan.cli.render import local_zone
from tradespan.cli.rooted import read_rooted
from tradespan.config.terminal import wants_colours
from tradespan.signals.logs.levels import LEVELS, level_named
from tradespan.signals.logs.text import format_line

POLL = 0.2
"""Seconds between two looks while following."""
_REMEMBERED = 10_000
_AT_FIRST = 10
"""Lines shown before those that follow, as `tail` does."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "logs",
        help="show what programs logged",
        description="Show log lines and events, oldest first. All filters given must hold.",
    )
    add = parser.add_argument
    add("file", metavar="FILE", nargs="?", help="a JSON-lines file (default: all of the root's)")
    add("-f", "--follow", action="store_true", help="go on with what is logged from now on")
    add("--level", choices=[*LEVELS], default="debug", help="of this severity or above")
    add("--trace", metavar="ID", help="of one trace; the beginning of its id is enough")
    add("--logger", metavar="NAME", help="of a logger and those below it")
    add("--service", metavar="NAME", help="of a service, where several share a root")
    add("--since", metavar="TIME", type=read_time, help="logged at most this long ago: 10m, 2h")
    add("-n", "--lines", metavar="N", type=read_limit, help="only the last so many")
    add("--json", action="store_true", help="the lines as they are in the file")
    add("--root", metavar="DIR", help="the root whose programs' lines to show")
    add("--config", metavar="FILE", help="settings file")


def run(namespace: argparse.Namespace) -> int:
    """Show the lines that match."""
    if namespace.file and not Path(namespace.file).is_file() and not namespace.follow:
        print(f"tradespan: there is no file {namespace.file}", file=sys.stderr)
        return USAGE
    root = None if namespace.file else find_root(namespace)
    since = None
    if namespace.since is not None:
        since = datetime.now(UTC) - timedelta(seconds=namespace.since)
    matches = build_filter(namespace, since)

    def find() -> list[Path]:
        return [Path(namespace.file)] if root is None else find_files(root)

    # A file is a service's; where there are several, whose a line is has to be said.
    several = namespace.service is None and len(find()) > 1
    show = show_json if namespace.json else build_printer(service=several)

    # First of all: what is appended while the rest is read must not be missed.
    follower = Follower(find) if namespace.follow else None
    lines: Iterable[Line] = (line for line in read_all(find(), root, since) if matches(line))
    last = namespace.lines or (_AT_FIRST if namespace.follow and since is None else None)
    if last is not None:
        lines = deque(lines, maxlen=last)
    shown = show_all(lines, show)
    if follower is not None:
        if not shown:
            print(f"tradespan: {_say_nothing(namespace, root)}; waiting", file=sys.stderr)
        follow(follower, matches, show, seen=shown, stop=threading.Event())
    elif not shown:
        return tell_nothing(_say_nothing(namespace, root), filtered=_is_filtered(namespace))
    return OK


def _is_filtered(namespace: argparse.Namespace) -> bool:
    filters = (namespace.trace, namespace.logger, namespace.service, namespace.since is not None)
    return any(filters) or namespace.level != "debug"


def _say_nothing(namespace: argparse.Namespace, root: Path | None) -> str:
    """Why no line is shown: nothing is there, or nothing matches."""
    if _is_filtered(namespace):
        return f"{namespace.file or root} has no line that satisfies this"
    if root is None:
        return f"{namespace.file} has no line"
    return f"no program has logged below {root}: name another root with --root, or a file"


def find_root(namespace: argparse.Namespace) -> Path:
    """The root that the options and settings name.

    Raises:
        ConfigurationError: A setting cannot be used.
    """
    return read_rooted(namespace).root


def build_filter(namespace: argparse.Namespace, since: datetime | None) -> Callable[[Line], bool]:
    """What the options ask for."""
    least = LEVELS[namespace.level]
    trace = (namespace.trace or "").lower()
    logger, service = namespace.logger, namespace.service
    begin = "" if since is None else f"{since:%Y-%m-%dT%H:%M:%S.%f}Z"

    def matches(line: Line) -> bool:
        time, _, fields = line
        name = str(fields.get("logger", ""))
        return (
            time >= begin
            and level_named(str(fields.get("level", ""))) >= least
            and str(fields.get("trace_id", "")).startswith(trace)
            and (not service or fields.get("service") == service)
            and (not logger or name == logger or name.startswith(f"{logger}."))
        )

    return matches


def show_all(lines: Iterable[Line], show: Callable[[Line], None]) -> Collection[bytes]:
    """Show lines; returns the last ones."""
    shown: deque[bytes] = deque(maxlen=_REMEMBERED)
    for line in lines:
        show(line)
        shown.append(line[1])
    sys.stdout.flush()
    return shown


def follow(
    follower: Follower,
    matches: Callable[[Line], bool],
    show: Callable[[Line], None],
    *,
    seen: Collection[bytes],
    stop: threading.Event,
) -> None:
    """Show what comes, until `stop` is set or somebody interrupts.

    `seen`: lines that were shown already, of which the first ones to come may be some.
    """
    known = set(seen)
    while True:
        fresh = (line for line in follower.read() if matches(line) and line[1] not in known)
        show_all(fresh, show)
        known = set()
        if stop.wait(POLL):
            return


def show_json(line: Line) -> None:
    """The line as it is."""
    sys.stdout.write(line[1].decode(errors="replace"))


def build_printer(*, service: bool) -> Callable[[Line], None]:
    """Lines for people, with the date before the first of each day.

    `service`: whether they say whose they are.
    """
    colours, zone = wants_colours(sys.stdout), local_zone()
    day = ""

    def show(line: Line) -> None:
        nonlocal day
        try:
            time = datetime.fromisoformat(line[0]).astimezone(zone)
        except ValueError:
            shown = line[0]
        else:
            shown = f"{time:%H:%M:%S}.{time.microsecond // 1000:03d}"
            if f"{time:%Y-%m-%d}" != day:
                day = f"{time:%Y-%m-%d}"
                print(f"-- {day} --")
        print(format_line(line[2], shown, colours=colours, service=service))

    return show
