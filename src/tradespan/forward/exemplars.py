"""Exemplars: for each bucket of a function's durations, the latest kept call that fell into it.

The bot has no part in it. The agent looks at what its sinks accepted anyway, so that an exemplar is
a span that some destination has: a call that was counted and not kept never is one. They are kept
in a file of the run's folder, which an agent that starts again goes on from.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar, cast

from tradespan.core.delivery import Accepted, Batch, Outcome, Sink
from tradespan.core.guard import guarded
from tradespan.core.records import OPEN, Kind, Site, Span
from tradespan.declare.names import TRADESPAN_PROCESS_GROUP
from tradespan.pages.metrics import DURATION_BOUNDS, MOST_SERIES, FunctionSeries
from tradespan.spool.folder import EXEMPLARS, RunFolder, read_json, replace_json

T = TypeVar("T")

SAVE_EVERY = 5.0
"""Seconds between two writes of the files: what came since is lost with an agent that is killed."""
_FUNCTION = "code.function.name"


class FunctionKey(NamedTuple):
    """What tells one function of a run from another, as its metric page does."""

    name: str
    process_group: str = ""
    attributes: tuple[tuple[str, str], ...] = ()


class Exemplar(NamedTuple):
    """One finished call."""

    value: int
    """Its duration in nanoseconds."""
    trace_id: str
    """32 hex digits."""
    span_id: str
    """16 hex digits."""
    time: int
    """When it ended; nanoseconds, UTC."""
    writer: str
    """32 hex digits: the process generation, whose histogram counts it."""


Buckets = dict[int, Exemplar]
"""Place in the histogram's buckets → the latest exemplar there."""


def key_of(series: FunctionSeries) -> FunctionKey:
    """The function that a histogram of a metric page counts."""
    return FunctionKey(series.name, series.process_group, series.attributes)


def place_of(duration: int, bounds: tuple[int, ...] = DURATION_BOUNDS) -> int:
    """The bucket of a duration: the first whose bound is not under it; the last is above all."""
    return bisect_left(bounds, duration)


