"""`tradespan agent --once`: deliver what is there, and tell what became of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tradespan.bootstrap.agent import Occupied, build_place_agent, take_locks, waiting_records
from tradespan.bootstrap.couriers import look_at_books, read_cursors
from tradespan.bootstrap.places import Place
from tradespan.config import Config, override_config
from tradespan.core.errors import TradespanError
from tradespan.forward.agent import STATUS, Agent
from tradespan.forward.register import is_outlived
from tradespan.spool.folder import RunFolder, read_json

_STEP = 0.02
_NOT_ANSWERING = 1.0
"""Seconds without anything delivered, after which a destination that takes nothing is left."""
_TIDYING = 2.0
"""Seconds in which delivered segments of runs that are over are deleted, and their books closed."""
OnProgress = Callable[[int], None]
"""Told how many records wait, again and again."""


@dataclass(slots=True)
class Line:
    """One destination."""

    name: str
    address: str = ""
    accepted: int = 0
    """Records that it has taken now."""
    parked: int = 0
    """Records that it has refused for good now."""
    waiting: int = 0
    unaccounted: int = 0
    reason: str = ""
    """Why something waits."""

    @property
    def good(self) -> bool:
        """Whether all of it went."""
        return not (self.parked or self.waiting or self.reason)


@dataclass(slots=True)
class Delivery:
    """What became of one root's records."""

    place: Place
    lines: list[Line] = field(default_factory=list)
    problem: str = ""
    """Why nothing was done."""

    @property
    def good(self) -> bool:
        """Whether all of it went, to all destinations."""
        return not self.problem and all(line.good for line in self.lines)


def deliver_once(
    config: Config, place: Place, on_progress: OnProgress = lambda _: None
) -> Delivery:
    """Deliver what is there and stop."""
    delivery = Delivery(place)
    try:
        (lock,) = take_locks([place])
    except Occupied as error:
        delivery.problem = str(error)
        return delivery
    folders = [folder for folder in place.folders() if folder.segments() or is_outlived(folder)]
    lines: dict[str, Line] = {}
    try:
        _count(lines, folders, -1)
        # Nothing else goes on that would have to wait for it.
        at_once = override_config(config, {"agent_earlier_rate": 0}, "--once")
        agent = build_place_agent(at_once, place)
        try:
            _drain(agent, config.drain, on_progress)
            _explain(lines, agent, folders)
        finally:
            agent.close()
        _count(lines, folders, +1)
    finally:
        lock.release()
    delivery.lines = [line for line in lines.values() if _says_something(line)]
    return delivery


def _says_something(line: Line) -> bool:
    return bool(line.accepted or not line.good)


def _drain(agent: Agent, seconds: float, on_progress: OnProgress) -> None:
    """Step until nothing is left, or nothing has moved for a while."""
    moved = time.monotonic()
    before = -1
    hurried: set[tuple[Path, str]] = set()
    while True:
        agent.step()
        for folder in agent.open_folders():
            for name, courier in agent.couriers(folder).items():
                if (folder.path, name) not in hurried:
                    # What would wait for a verdict is judged by what is known now.
                    hurried.add((folder.path, name))
                    courier.hurry(folder)
        agent.wake()
        folders = [folder for folder in agent.open_folders() if folder.segments()]
        waiting = waiting_records([agent])
        on_progress(waiting)
        # What could not be opened has no line in the books.
        closed = any(len(agent.couriers(f)) < len(agent.wanted(f)) for f in folders)
        if waiting != before:
            before, moved = waiting, time.monotonic()
        if waiting == 0 and not closed:
            # Also those without a segment left: their books are not closed yet.
            over = [folder for folder in agent.open_folders() if not agent.is_live(folder)]
            if not over or time.monotonic() - moved > _TIDYING:
                return
        failing = closed or any(
            courier.state.failing_since is not None
            for folder in folders
            for courier in agent.couriers(folder).values()
        )
        if time.monotonic() - moved > (_NOT_ANSWERING if failing else seconds):
            return
        agent.stop.wait(_STEP)


def _explain(lines: dict[str, Line], agent: Agent, folders: list[RunFolder]) -> None:
    """Addresses, and why something waits: only the agent knows, and only while it lives."""
    told: dict[str, Any] = (read_json(agent.root / STATUS) or {}).get("sinks", {})
    for folder in folders:
        for name, courier in agent.couriers(folder).items():
            line = lines.setdefault(name, Line(name))
            line.address = str(told.get(name, {}).get("address", ""))
            if courier.state.failing_since is not None:
                line.reason = courier.state.last_error
        for destination in agent.wanted(folder):
            reason = agent.status["problems"].get(destination.address)
            if reason is not None:
                name = f"{destination.kind} {destination.address}"
                lines[name] = Line(name, reason=reason, waiting=agent.books(folder).recorded)


def _count(lines: dict[str, Line], folders: list[RunFolder], sign: int) -> None:
    """Add, or take away, what the folders' cursors say by now."""
    for folder in folders:
        try:
            books, cursors = look_at_books(folder) if sign > 0 else (None, read_cursors(folder))
        except TradespanError:  # a store that cannot be read: the agent tells why
            continue
        for name, cursor in cursors.items():
            line = lines.setdefault(name, Line(name))
            line.accepted += sign * cursor.accepted
            line.parked += sign * cursor.parked
            if books is not None:
                line.waiting += books.sinks[name].on_disk
                line.unaccounted += books.sinks[name].unaccounted
