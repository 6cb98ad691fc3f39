"""The forwarder in the bot's own process, for those who do not use `tradespan run`.

A daemon thread waits for the root's lock; whoever of several workers gets it forwards for all.

A forked child never forwards by itself: its parent may have SQLite open, which must not be carried
over a fork (https://www.sqlite.org/howtocorrupt.html, 2.6), nor be opened anew beside the parent's
copy. Where nobody else serves the root, it starts an agent in a process of its own, and so does a
parent that ends before its children.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from typing import Any

from tradespan.bootstrap.beside import start_agent
from tradespan.bootstrap.chores import agents_resource, build_chores, build_page_reader
from tradespan.bootstrap.couriers import build_courier, read_books
from tradespan.bootstrap.folders import destinations
from tradespan.bootstrap.scrape import ScrapeOnDemand
from tradespan.config import Config
from tradespan.core.errors import SpoolUnavailable, StoreError
from tradespan.core.forks import after_fork_in_child, has_forked
from tradespan.core.guard import guarded
from tradespan.core.process import has_children
from tradespan.forward.agent import STATUS, Agent, Rhythm
from tradespan.forward.books import Books
from tradespan.forward.courier import Courier
from tradespan.forward.directions import Directions
from tradespan.forward.ending import NOT_ANSWERING, answers
from tradespan.forward.exemplars import Exemplars
from tradespan.forward.limits import SpaceKeeper
from tradespan.forward.ownpoints import OwnPoints
from tradespan.forward.post import Destination
from tradespan.forward.scraping import Scraping
from tradespan.spool.folder import RootLock, RunFolder, read_json
from tradespan.spool.names import is_agents

LOOK_AROUND = 0.08
"""Seconds between two looks at what another process has delivered."""
_FLUSH_PATIENCE = 1.0
"""Seconds that a flush waits for a receiver which does not answer; the program goes on after it."""
_LONGEST_BACK_OFF = 60.0
"""Seconds between two tries to start an agent, where those before ended at once."""
HOLDS_BACK = "holds_back"
"""Key of an agent's status: whether records wait with it for the verdict on their traces."""
_inherited: list[object] = []
"""What a child has of its parent's agent. Never let go: that would close SQLite's files, and take
its locks, in the name of the parent."""


class InProcessForwarder:
    """Runs an agent in a thread, as soon as nobody else serves the root."""

    def __init__(self, config: Config, folder: RunFolder) -> None:
        self._config = config
        self._folder = folder
        self._is_child = False
        """Whether a fork lies between `configure()` and here."""
        self._begin()
        after_fork_in_child(self._after_fork)

    def _begin(self) -> None:
        self._lock = RootLock(self._config.root)
        self._locking = threading.Lock()
        self._stop = threading.Event()
        self._try_now = threading.Event()
        self._agent: Agent | None = None
        work = self._see_to_agent if self._is_child else self._run
        self._thread = threading.Thread(target=work, name="tradespan-agent", daemon=True)

    def _after_fork(self) -> None:
        # The parent's descriptor would hold the lock for as long as the child lives.
        self._lock.abandon()
        _inherited.extend((self._agent, self._thread))
        self._is_child = True
        self._begin()
        self._thread.start()

    def start(self) -> None:
        """Begin to wait for the lock, and to forward."""
        self._thread.start()

    def pause(self) -> bool:
        """End the threads, without waiting for what is not delivered. False: they had ended."""
        ended = self._stop.is_set()
        if not ended:
            self.end(0.0)
        return not ended

    def resume(self) -> None:
        """Begin anew after a pause."""
        self._begin()
        self.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            with guarded("forwarder"):
                if self._try_lock():
                    self._agent = build_agent(self._config, beside=False)
                    if self._stop.is_set():  # by somebody who found no agent to end
                        self._agent.stop.set()
                    self._agent.run()
                    return
            self._try_now.wait(self._config.agent.takeover_interval)
            self._try_now.clear()

    def _try_lock(self) -> bool:
        try:
            with self._locking:
                return self._lock.try_acquire()
        except SpoolUnavailable as error:
            raise OSError(str(error)) from error

    def _other_forwards(self) -> bool:
        with self._locking:
            return not self._lock.held and not self._lock.is_free()

    # ── in a forked child ───────────────────────────────────────────────────────────────────────

    def _see_to_agent(self) -> None:
        """Start an agent whenever nobody serves the root and somebody records."""
        wait = interval = self._config.agent.takeover_interval
        while not self._stop.wait(wait):
            with guarded("starting an agent"):
                started = self._is_recorded() and self._start_agent()
                # One that has ended by the next look, though we live, will do so again.
                wait = min(wait * 2, max(_LONGEST_BACK_OFF, interval)) if started else interval

    def _is_recorded(self) -> bool:
        """Whether a process that lives records in the run's folder: what an agent stays for."""
        return any(page.alive and not is_agents(page.writer) for page in self._folder.pages())

    def _start_agent(self, *, wait: bool = True) -> bool:
        """Start an agent if nobody serves the root. Returns whether one was started."""
        with self._locking:
            if not self._lock.try_acquire():
                return False
            start_agent(self._config, self._lock, wait=wait)
            return True

    def _end_in_child(self) -> bool:
        """What is recorded is on disk: it takes somebody who forwards, and no waiting."""
        self._stop.set()
        with guarded("starting an agent"):
            if self._folder.segments():
                self._start_agent(wait=False)
        return not self._lock.is_free()

    # ── delivery ────────────────────────────────────────────────────────────────────────────────

    def drain(
        self, deadline: float, patience: float = _FLUSH_PATIENCE, *, leaving: int = 0
    ) -> bool:
        """Wait until all that is recorded by now has been delivered.

        Args:
            deadline: Monotonic seconds.
            patience: Seconds that a receiver which does not answer is waited for, whoever forwards.
            leaving: Process id of one that is about to end.

        Returns:
            Whether all of it was; in a forked child, whether somebody forwards.
        """
        if self._is_child:
            with guarded("starting an agent"):
                self._start_agent()
            return not self._lock.is_free()
        began = time.monotonic()
        if self._agent is not None:
            self._agent.read_pages(self._folder, leaving)
        recorded: int | None = None
        hurried = False
        while True:
            answering = True
            # A store that cannot be read is told of by whoever forwards, once.
            with guarded("drain"), suppress(StoreError):
                agent = self._agent
                books = self._books()
                recorded = books.recorded if recorded is None else recorded
                if self._delivered(books, recorded):
                    return True
                if agent is not None:
                    hurried = hurried or _hurry(agent, self._folder)
                    agent.wake()
                    answering = _answering(agent, self._folder)
                elif self._other_forwards():
                    answering = _other_is_answered(self._config, self._folder)
                else:
                    self._try_now.set()
            now = time.monotonic()
            if now >= deadline or (not answering and now - began >= patience):
                return False
            self._stop.wait(LOOK_AROUND if agent is None else LOOK_AROUND / 4)

    def _books(self) -> Books:
        agent = self._agent
        return read_books(self._folder) if agent is None else agent.books(self._folder)

    def _delivered(self, books: Books, recorded: int) -> bool:
        """Whether every destination has taken as many records as there were."""
        sinks = books.sinks.values()
        return len(sinks) == len(destinations(self._config)) and all(
            sink.on_disk == 0 or sink.accepted + sink.parked >= recorded for sink in sinks
        )

    def end(self, timeout: float) -> bool:
        """Deliver what is left, then stop. Returns whether all of it was (see `drain`)."""
        if self._is_child:
            return self._end_in_child()
        delivered = self.drain(time.monotonic() + timeout, NOT_ANSWERING, leaving=os.getpid())
        self._stop.set()
        self._try_now.set()
        if self._agent is not None:
            self._agent.step()
            self._agent.close()
        self._thread.join(timeout=1.0)
        with guarded("handing over to an agent"):
            if self._lock.held and self._is_needed_on():
                start_agent(self._config, self._lock, wait=False)
        self._lock.release()
        return delivered

    def _is_needed_on(self) -> bool:
        """Whether children of ours go on, and may record: they cannot forward."""
        if not has_forked():
            return False
        pages = self._folder.pages()
        return has_children() or any(p.alive and p.process_id != os.getpid() for p in pages)