class Exemplars:
    """Those of one agent's folders. Sinks of several threads feed it; the main loop saves it."""

    def __init__(
        self, *, save_every: float = SAVE_EVERY, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._save_every = save_every
        self._now = now
        self._saved = float("-inf")
        self._lock = threading.Lock()
        self._folders: dict[str, dict[FunctionKey, Buckets]] = {}
        self._changed: set[str] = set()

    def watch(self, sink: Sink[T]) -> WatchedSink[T]:
        """The same sink; what it accepts is looked at on the way."""
        return WatchedSink(sink, self)

    def observe(self, batch: Batch[Span]) -> None:
        """Take note of the calls of a batch that was accepted."""
        with self._lock:
            functions = self._folder(batch.folder)
            for part in batch.slices:
                for (site, place), span in _latest_of(part.records).items():
                    buckets = _buckets_of(functions, part.sites[site])
                    if buckets is not None:
                        _keep_latest(buckets, place, span, part.origin.writer)
            if functions:
                self._changed.add(batch.folder)

    def work(self, folders: list[RunFolder]) -> None:
        """Save what has changed, every few seconds; at once what is of a folder that is over."""
        served = {str(folder.path) for folder in folders}
        with self._lock:
            over = self._folders.keys() - served
            if self._now() - self._saved >= self._save_every:
                self._save(self._changed)
            self._save(self._changed & over)
            for folder in over - self._changed:
                del self._folders[folder]

    def of(self, folder: RunFolder) -> dict[FunctionKey, Buckets]:
        """A run's exemplars now."""
        with self._lock:
            known = self._folder(str(folder.path))
            return {key: dict(buckets) for key, buckets in known.items()}

    def save(self) -> None:
        """Save what has changed.

        Raises:
            OSError: A file cannot be written; it is tried again.
        """
        with self._lock:
            self._save(self._changed)

    def _save(self, changed: set[str]) -> None:
        if not changed:
            return
        self._saved = self._now()
        for folder in sorted(changed):
            with suppress(FileNotFoundError):  # it was deleted, and so are its histograms
                replace_json(Path(folder) / EXEMPLARS, _to_json(self._folders[folder]))
            self._changed.discard(folder)

    def _folder(self, folder: str) -> dict[FunctionKey, Buckets]:
        if folder not in self._folders:
            self._folders[folder] = read_exemplars(Path(folder))
        return self._folders[folder]


class WatchedSink(Generic[T]):
    """A sink that shows what it accepted, and is otherwise the one that it was made of."""

    def __init__(self, sink: Sink[T], exemplars: Exemplars) -> None:
        self._sink = sink
        self._exemplars = exemplars

    @property
    def name(self) -> str:
        return self._sink.name

    def deliver(self, batch: Batch[T]) -> Outcome:
        outcome = self._sink.deliver(batch)
        if isinstance(outcome, Accepted) and batch.kind == Kind.SPAN:
            with guarded("exemplars"):
                self._exemplars.observe(cast(Batch[Span], batch))
        return outcome

    def close(self) -> None:
        """The agent ends, or gives this destination up."""
        with guarded("exemplars"):
            self._exemplars.save()
        self._sink.close()


def _buckets_of(functions: dict[FunctionKey, Buckets], site: Site) -> Buckets | None:
    """The buckets of a watched function; None for other spans, and above as many as are counted."""
    function = site.attributes.get(_FUNCTION)
    if not site.name or not isinstance(function, str):
        return None
    attributes = () if function == site.name else ((_FUNCTION, function),)
    group = str(site.attributes.get(TRADESPAN_PROCESS_GROUP, ""))
    key = FunctionKey(site.name, group, attributes)
    if key not in functions and len(functions) >= MOST_SERIES:
        return None
    return functions.setdefault(key, {})


def _latest_of(spans: Iterable[Span]) -> dict[tuple[int, int], Span]:
    """Site and place in its buckets → the finished call that ended last: few of many."""
    latest: dict[tuple[int, int], tuple[int, Span]] = {}
    for span in spans:
        if span.flags & OPEN:
            continue
        key = span.site, place_of(span.duration)
        end = span.start + span.duration
        before = latest.get(key)
        if before is None or before[0] <= end:
            latest[key] = end, span
    return {key: span for key, (_, span) in latest.items()}


def _keep_latest(buckets: Buckets, place: int, span: Span, writer: str) -> None:
    before = buckets.get(place)
    if before is None or before.time <= span.end:
        # Several destinations see the same span, and a restarted one sees it again.
        trace_id, span_id = span.trace_id.hex(), f"{span.span_id:016x}"
        buckets[place] = Exemplar(span.duration, trace_id, span_id, span.end, writer)


# ── the file ────────────────────────────────────────────────────────────────────────────────────


def read_exemplars(folder: Path) -> dict[FunctionKey, Buckets]:
    """A run's exemplars; what in its file is none is left out."""
    content = read_json(folder / EXEMPLARS) or {}
    entries = content.get("functions")
    found: dict[FunctionKey, Buckets] = {}
    for entry in entries if isinstance(entries, list) else ():
        # Bytes of a file may be anything.
        with suppress(AttributeError, KeyError, TypeError, ValueError):
            attributes = tuple((str(key), str(value)) for key, value in entry["attributes"])
            key = FunctionKey(str(entry["name"]), str(entry["group"]), attributes)
            found[key] = {
                place_of(exemplar.value): exemplar for exemplar in map(_read, entry["exemplars"])
            }
    return found


def merge_exemplars(several: Sequence[Mapping[FunctionKey, Buckets]]) -> dict[FunctionKey, Buckets]:
    """The latest of several runs, bucket by bucket."""
    merged: dict[FunctionKey, Buckets] = {}
    for one in several:
        for key, buckets in one.items():
            latest = merged.setdefault(key, {})
            for place, exemplar in buckets.items():
                if place not in latest or latest[place].time < exemplar.time:
                    latest[place] = exemplar
    return merged


def _to_json(functions: Mapping[FunctionKey, Buckets]) -> dict[str, Any]:
    entries = [
        {
            "name": key.name,
            "group": key.process_group,
            "attributes": key.attributes,
            "exemplars": [exemplar._asdict() for _, exemplar in sorted(buckets.items())],
        }
        for key, buckets in functions.items()
        if buckets
    ]
    return {"functions": entries}


def _read(entry: Mapping[str, Any]) -> Exemplar:
    trace_id, span_id = str(entry["trace_id"]), str(entry["span_id"])
    if len(bytes.fromhex(trace_id)) != 16 or len(bytes.fromhex(span_id)) != 8:
        raise ValueError("no ids of a span")
    value, ended = int(entry["value"]), int(entry["time"])
    return Exemplar(value, trace_id, span_id, ended, str(entry["writer"]))
