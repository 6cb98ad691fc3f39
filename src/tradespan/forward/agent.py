"""The agent: forwards every run folder of a root to each folder's destinations.

One thread per destination, so that a dead receiver holds up nobody else; the main loop finds folders,
deletes what all have taken, and closes the books of runs that ended. Whoever runs it holds the root's
lock.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tradespan.core.guard import guarded
from tradespan.core.process import is_alive
from tradespan.forward.books import Books, add_up
from tradespan.forward.courier import Courier
from tradespan.spool.folder import (
    DRAINED,
    PROGRESS,
    RunFolder,
    replace_json,
    run_folders,
)

logger = logging.getLogger("tradespan")

STATUS = "agent.json"
NOT_ANSWERING = 1.0
"""Seconds that the end of a run waits for a receiver which does not answer."""


class Destination(NamedTuple):
    """Where a run's records shall go, as its `run.json` says."""

    kind: str
    """`store` or `otlp`."""
    address: str
    """Path or URL, without secrets."""


BuildCourier = Callable[[Destination], Courier[Any] | None]


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Seconds."""

    poll: float = 0.1
    status: float = 0.5


class Agent:
    """Forwards for one root."""

    def __init__(
        self,
        root: Path,
        build_courier: BuildCourier,
        default: list[Destination],
        *,
        rhythm: Rhythm | None = None,
        only: RunFolder | None = None,
    ) -> None:
        """`default`: for folders that do not say. `only`: serve this folder alone."""
        self.root = root
        self.stop = threading.Event()
        self.status: dict[str, Any] = {"pid": os.getpid(), "started": time.time()}
        self._build = build_courier
        self._default = default
        self._rhythm = rhythm or Rhythm()
        self._only = only
        self._posts: dict[Destination, _Post] = {}
        self._ended_at: dict[str, float] = {}
        self._closed: set[str] = set()
        self._wrote_status = 0.0

    def run(self) -> None:
        """Work until `stop` is set."""
        try:
            while not self.stop.is_set():
                self.step()
                self.stop.wait(self._rhythm.poll)
        finally:
            self.close()

    def step(self) -> None:
        """One round of the main loop: folders, threads, deletions, ended runs."""
        with guarded("agent"):
            folders = self.open_folders()
            for folder in folders:
                self._assign(folder)
            for post in self._posts.values():
                post.folders = [f for f in folders if post.destination in self.wanted(f)]
            for folder in folders:
                self._delete_finished(folder)
                self._close_books(folder)
            if time.monotonic() - self._wrote_status > self._rhythm.status:
                self._write_status()

    def open_folders(self) -> list[RunFolder]:
        """Folders that are not drained to the end."""
        found = [self._only] if self._only is not None else run_folders(self.root)
        return [folder for folder in found if str(folder.path) not in self._closed]

    def wanted(self, folder: RunFolder) -> list[Destination]:
        """A folder's destinations."""
        told = folder.description.get("destinations")
        if not isinstance(told, list):
            return self._default
        return [Destination(str(kind), str(address)) for kind, address in told]

    def couriers(self, folder: RunFolder) -> dict[str, Courier[Any]]:
        """Sink name → courier, of a folder's destinations."""
        posts = (self._posts.get(destination) for destination in self.wanted(folder))
        return {post.courier.sink.name: post.courier for post in posts if post is not None}

    def books(self, folder: RunFolder) -> Books:
        """The folder's accounting now."""
        couriers = self.couriers(folder)
        return add_up(folder, {name: c.cursor(folder) for name, c in couriers.items()})

    def has_live_run(self) -> bool:
        """Whether any folder's bot, or its supervisor, is alive."""
        return any(self.is_live(folder) for folder in self.open_folders())

    def is_live(self, folder: RunFolder) -> bool:
        """Whether a folder's bot, or its supervisor, runs."""
        return folder.ended is None and not self._is_orphan(folder)

    def close(self) -> None:
        """Stop the threads; what they hold is on disk still."""
        self.stop.set()
        for post in self._posts.values():
            post.wake.set()
        for post in self._posts.values():
            post.thread.join(timeout=1.0)
        with guarded("agent status"):
            (self.root / STATUS).unlink(missing_ok=True)

    def wake(self) -> None:
        """Look for work now."""
        for post in self._posts.values():
            post.wake.set()

    # ── steps ───────────────────────────────────────────────────────────────────────────────────

    def _assign(self, folder: RunFolder) -> None:
        for destination in self.wanted(folder):
            if destination in self._posts:
                continue
            # A destination that cannot be opened holds up no other; its records stay on disk.
            with guarded(f"{destination.kind} {destination.address}"):
                courier = self._build(destination)
                if courier is not None:
                    self._posts[destination] = _Post(self, destination, courier)

    def _delete_finished(self, folder: RunFolder) -> None:
        """Delete the segments that every destination has taken to the end."""
        couriers = self.couriers(folder)
        if len(couriers) < len(self.wanted(folder)):
            return
        if not couriers:
            return
        done = set.intersection(*(courier.finished(folder) for courier in couriers.values()))
        for name in done:
            (folder.path / name).unlink(missing_ok=True)

    def _close_books(self, folder: RunFolder) -> None:
        """Write `drained.json` once an ended run is delivered, or as far as it goes for now."""
        ended = folder.ended
        if ended is None:
            if self._is_orphan(folder):
                ended = {}
            else:
                return
        key = str(folder.path)
        since = self._ended_at.setdefault(key, time.monotonic())
        waited = time.monotonic() - since
        complete = not folder.segments()
        if not complete and not self._gives_up(folder, waited, float(ended.get("drain", 10.0))):
            if waited > 1.0:
                replace_json(folder.path / PROGRESS, self._progress(folder))
            return
        said = folder.drained
        if said is not None and said.get("complete") == complete:
            if complete:
                self._finish(folder)
            return
        books = self.books(folder)
        replace_json(folder.path / DRAINED, {"complete": complete, **books.to_json()})
        if complete:
            self._finish(folder)

    def _gives_up(self, folder: RunFolder, waited: float, drain: float) -> bool:
        """Whether the end of a run waits no longer; forwarding goes on all the same."""
        couriers = self.couriers(folder)
        behind = [
            courier
            for courier in couriers.values()
            if any(str(name) not in courier.finished(folder) for name in folder.segments())
        ]
        # The store is local: it is drained to the end. A receiver has until `drain`, or a second
        # if it does not answer.
        remote = [courier for courier in behind if courier.sink.name != "store"]
        if len(remote) < len(behind):
            return False
        if waited > drain:
            return True
        failing = all(courier.state.failing_since is not None for courier in remote)
        return failing and waited > NOT_ANSWERING * 0.8

    def _progress(self, folder: RunFolder) -> dict[str, Any]:
        books = self.books(folder)
        waiting = max((sink.on_disk for sink in books.sinks.values()), default=0)
        return {"waiting": waiting, "recorded": books.recorded, "time": time.time()}

    def _is_orphan(self, folder: RunFolder) -> bool:
        """Whether a run's bot is gone and nobody said so (its supervisor was killed)."""
        told = folder.description
        process = int(told.get("pid", 0))
        supervisor = int(told.get("supervisor", 0))
        alive = (process and is_alive(process, int(told.get("pid_start", 0)))) or (
            supervisor and is_alive(supervisor, int(told.get("supervisor_start", 0)))
        )
        return bool(process) and not alive

    def _finish(self, folder: RunFolder) -> None:
        key = str(folder.path)
        self._closed.add(key)
        self._ended_at.pop(key, None)
        for courier in self.couriers(folder).values():
            courier.forget(folder)

    def _write_status(self) -> None:
        self._wrote_status = time.monotonic()
        sinks = {
            post.courier.sink.name: {
                "address": post.destination.address,
                "failing": post.courier.state.failing_since is not None,
                "last_error": post.courier.state.last_error,
            }
            for post in self._posts.values()
        }
        content = {**self.status, "time": time.time(), "sinks": sinks}
        replace_json(self.root / STATUS, content)


class _Post:
    """One destination's thread."""

    def __init__(self, agent: Agent, destination: Destination, courier: Courier[Any]) -> None:
        self.destination = destination
        self.courier = courier
        self.folders: list[RunFolder] = []
        self.wake = threading.Event()
        self._agent = agent
        self.thread = threading.Thread(
            target=self._run, name=f"tradespan-{courier.sink.name}", daemon=True
        )
        self.thread.start()

    def _run(self) -> None:
        poll = self._agent._rhythm.poll  # noqa: SLF001 - the agent's own thread
        while not self._agent.stop.is_set():
            with guarded(f"forwarding to {self.courier.sink.name}"):
                if self.courier.work(self.folders):
                    continue
            self.wake.wait(poll)
            self.wake.clear()
        self.courier.close()
