"""The agent's process: forwards for one or more roots, serves the UI."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

from tradespan.bootstrap.forwarder import build_agent
from tradespan.bootstrap.ui import UiOnDemand
from tradespan.config import Config, override_config
from tradespan.core.guard import guarded, logger
from tradespan.forward.agent import Agent
from tradespan.spool.folder import RootLock, private_folder

NICE = 10
OOM_SCORE = 500
"""The kernel ends the agent before the bot: what it holds is on disk."""


def make_modest() -> None:
    """Stand back behind the bot, for processor and memory."""
    with guarded("nice"):
        os.nice(NICE)
    with guarded("scheduling"):
        # What waits does not take the bot's place when it wakes up: seen were 4 ms, a time slice.
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    with guarded("oom_score_adj"):
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE))


def serve(config: Config, roots: list[Path], *, attached: bool) -> bool:
    """Forward until SIGTERM or SIGINT; attached to a supervisor, until its work is done, too.

    Returns:
        False if another agent serves one of the roots: nothing was begun then.

    Raises:
        SpoolUnavailable: A root cannot be used.
    """
    locks = [RootLock(private_folder(root)) for root in roots]
    if not all(lock.try_acquire() for lock in locks):
        return False
    if attached:
        make_modest()
    agents = [build_agent(override_config(config, {"root": root}, "agent")) for root in roots]
    _end_on_signals(agents)
    ui = UiOnDemand(config, agents[0])
    threads = [threading.Thread(target=agent.run) for agent in agents[1:]]
    for thread in threads:
        thread.start()
    if attached:
        threading.Thread(target=_leave_when_done, args=(agents,), daemon=True).start()
    agents[0].run()
    for thread in threads:
        thread.join()
    ui.stop()
    return True


def deliver_once(config: Config, roots: list[Path]) -> bool:
    """Deliver what is there and stop. Returns whether all of it went, to all destinations."""
    done = True
    for root in roots:
        lock = RootLock(private_folder(root))
        if not lock.try_acquire():
            logger.warning("%s: process %s forwards already", root, lock.holder())
            done = False
            continue
        agent = build_agent(override_config(config, {"root": root}, "agent"))
        try:
            done = _drain(agent, config.drain) and done
        finally:
            agent.close()
            lock.release()
    return done


def _drain(agent: Agent, seconds: float) -> bool:
    """Step until nothing is left, or nothing has moved for a while."""
    moved = time.monotonic()
    before = -1
    while True:
        agent.step()
        agent.wake()
        folders = [folder for folder in agent.open_folders() if folder.segments()]
        waiting = sum(
            sink.on_disk for folder in folders for sink in agent.books(folder).sinks.values()
        )
        # What could not be opened has no line in the books.
        closed = any(len(agent.couriers(f)) < len(agent.wanted(f)) for f in folders)
        if waiting == 0 and not closed:
            agent.step()
            return True
        if waiting != before:
            before, moved = waiting, time.monotonic()
        failing = closed or any(
            courier.state.failing_since is not None
            for folder in folders
            for courier in agent.couriers(folder).values()
        )
        if time.monotonic() - moved > (1.0 if failing else seconds):
            return False
        agent.stop.wait(0.02)


def _end_on_signals(agents: list[Agent]) -> None:
    def end(number: int, frame: object) -> None:
        for agent in agents:
            agent.stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)


def _leave_when_done(agents: list[Agent]) -> None:
    """The supervisor was killed: go on as long as a bot lives, then deliver and leave."""
    parent = os.getppid()
    while not agents[0].stop.wait(1.0):
        if os.getppid() != parent and not any(agent.has_live_run() for agent in agents):
            agents[0].stop.wait(2.0)
            for agent in agents:
                agent.stop.set()