def _hurry(agent: Agent, folder: RunFolder) -> bool:
    """Who waits before its next try tries once more, at once."""
    couriers = agent.couriers(folder).values()
    for courier in couriers:
        courier.hurry(folder)
    return bool(couriers)


def _answering(agent: Agent, folder: RunFolder) -> bool:
    """Whether all destinations take what they are given, or answer soon."""
    now = time.monotonic()
    closed = {place.address for place in agent.wanted(folder)} & agent.status["problems"].keys()
    return not closed and all(answers(courier, now) for courier in agent.couriers(folder).values())


def _other_is_answered(config: Config, folder: RunFolder) -> bool:
    """The same, of the agent in another process, by what it says of itself."""
    told = read_json(config.root / STATUS) or {}
    if told.get(HOLDS_BACK):  # what waits for its verdict there is not hurried from here
        return False
    failing = {s["address"] for s in told.get("sinks", {}).values() if s.get("failing")}
    failing |= told.get("problems", {}).keys()
    return not failing.intersection(
        address for _, address in folder.description.get("destinations", [])
    )


class DirectedAgent(Agent):
    """An agent that may have been told where runs go, beside what they say themselves."""

    directions: Directions | None = None

    def wanted(self, folder: RunFolder) -> list[Destination]:
        """A folder's destinations, each once."""
        if self.directions is not None:
            with guarded("destinations"):
                self.directions.apply(folder)
        return super().wanted(folder)


def build_agent(
    config: Config, only: RunFolder | None = None, *, beside: bool = True
) -> DirectedAgent:
    """The agent of one root, with the settings' destinations for folders that name none.

    `beside`: whether it runs in a process of its own.

    A destination that cannot be opened stands in its status, with the reason, under `problems`.
    """
    problems: dict[str, str] = {}
    exemplars = Exemplars()

    def build(destination: Destination) -> Courier[Any] | None:
        try:
            courier = build_courier(config, destination)
        except Exception as error:
            problems[destination.address] = str(error)
            raise
        problems.pop(destination.address, None)
        if courier is not None:
            courier.sink = exemplars.watch(courier.sink)
        return courier

    chores = build_chores(config, beside=beside)
    agent = DirectedAgent(
        config.root,
        build,
        [Destination(*each) for each in destinations(config)],
        rhythm=Rhythm(poll=config.agent.poll_interval),
        only=only,
        queue_warning_threshold=config.spool.queue_warning_threshold,
        chores=(exemplars, *chores),
    )
    own = OwnPoints(agents_resource(config), lambda: agent.meter.readings)
    agent.metering.reader = build_page_reader(config, exemplars, own)
    scrape = ScrapeOnDemand(
        config.metrics_port,
        Scraping(agent.live_folders, own, exemplars.of, ended_since=agent.ended_since),
        agent.status,
        agent.is_live,
    )
    agent.add_chore(scrape)
    agent.closes.append(scrape.close)
    agent.status["problems"] = problems
    agent.status[HOLDS_BACK] = config.sampling.share < 1
    agent.status["space"] = next(
        (chore.told for chore in chores if isinstance(chore, SpaceKeeper)), {}
    )
    return agent
