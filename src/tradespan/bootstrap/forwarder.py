"""The forwarder in the bot's own process, for those who do not use `tradespan run`.

A daemon thread waits for the root's lock; whoever of several workers gets it forwards for all.
"""

from __future__ import annotations

import threading
import time

from tradespan.bootstrap.couriers import build_courier
from tradespan.bootstrap.folders import destinations
from tradespan.config import Config
from tradespan.core.errors import SpoolUnavailable
from tradespan.core.forks import after_fork_in_child
from tradespan.core.guard import guarded
from tradespan.forward.agent import NOT_ANSWERING, Agent, Destination, Rhythm
from tradespan.spool.folder import RootLock, RunFolder


class InProcessForwarder:
    """Runs an agent in a thread, as soon as nobody else serves the root."""

    def __init__(self, config: Config, folder: RunFolder) -> None:
        self._config = config
        self._folder = folder
        self._begin()
        after_fork_in_child(self._after_fork)

    def _begin(self) -> None:
        config = self._config
        self._lock = RootLock(config.root)
        self._stop = threading.Event()
        self._agent: Agent | None = None
        self._thread = threading.Thread(target=self._run, name="tradespan-agent", daemon=True)

    def _after_fork(self) -> None:
        # The parent's descriptor would hold the lock for as long as the child lives.
        self._lock.release()
        self._begin()
        self._thread.start()

    def start(self) -> None:
        """Begin to wait for the lock, and to forward."""
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            with guarded("forwarder"):
                if self._try_lock():
                    self._agent = build_agent(self._config)
                    self._agent.run()
                    return
            self._stop.wait(self._config.agent.takeover_interval)

    def _try_lock(self) -> bool:
        try:
            return self._lock.try_acquire()
        except SpoolUnavailable as error:
            raise OSError(str(error)) from error

    def drain(self, deadline: float) -> bool:
        """Wait until no segment of this run has anything left; `deadline` is monotonic seconds.

        A receiver that does not answer is waited for one second.
        """
        began = time.monotonic()
        while time.monotonic() < deadline:
            agent = self._agent
            if agent is None:
                if not self._lock.is_free() and not self._lock.held:
                    return self._wait_for_other(deadline)
            else:
                agent.wake()
                with guarded("drain"):
                    if self._delivered(agent):
                        return True
                    if self._not_answering(agent) and time.monotonic() - began > NOT_ANSWERING:
                        return False
            self._stop.wait(0.02)
        return False

    def _delivered(self, agent: Agent) -> bool:
        books = agent.books(self._folder)
        couriers = agent.couriers(self._folder)
        if len(couriers) < len(agent.wanted(self._folder)):
            return False
        return all(sink.on_disk == 0 for sink in books.sinks.values())

    def _not_answering(self, agent: Agent) -> bool:
        couriers = agent.couriers(self._folder).values()
        return any(courier.state.failing_since is not None for courier in couriers)

    def _wait_for_other(self, deadline: float) -> bool:
        """Another process forwards: our records are delivered when its cursors have passed them."""
        while time.monotonic() < deadline:
            if not self._folder.segments():
                return True
            self._stop.wait(0.05)
        return False

    def end(self, timeout: float) -> bool:
        """Deliver what is left, then stop. Returns whether all of it was."""
        delivered = self.drain(time.monotonic() + timeout)
        self._stop.set()
        if self._agent is not None:
            self._agent.step()
            self._agent.close()
        self._thread.join(timeout=1.0)
        self._lock.release()
        return delivered


def build_agent(config: Config, only: RunFolder | None = None) -> Agent:
    """The agent of one root, with the settings' destinations for folders that name none."""
    default = [Destination(*each) for each in destinations(config)]
    rhythm = Rhythm(poll=config.agent.poll_interval)
    return Agent(
        config.root,
        lambda destination: build_courier(config, destination),
        default,
        rhythm=rhythm,
        only=only,
    )
