"""How much of each run waits for each sink, and one warning where that gets too much.

A look costs a read of the run's counter pages: what was acknowledged, less what the sink has read.
That counts records too that were lost, and knows nothing of thresholds that functions give. So
where it may come to a warning, the books are asked, which read what lies behind the cursor.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from tradespan.core.clock import Clock, SystemClock
from tradespan.core.delivery import Cursor, LaneBook
from tradespan.core.errors import SpoolError
from tradespan.core.guard import guarded
from tradespan.forward.courier import Courier
from tradespan.forward.post import Post
from tradespan.spool.folder import RunFolder
from tradespan.spool.names import SegmentName
from tradespan.spool.reader import SegmentReader, smaller_threshold
from tradespan.spool.survey import read_time

logger = logging.getLogger("tradespan")

DEFAULT_THRESHOLD = 8_000
"""Undelivered records, where neither the run nor a function of it says otherwise."""
THRESHOLD = "queue_warning_threshold"
"""Key of a run's description."""
_LOOKED_THROUGH = 1 << 20
"""Bytes that are read for the oldest record: a pool of workers may have hundreds of rows, and a
sink's kind may be rare among others."""
_READ_AT_ONCE = 64 * 1024
_LEAST = 4096
"""What opening a segment counts for."""
_SECOND = 1_000_000_000


class Queue(NamedTuple):
    """One run's way to one sink."""

    folder: RunFolder
    address: str
    courier: Courier[Any]
    live: bool
    """Whether the run goes on: what an ended one left was told of at its end."""


class Waiting(NamedTuple):
    """What `Agent.books` says of one queue, and the smallest threshold of the functions met."""

    records: int
    threshold: int


def describe_sink(post: Post, watch: BacklogWatch) -> dict[str, Any]:
    """What the agent's status says of a destination."""
    name, state = post.courier.sink.name, post.courier.state
    return {
        "address": post.destination.address,
        "state": state.waits_for.value,
        "failing": state.failing_since is not None,
        "last_error": state.last_error,
        "undelivered": watch.undelivered.get(name, 0),
        "queue_warnings": watch.warnings.get(name, 0),
    }


CountExactly = Callable[[Queue], Waiting]


@dataclass(frozen=True, slots=True)
class Backlog:
    """One queue that has been warned of and has not fallen below half of its threshold since."""

    run: str
    """Name of the run's folder."""
    folder: str
    """Path of the run's folder."""
    sink: str
    address: str
    waiting: int
    """Records, now."""
    threshold: int
    oldest: float | None
    """Seconds since the oldest waiting record was made; None: it cannot be read."""
    cause: str
    number: int
    """Which warning of this queue it is, from 1."""

    @property
    def sentence(self) -> str:
        """What is said of it, once."""
        age = "" if self.oldest is None else f", the oldest for {_in_words(self.oldest)}"
        return (
            f"run {self.run}: {self.waiting:,} records wait for {self.sink} ({self.address}){age}:"
            f" {self.cause} ({THRESHOLD} {self.threshold:,})"
        )

    def to_json(self) -> dict[str, Any]:
        """As plain values, for `agent.json` and the API."""
        return {**asdict(self), "sentence": self.sentence}


