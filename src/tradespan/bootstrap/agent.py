"""The agent's process: forwards for one or more roots, serves the UI."""

from __future__ import annotations

import os
import resource
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tradespan.bootstrap.folders import destinations
from tradespan.bootstrap.forwarder import build_agent
from tradespan.bootstrap.notify import ServiceManager
from tradespan.bootstrap.places import Place
from tradespan.bootstrap.receivers import STORE
from tradespan.bootstrap.ui import UiOnDemand
from tradespan.config import Config, override_config
from tradespan.config.entries import Layer
from tradespan.core.guard import guarded
from tradespan.forward.agent import Agent
from tradespan.forward.directions import Directions
from tradespan.forward.post import Destination
from tradespan.spool.folder import LOG_FILE, RootLock, private_folder

NICE = 10
OOM_SCORE = 500
"""The kernel ends the agent before the bot: what it holds is on disk."""
_LOOK_AROUND = 1.0
"""Seconds between two looks whether an attached agent is still needed."""
_STANDSTILL = 2
"""Such looks without anything delivered, after which an agent that nobody needs leaves."""
_HANGUP = (
    b"tradespan: SIGHUP: settings are read at the start only; restart the agent for new ones\n"
)


def make_modest() -> None:
    """Stand back behind the bot, for processor and memory."""
    with guarded("nice"):
        os.nice(NICE)
    with guarded("scheduling"):
        # What waits does not take the bot's place when it wakes up: seen were 4 ms, a time slice.
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    with guarded("oom_score_adj"):
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE))


def open_many_files() -> None:
    """As many files as we may: each run that lives keeps some open for each destination."""
    with guarded("open files"):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Occupied(Exception):
    """Another agent serves a root."""

    def __init__(self, place: Place) -> None:
        holder = place.holder()
        who = "another process forwards" if holder is None else holder.describe()
        super().__init__(f"{place.root}: {who}")


def take_locks(places: list[Place], inherited: int | None = None) -> list[RootLock]:
    """The locks of all roots, or of none.

    `inherited`: a descriptor that holds the first root's lock already.

    Raises:
        Occupied: Another agent has one of them.
        SpoolUnavailable: A root cannot be used.
    """
    locks: list[RootLock] = []
    for place in places:
        lock = RootLock(private_folder(place.root))
        if inherited is not None and not locks:
            lock.adopt(inherited)
        if not lock.try_acquire():
            for taken in locks:
                taken.release()
            raise Occupied(place)
        locks.append(lock)
    return locks


def serve(
    config: Config,
    places: list[Place],
    *,
    attached: bool = False,
    parent: int | None = None,
    inherited: int | None = None,
    manager: ServiceManager | None = None,
) -> None:
    """Forward until SIGTERM or SIGINT; attached to a supervisor, until its work is done, too.

    Args:
        config: The settings; each root has its own store, unless they name one.
        places: One for each root.
        attached: Somebody started us for the sake of a bot.
        parent: Who started us, which may be gone by now; -1: nobody, leave as soon as no run is
            left; None: whoever is our parent.
        inherited: A descriptor that holds the lock of the first root.
        manager: Told when we are ready, and when we end.

    Raises:
        Occupied: Another agent serves one of the roots; nothing was begun then.
        SpoolUnavailable: A root cannot be used.
    """
    if parent is None:
        parent = os.getppid()
    locks = take_locks(places, inherited)
    open_many_files()
    if attached:
        make_modest()
    manager = manager or ServiceManager(None)
    agents = [build_place_agent(config, place) for place in places]
    _end_on_signals(agents, manager)
    for agent in agents:
        agent.step()
    ui = UiOnDemand(config, agents[0])
    threads = [threading.Thread(target=agent.run, daemon=True) for agent in agents[1:]]
    for thread in threads:
        thread.start()
    if attached:
        watch = threading.Thread(target=_leave_when_done, args=(agents, parent), daemon=True)
        watch.start()
    manager.tell(f"READY=1\nSTATUS=forwarding for {len(agents)} root(s)")
    agents[0].run()
    for thread in threads:
        thread.join(timeout=1.0)
    ui.stop()
    for lock in locks:
        lock.release()


def build_place_agent(config: Config, place: Place) -> Agent:
    """The agent of one root, or of one run below it."""
    config = override_config(config, {"root": place.root}, "agent")
    agent = build_agent(config, place.only)
    agent.directions = read_directions(config)
    return agent


def read_directions(config: Config) -> Directions | None:
    """What the command line says of all runs: receivers are added to theirs, a store replaces it.

    None if it says nothing; what other sources say is for runs that name no destinations.
    """
    endpoint, store = (
        config.values[key].layer is Layer.ARGUMENT and config.origin(key) != "agent"
        for key in ("otlp.endpoint", "store.path")
    )
    if not endpoint and not store:
        return None
    # The log file's name is the service's, which the agent's own settings do not know.
    given = (Destination(*each) for each in destinations(config))
    added = [each for each in given if each.kind != LOG_FILE]
    added = [each for each in added if (store if each.kind == STORE else endpoint)]
    return Directions(added, frozenset([STORE] if store else []))


def waiting_records(agents: list[Agent]) -> int:
    """Records that wait for a destination that is open."""
    return sum(
        sink.on_disk
        for agent in agents
        for folder in agent.open_folders()
        if folder.segments()
        for sink in agent.books(folder).sinks.values()
    )


def _end_on_signals(agents: list[Agent], manager: ServiceManager) -> None:
    def end(number: int, frame: object) -> None:
        for agent in agents:
            agent.stop.set()
        manager.tell("STOPPING=1")

    def hang_up(number: int, frame: object) -> None:
        # Not by a logger: the signal may have come in the middle of a line of its own.
        with suppress(OSError):
            os.write(2, _HANGUP)

    handlers: dict[signal.Signals, Callable[[int, object], None]] = {
        signal.SIGTERM: end,
        signal.SIGINT: end,
        signal.SIGHUP: hang_up,
    }
    for number, handler in handlers.items():
        signal.signal(number, handler)
    # Whoever started us may have had them blocked.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, handlers)


def _leave_when_done(agents: list[Agent], parent: int) -> None:
    """Nobody waits for us any more: go on as long as a bot lives, then deliver and leave."""
    before, still = -1, 0
    while not agents[0].stop.wait(_LOOK_AROUND):
        with guarded("end of an attached agent"):
            if os.getppid() == parent:
                continue
            if any(agent.has_live_run() for agent in agents):
                still = 0
                continue
            waiting = waiting_records(agents)
            still = still + 1 if waiting in (before, 0) else 0
            before = waiting
            if still >= _STANDSTILL:
                for agent in agents:
                    agent.stop.set()
