"""The agent: forwards every run folder of a root to each folder's destinations.

One thread per destination, so that a dead receiver holds up nobody else; the main loop finds
folders, deletes what all have taken, closes the books of runs that ended and removes what is long
over. Whoever runs it holds the root's lock.

Of a folder's state the threads own the sources and cursors, and only replace them; the main loop
owns everything else here, and looks at theirs.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tradespan.core.guard import guarded
from tradespan.forward.backlog import DEFAULT_THRESHOLD, BacklogWatch, Queue, Waiting, describe_sink
from tradespan.forward.books import Bookkeeper, Books
from tradespan.forward.courier import Courier
from tradespan.forward.death import DeathWatch, held_back, tables
from tradespan.forward.ending import (
    NOT_ANSWERING,
    Ending,
    gives_up,
    is_behind,
    patience_ends,
    write_books,
)
from tradespan.forward.measures import Meter
from tradespan.forward.metering import Metering
from tradespan.forward.orphans import as_number, is_orphan
from tradespan.forward.post import Destination, Post
from tradespan.forward.readingstate import is_counted_in
from tradespan.forward.register import FolderRegister, is_complete
from tradespan.spool.folder import DRAINED, LOG_FILE, PROGRESS, RunFolder, replace_json

logger = logging.getLogger("tradespan")

STATUS = "agent.json"
_AFTER_CUT = 0.2
"""Seconds in which a thread ends whose request was cut."""
_AT_THE_END = 0.02
"""Seconds between two steps while somebody waits for the books of a run."""
_REBUILD = 5.0
"""Seconds between two tries to open a destination that could not be opened."""


BuildCourier = Callable[[Destination], Courier[Any] | None]


class Chore(Protocol):
    """Work of one root's agent beside forwarding: a step at a time, by its main loop."""

    def work(self, folders: list[RunFolder]) -> None:
        """Do what is due, in milliseconds, for the folders that are not drained to the end."""
        ...


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Seconds."""

    poll: float = 0.1
    status: float = 0.5
    purge: float = 60.0
    keep_drained: float = 7 * 86_400.0
    """How long the folder of a run that was delivered to the end stays."""


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
        queue_warning_threshold: int = DEFAULT_THRESHOLD,
        chores: tuple[Chore, ...] = (),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`default`: for folders that do not say. `only`: serve this folder alone.

        `queue_warning_threshold`: for runs that do not say, in records.
        """
        self.root = root
        self.stop = threading.Event()
        self.status: dict[str, Any] = {"pid": os.getpid(), "started": time.time()}
        self.backlogs = BacklogWatch(self._count_waiting, queue_warning_threshold)
        self.meter = Meter(self.books)
        self.closes: list[Callable[[], None]] = []
        """Called when the agent ends."""
        self._chores = chores
        self.metering = Metering(self.wanted, self.is_live)
        self._deaths = DeathWatch(root)
        self._build = build_courier
        self._default = default
        self._rhythm = rhythm or Rhythm()
        self._now = now
        self._register = FolderRegister(root, only)
        self._posts: dict[Destination, Post] = {}
        self._build_again: dict[Destination, float] = {}
        self._ending: dict[str, Ending] = {}
        self._judged: dict[RunFolder, float] = {}
        """When a folder was last looked at for who died there."""
        self._keepers: dict[str, Bookkeeper] = {}
        self._wrote_status = self._purged = float("-inf")
        self._stepping = threading.RLock()

    def run(self) -> None:
        """Work until `stop` is set."""
        try:
            while not self.stop.is_set():
                self.step()
                self.stop.wait(self._pause())
        finally:
            self.close()

    def step(self) -> None:
        """One round of the main loop: folders, threads, deletions, ended runs."""
        # Whoever ends the agent steps once more, beside its own thread.
        with self._stepping:
            with guarded("agent"):
                self._serve(self.open_folders())
            still_open = self.open_folders()
            for chore in self._chores:
                with guarded(type(chore).__name__):
                    chore.work(still_open)
            with guarded("metrics"):
                self.metering.work(still_open)
            with guarded("agent status"):
                self._write_status()
            with guarded("agent purge"):
                self._purge()

    def open_folders(self) -> list[RunFolder]:
        """Folders that are not drained to the end."""
        return self._register.open_folders()

    def wanted(self, folder: RunFolder) -> list[Destination]:
        """A folder's destinations, each once."""
        told = folder.description.get("destinations")
        if not isinstance(told, list):
            return self._default
        pairs = [pair for pair in told if isinstance(pair, list | tuple) and len(pair) == 2]
        return list(dict.fromkeys(Destination(str(kind), str(place)) for kind, place in pairs))

    def couriers(self, folder: RunFolder) -> dict[str, Courier[Any]]:
        """Sink name → courier, of a folder's destinations."""
        return {post.courier.sink.name: post.courier for post in self._posts_of(folder)}

    def read_pages(self, folder: RunFolder, leaving: int = 0) -> None:
        """Record what the run's processes count at this moment.

        `leaving`: process id of one that is about to end, whose last reading it is.
        """
        with self._stepping:
            if not leaving:
                self.metering.read_now(folder)
            while leaving and not self.metering.finish(folder, leaving):
                continue

    def books(self, folder: RunFolder) -> Books:
        """The folder's accounting now. May be asked by any thread."""
        keeper = self._keepers.setdefault(str(folder.path), Bookkeeper(folder))
        couriers = self.couriers(folder)
        return keeper.settle(lambda: {name: c.cursor(folder) for name, c in couriers.items()})[0]

    def add_chore(self, chore: Chore) -> None:
        """One more, which needed the agent to be made."""
        self._chores += (chore,)

    def live_folders(self) -> list[RunFolder]:
        """Folders whose bot, or its supervisor, is alive."""
        return [folder for folder in self.open_folders() if self.is_live(folder)]

    def ended_since(self, moment: float) -> list[RunFolder]:
        """Folders of the latest runs that ended after a moment (unix seconds)."""
        return [each for each in self._register.ended_since(moment) if not self.is_live(each)]

    def has_live_run(self) -> bool:
        """Whether any folder's bot, or its supervisor, is alive."""
        return any(self.is_live(folder) for folder in self.open_folders())

    def is_live(self, folder: RunFolder) -> bool:
        """Whether a folder's bot, or its supervisor, runs."""
        return folder.ended is None and not is_orphan(folder)

    def close(self) -> None:
        """Stop the threads; what they hold is on disk still. Takes 0.7 s at most."""
        self.stop.set()
        posts = list(self._posts.values())
        for post in posts:
            post.wake.set()
        begun = self._now()
        for post in posts:
            post.thread.join(timeout=max(patience_ends(post, begun) - self._now(), 0.0))
        hanging = [post for post in posts if post.thread.is_alive()]
        for post in hanging:
            # Ends a wait for an answer; may itself wait, for a store that is locked.
            threading.Thread(target=post.cut, daemon=True).start()
        end = self._now() + _AFTER_CUT
        for post in hanging:
            post.thread.join(timeout=max(end - self._now(), 0.0))
        for close in (self.metering.close, *self.closes):
            with guarded("end of the agent"):
                close()
        with guarded("agent status"):
            (self.root / STATUS).unlink(missing_ok=True)

    def wake(self) -> None:
        """Look for work now."""
        for post in list(self._posts.values()):
            post.wake.set()

    # ── steps ───────────────────────────────────────────────────────────────────────────────────

    def _serve(self, folders: list[RunFolder]) -> None:
        wanted = {folder: self.wanted(folder) for folder in folders}
        for destination in dict.fromkeys(each for those in wanted.values() for each in those):
            self._assign(destination)
        for destination, post in self._posts.items():
            post.folders = [folder for folder in folders if destination in wanted[folder]]
        for folder in folders:
            # What is wrong with one folder must not hold up the others.
            with guarded(f"agent: {folder.path.name}"):
                self._delete_finished(folder)
                self._close_books(folder)

    def _assign(self, destination: Destination) -> None:
        now = self._now()
        if destination in self._posts or now < self._build_again.get(destination, 0.0):
            return
        self._build_again[destination] = now + _REBUILD
        # A destination that cannot be opened holds up no other; its records stay on disk.
        with guarded(f"{destination.kind} {destination.address}"):
            courier = self._build(destination)
            if courier is not None:
                self._posts[destination] = Post(destination, courier, self.stop, self._rhythm.poll)

    def _posts_of(self, folder: RunFolder) -> list[Post]:
        posts = (self._posts.get(destination) for destination in self.wanted(folder))
        return [post for post in posts if post is not None]

    def _delete_finished(self, folder: RunFolder) -> None:
        """Delete the segments that every destination has taken to the end."""
        posts = self._posts_of(folder)
        # A file of log lines takes no spans: alone, it is no reason for them to go.
        others = [post for post in posts if post.destination.kind != LOG_FILE]
        if not others or len(posts) < len(self.wanted(folder)):
            return
        finished = frozenset.intersection(*(post.courier.finished(folder) for post in posts))
        for name in finished - held_back(folder, finished):
            (folder.path / name).unlink(missing_ok=True)

    def _close_books(self, folder: RunFolder) -> None:
        """Write `drained.json` once an ended run is delivered, or as far as it goes for now."""
        ended, now = folder.ended, self._now()
        if ended is None and self._was_judged(folder, now):
            return
        # Before the books are closed: what a death left open is recorded now.
        with guarded("deaths"):
            self._deaths.look(folder)
        if ended is None:
            if not is_orphan(folder):
                self._begin_anew(folder)
                return
            ended = {}
        if self._is_outlived(folder):
            return
        ending = self._ending.get(str(folder.path)) or self._begin_ending(folder)
        if ending is None:
            return
        behind = [
            post.courier for post in self._posts_of(folder) if is_behind(post, folder, ending)
        ]
        if not behind:
            self._delete_finished(folder)
        complete = not folder.segments() and not behind and not tables(folder)
        if (
            not complete
            and behind
            and not gives_up(behind, ending.since, as_number(ended.get("drain", 10.0)), now)
        ):
            if now - ending.since > 1.0 and now - ending.told > self._rhythm.status:
                ending.told = now
                replace_json(folder.path / PROGRESS, self._progress(folder))
            return
        write_books(folder, self.books, behind, complete=complete)
        if complete and not self.metering.unread(folder):
            self.metering.fold(folder)
            self._register.close(folder)
            self._ending.pop(str(folder.path), None)
            self._keepers.pop(str(folder.path), None)
            self._judged.pop(folder, None)

    def _is_outlived(self, folder: RunFolder) -> bool:
        """Whether a run's books are closed, and a child of its counts on: it is read like others.

        Once all are gone, the books are opened again, for what these counted last.
        """
        if not is_complete(folder):
            return False
        unread = self.metering.unread(folder)
        if unread and not any(map(is_counted_in, unread)):
            self._begin_anew(folder)
            return False
        return bool(unread)

    def _was_judged(self, folder: RunFolder, now: float) -> bool:
        """Whether a run was seen to live a moment ago: to look costs something."""
        if str(folder.path) in self._ending:
            return False
        judged = self._judged.get(folder, float("-inf"))
        if now - judged < self._rhythm.status:
            return True
        self._judged[folder] = now
        return False

    def _begin_anew(self, folder: RunFolder) -> None:
        """A run goes on in a folder, or another began in it: closed books are outdated."""
        self._ending.pop(str(folder.path), None)
        if folder.drained is not None:
            (folder.path / DRAINED).unlink(missing_ok=True)

    def _begin_ending(self, folder: RunFolder) -> Ending | None:
        """A run is over: whoever waits before its next try tries once more, at once.

        None: not yet, the last reading of its metrics goes on.
        """
        if not self.metering.finish(folder):
            return None
        now = self._now()
        for post in self._posts_of(folder):
            post.courier.hurry(folder)
            post.wake.set()
        return self._ending.setdefault(str(folder.path), Ending(now, now))

    def _pause(self) -> float:
        """Seconds until the next step."""
        soon = self._now() - 2 * NOT_ANSWERING
        ends = any(ending.since > soon for ending in self._ending.values())
        return min(_AT_THE_END, self._rhythm.poll) if ends else self._rhythm.poll

    def _progress(self, folder: RunFolder) -> dict[str, Any]:
        books = self.books(folder)
        waiting = max((sink.on_disk for sink in books.sinks.values()), default=0)
        return {"waiting": waiting, "recorded": books.recorded, "time": time.time()}

    def _write_status(self) -> None:
        now = self._now()
        if now - self._wrote_status < self._rhythm.status:
            return
        self._wrote_status = now
        self.backlogs.look(self._queues())
        posts = self._posts.values()
        sinks = {each.courier.sink.name: describe_sink(each, self.backlogs) for each in posts}
        backlogs = [each.to_json() for each in self.backlogs.standing]
        self.meter.look(self.open_folders(), self.status.get("space", {}))
        metrics = [reading.to_json() for reading in self.meter.readings]
        told = {"sinks": sinks, "backlogs": backlogs, "metrics": metrics}
        replace_json(self.root / STATUS, {**self.status, "time": time.time(), **told})

    def _queues(self) -> Iterator[Queue]:
        for folder in self.open_folders():
            live = self.is_live(folder)
            for post in self._posts_of(folder):
                yield Queue(folder, post.destination.address, post.courier, live)

    def _count_waiting(self, queue: Queue) -> Waiting:
        """What the books say of a queue."""
        books = self.books(queue.folder)
        courier = queue.courier
        records = books.sinks[courier.sink.name].on_disk
        # What is in memory has no kind: it waits for the sinks of kinds that this run has.
        if courier.source(queue.folder).kind.name.lower() in books.signals:
            records += books.in_memory
        keeper = self._keepers.get(str(queue.folder.path))
        return Waiting(records, 0 if keeper is None else keeper.queue_warning_threshold)

    def _purge(self) -> None:
        """Remove folders that were delivered to the end long ago; fold pages of the dead."""
        now = self._now()
        if now - self._purged < self._rhythm.purge:
            return
        self._purged = now
        for folder in self.open_folders():
            self.metering.fold(folder)
        for folder in self._register.remove_drained(time.time() - self._rhythm.keep_drained):
            logger.info("removed %s, which was delivered long ago", folder.path)