class BacklogWatch:
    """Looks at all queues of an agent. Used by one thread; others may read its attributes."""

    def __init__(
        self,
        count: CountExactly,
        default: int = DEFAULT_THRESHOLD,
        clock: Clock | None = None,
    ) -> None:
        self.standing: tuple[Backlog, ...] = ()
        """What is warned of now. Never changed, only replaced, as the two below."""
        self.undelivered: Mapping[str, int] = {}
        """Sink → records that wait for it (`tradespan.queue.undelivered`)."""
        self.warnings: Mapping[str, int] = {}
        """Sink → warnings given (`tradespan.queue.warnings`)."""
        self._count = count
        self._default = default
        self._clock: Clock = clock or SystemClock()
        self._thresholds: dict[str, int] = {}
        """Folder → the smallest threshold of its functions."""
        self._given: dict[tuple[str, str], int] = {}
        """Folder and sink → warnings given."""
        self._reached: set[tuple[str, str]] = set()
        """Folders and sinks whose threshold was reached at the last look, though the sink works."""

    def look(self, queues: Iterable[Queue]) -> None:
        """Count what waits, and warn of what has reached its threshold since the last look."""
        before = {(each.folder, each.sink): each for each in self.standing}
        undelivered: dict[str, int] = {}
        standing: list[Backlog] = []
        seen = set()
        for queue in queues:
            key = str(queue.folder.path), queue.courier.sink.name
            seen.add(key)
            backlog = before.get(key)
            # A queue that cannot be looked at hides no other, and stays as it was.
            with guarded(f"backlog: {queue.folder.path.name}"):
                waiting, threshold = self._measure(queue, known=backlog is not None)
                undelivered[key[1]] = undelivered.get(key[1], 0) + waiting
                backlog = self._judge(queue, waiting, threshold, backlog)
            if backlog is not None:
                standing.append(backlog)
        self.standing = tuple(standing)
        self.undelivered = undelivered
        self._forget(seen)

    def _forget(self, seen: set[tuple[str, str]]) -> None:
        """Folders that are delivered to the end come no more."""
        folders = {folder for folder, _ in seen}
        self._thresholds = {key: n for key, n in self._thresholds.items() if key in folders}
        self._given = {key: n for key, n in self._given.items() if key in seen}
        self._reached &= seen

    def _measure(self, queue: Queue, *, known: bool) -> tuple[int, int]:
        """(records that wait, threshold) of a queue. `known`: it has been warned of."""
        folder, courier = queue.folder, queue.courier
        source = courier.source(folder)
        threshold = self._threshold(folder, source.queue_warning_threshold)
        waiting = count_roughly(folder, source.cursor)
        # A courier that is held up reads no further: functions called first since then are met by
        # the books alone.
        held_up = courier.state.failing_since is not None and waiting > 0
        if held_up or known or waiting * 2 >= threshold:
            exact = self._count(queue)
            waiting = exact.records
            threshold = self._threshold(folder, exact.threshold)
        return waiting, threshold

    def _threshold(self, folder: RunFolder, met: int) -> int:
        key = str(folder.path)
        of_functions = smaller_threshold(self._thresholds.get(key, 0), met)
        self._thresholds[key] = of_functions
        of_run = folder.description.get(THRESHOLD)
        setting = of_run if isinstance(of_run, int) and of_run > 0 else self._default
        return smaller_threshold(of_functions, setting)

    def _judge(
        self, queue: Queue, waiting: int, threshold: int, before: Backlog | None
    ) -> Backlog | None:
        """The backlog that stands now; a new one is warned of."""
        sink = queue.courier.sink.name
        held_back = queue.courier.keeps_up(queue.folder)
        if before is not None:
            if waiting * 2 >= threshold and not held_back:
                return self._describe(queue, waiting, threshold, before.number)
            logger.info("run %s: %d records wait for %s by now", before.run, waiting, sink)
            return None
        key = str(queue.folder.path), sink
        if waiting < threshold or held_back or not queue.live:
            self._reached.discard(key)
            return None
        if queue.courier.state.failing_since is None and key not in self._reached:
            # A burst, or what gathered while no agent ran: gone by the next look, as a rule.
            self._reached.add(key)
            return None
        number = self._given[key] = self._given.get(key, 0) + 1
        self.warnings = {**self.warnings, sink: self.warnings.get(sink, 0) + 1}
        backlog = self._describe(queue, waiting, threshold, number)
        logger.warning("%s", backlog.sentence)
        return backlog

    def _describe(self, queue: Queue, waiting: int, threshold: int, number: int) -> Backlog:
        folder, courier = queue.folder, queue.courier
        source = courier.source(folder)
        made = find_oldest(folder, source.cursor, source.finished)
        return Backlog(
            run=folder.path.name,
            folder=str(folder.path),
            sink=courier.sink.name,
            address=queue.address,
            waiting=waiting,
            threshold=threshold,
            oldest=None if made is None else max(self._clock.wall() - made, 0) / _SECOND,
            cause=self._cause(courier),
            number=number,
        )

    def _cause(self, courier: Courier[Any]) -> str:
        if courier.state.failing_since is not None:
            return courier.state.last_error
        since = courier.sending_since
        busy = 0.0 if since is None else self._clock.monotonic() / _SECOND - since
        if busy >= 1.0:
            return f"it has not answered for {_in_words(busy)}"
        return "they come faster than it takes them"


def count_roughly(folder: RunFolder, cursor: Cursor) -> int:
    """Records of a folder that a sink has not read; those that were lost are among them."""
    waiting = 0
    for page in folder.pages():
        for letter, lane in zip("oe", page.lanes, strict=True):
            read = cursor.books.get(f"{page.writer}-{letter}", LaneBook()).read
            died = 0 if page.alive else lane.in_memory
            waiting += max(lane.acknowledged - read - lane.overflow - died, 0)
    return waiting


def find_oldest(folder: RunFolder, cursor: Cursor, finished: frozenset[str]) -> int | None:
    """When the oldest record was made that a sink has not taken; nanoseconds UTC.

    None where none was found in what may be read for it.
    """
    rows: dict[str, list[SegmentName]] = {}
    for name in folder.segments():
        if str(name) not in finished:
            rows.setdefault(name.row, []).append(name)
    found, room = [], _LOOKED_THROUGH
    for names in rows.values():
        made, room = _first_time(folder, names, cursor, room)
        found += [] if made is None else [made]
    return min(found, default=None)


def _first_time(
    folder: RunFolder, names: list[SegmentName], cursor: Cursor, room: int
) -> tuple[int | None, int]:
    """When the first record of its kind was made behind a row's cursor, and the bytes left."""
    for name in names:
        if room <= 0:
            break
        try:
            reader = SegmentReader(folder.path / str(name), learn_sites=False)
        except (OSError, SpoolError):
            continue
        try:
            offset = cursor.positions.get(str(name), 0)
            while room > 0:
                stretch = reader.read(offset, _READ_AT_ONCE)
                room -= max(stretch.end - offset, _LEAST)
                first = next((each for each in stretch.records if each.kind == cursor.kind), None)
                if first is not None:
                    return read_time(first), room
                if stretch.finished or stretch.end <= offset:
                    break
                offset = stretch.end
        except OSError:
            continue
        finally:
            reader.close()
    return None, room


def _in_words(seconds: float) -> str:
    """`0 s`, `95 s`, `12 min`, `30 h`: short, and no less than two digits once they mean much."""
    for unit, length in (("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
