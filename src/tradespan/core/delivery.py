"""The contract between the forwarder and what it delivers to.

A `Batch` is a list of `Slice`s: the decoded records of one part of one segment, with what is
needed to read them. A `Sink` takes a batch and answers with one `Outcome`; the forwarder alone
decides about retries, cursors and deletion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar

from tradespan.core.records import Kind, Lane, Resource, Site

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where records come from: one process generation, one lane."""

    writer: str
    """32 hex digits, unique for each process generation that recorded."""
    lane: Lane
    resource: Resource


@dataclass(frozen=True, slots=True)
class Slice(Generic[T]):
    """Decoded records of one stretch of one segment, in the order they were written."""

    origin: Origin
    sites: Mapping[int, Site]
    records: list[T]
    segment: str
    """File name of the segment, unique in its run's folder."""
    end: int
    """Offset in the segment after the last record of this slice: the cursor once accepted."""
    highest: int = 0
    """The highest sequence number among the records."""


@dataclass(slots=True)
class LaneBook:
    """What one sink has read of one writer's lane; survives the segments themselves."""

    highest: int = 0
    """The highest sequence number read: as many records were begun."""
    read: int = 0
    """Records passed, of any kind: delivered, of another kind, or discarded before they were."""
    damaged: int = 0
    """Bytes that did not validate."""
    segments: int = 0
    """Segments begun to be read, or discarded; less those that went before their end was read."""
    ordinal: int = 0
    """The highest ordinal among them."""
    other: dict[int, int] = field(default_factory=dict)
    """Kind → records among `read` that are not of the sink's own kind."""
    discarded: dict[str, int] = field(default_factory=dict)
    """Reason → records among `read`, of its own kind, that a limit of the spool has cost it."""
    sampled: int = 0
    """Records among `read`, of its own kind, that the agent's sampling left out."""

    @property
    def taken(self) -> int:
        """Records delivered, or parked."""
        passed_by = sum(self.other.values()) + sum(self.discarded.values()) + self.sampled
        return self.read - passed_by

    def copy(self) -> LaneBook:
        """A book of its own."""
        return replace(self, other=dict(self.other), discarded=dict(self.discarded))

    def pass_over(self, counts: Mapping[int, int], kind: Kind) -> None:
        """Count records by their kind; those of another kind than the sink's are not for it."""
        for each, count in counts.items():
            self.read += count
            if each != kind and count:
                self.other[each] = self.other.get(each, 0) + count

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> LaneBook:
        """From `asdict`, by way of JSON; unknown keys are ignored, missing ones are 0."""
        return cls(
            int(content.get("highest", 0)),
            int(content.get("read", 0)),
            int(content.get("damaged", 0)),
            int(content.get("segments", 0)),
            int(content.get("ordinal", 0)),
            {int(kind): int(count) for kind, count in content.get("other", {}).items()},
            {str(reason): int(count) for reason, count in content.get("discarded", {}).items()},
            int(content.get("sampled", 0)),
        )


@dataclass(slots=True)
class Cursor:
    """How far one sink has come in one run's folder, and what it has taken."""

    positions: dict[str, int] = field(default_factory=dict)
    """Segment name → offset of the first byte not yet acknowledged. A discarded segment stands here
    under the name of what is left of it, once it is in the books."""
    accepted: int = 0
    """Records acknowledged since the folder was made."""
    parked: int = 0
    """Records refused for good, in the dead letter."""
    books: dict[str, LaneBook] = field(default_factory=dict)
    """`<writer>-<lane>` → what was read of it."""
    passed: dict[str, dict[int, int]] = field(default_factory=dict)
    """Segment name → kind → records before the position: if the segment is discarded, the rest of
    what it held is what the sink misses. Not given for positions of an earlier version."""
    kind: Kind = Kind.SPAN
    """Kind of record that the sink takes."""
    unfinished: set[str] = field(default_factory=set)
    """Names of segments that were begun, and not read to where nothing will ever follow. Such a one
    is not deleted by us: when it is gone, so are records. Empty in what an earlier version kept."""

    def to_json(self) -> dict[str, Any]:
        """As plain values, for whoever keeps it."""
        return {**asdict(self), "kind": int(self.kind), "unfinished": sorted(self.unfinished)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Cursor:
        """From `to_json`; unknown keys are ignored."""
        books = {key: LaneBook.from_json(book) for key, book in content.get("books", {}).items()}
        passed = {
            name: {int(kind): int(count) for kind, count in counts.items()}
            for name, counts in content.get("passed", {}).items()
        }
        return cls(
            dict(content.get("positions", {})),
            int(content.get("accepted", 0)),
            int(content.get("parked", 0)),
            books,
            passed,
            Kind(content.get("kind", Kind.SPAN)),
            {str(name) for name in content.get("unfinished", ())},
        )


@dataclass(frozen=True, slots=True)
class Batch(Generic[T]):
    """What is delivered at once: all of one run's folder and of one kind of record."""

    folder: str
    """Absolute path of the run's folder."""
    kind: Kind
    slices: list[Slice[T]]
    ahead: Cursor | None = None
    """The cursor once all of it is accepted; a sink that keeps its own commits both at once. None
    for a part of a batch that was split."""

    @property
    def count(self) -> int:
        """Number of records."""
        return sum(len(part.records) for part in self.slices)

    @property
    def positions(self) -> dict[str, int]:
        """Segment name → offset that is acknowledged once this batch is accepted."""
        return {part.segment: part.end for part in self.slices}


@dataclass(frozen=True, slots=True)
class Accepted:
    """The sink has the records for good; the cursor may pass them."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The sink cannot take them now. `after`: seconds it asked to wait, if it said so."""

    reason: str
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Denied:
    """The sink takes nothing from us: a token has expired, or has no rights yet. They stay here."""

    reason: str


@dataclass(frozen=True, slots=True)
class Split:
    """The request is too large as a whole: halve it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Parked:
    """Refused for good: to the dead letter, with the reason; re-sendable by hand."""

    reason: str
    count: int | None = None
    """How many records of the batch were refused; None: all."""


Outcome = Accepted | Retry | Denied | Split | Parked


class Sink(Protocol[T]):
    """One destination. `deliver` never raises for what a network or a disk does."""

    @property
    def name(self) -> str:
        """Unique among an agent's sinks, and stable over restarts: names the cursor."""
        ...

    def deliver(self, batch: Batch[T]) -> Outcome:
        """Deliver a batch; blocks at most for the sink's own timeout."""
        ...

    def close(self) -> None:
        """Release sockets and files."""
        ...


class CursorKeeper(Protocol):
    """Where a sink's cursor lives: a file, or the store itself, with the batch's transaction."""

    def load(self, folder: str) -> Cursor:
        """The cursor of one run's folder; an empty one if there is none."""
        ...

    def save(self, folder: str, cursor: Cursor) -> None:
        """Replace the cursor durably, as one step."""
        ...
