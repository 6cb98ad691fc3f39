"""The status bar: is the bot alive, does its data arrive, what went wrong in the last minutes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tradespan.core.clock import Clock
from tradespan.declare.instruments import (
    TRADESPAN_QUEUE_UNDELIVERED,
    TRADESPAN_QUEUE_WARNINGS,
    TRADESPAN_SPOOL_DISCARDED,
    TRADESPAN_SPOOL_UNACCOUNTED,
)
from tradespan.declare.names import TRADESPAN_LANE, TRADESPAN_SINK, TradespanLane
from tradespan.store.rows import TraceFilter
from tradespan.store.store import Store
from tradespan.web.format import MINUTE, SECOND, format_age, format_count, format_duration

RECENT = 5 * MINUTE
QUIET_AFTER = 10 * SECOND
"""A bot whose last span is older is called quiet, where nothing better is known."""
LAG_WARNING, LAG_ERROR = 2 * SECOND, 10 * SECOND


@dataclass(frozen=True, slots=True)
class Backlog:
    """A run and a sink for which as many records wait as `queue_warning_threshold` says."""

    run: str
    sink: str
    waiting: int
    threshold: int
    cause: str
    sentence: str
    """All of it in words."""


@dataclass(frozen=True, slots=True)
class Status:
    """What the agent knows beyond the store. None: not known, and left out of the bar."""

    bots: int | None = None
    """Programs that run under this agent now."""
    since: int | None = None
    """When the oldest of them began, nanoseconds UTC."""
    death: str = ""
    """How the last one died, if it did: `died 14:27:03 UTC, SIGSEGV, 2 calls open`."""
    death_at: int | None = None
    """When that was, nanoseconds UTC: the browser shows it in the reader's zone."""
    death_trace: str = ""
    """The trace of a call that was open then; empty: none."""
    death_title: str = ""
    """Which calls were open."""
    write_lag: int | None = None
    """Nanoseconds between a record's end and its row in the store, now."""
    waiting: int | None = None
    """Records in the spool that the store does not have yet."""
    backlogs: tuple[Backlog, ...] = ()
    """What was warned of and has not fallen below half since."""
    undelivered: Mapping[str, int] = field(default_factory=dict)
    """Sink → records that wait for it (`tradespan.queue.undelivered`)."""
    warnings: Mapping[str, int] = field(default_factory=dict)
    """Sink → warnings given (`tradespan.queue.warnings`)."""
    metrics: tuple[Mapping[str, Any], ...] = ()
    """The agent's other instruments (`tradespan.spool.*`, `tradespan.forward.*`), as
    `describe_metrics` gives them."""


@dataclass(frozen=True, slots=True)
class Pill:
    """One place in the bar, ready to show."""

    key: str
    label: str
    value: str
    level: str
    """`good`, `warning`, `error` or `idle`."""
    href: str = ""
    title: str = ""
    """More than the bar has room for; empty: nothing."""
    at: int | None = None
    """Milliseconds since 1970 of the `HH:MM:SS UTC` that `value` holds; None: it holds none."""


@dataclass(frozen=True, slots=True)
class Recent:
    """What the store says about the last minutes."""

    last: int | None
    """End of the latest span, nanoseconds UTC."""
    traces: int
    errors: int
    """Traces with an error."""
    capped: bool = False
    """`traces` is a lower bound."""


def read_recent(store: Store, now: int) -> Recent:
    """Ask the store about the last five minutes."""
    last = store.summary().last
    if last is None or last < now - RECENT:
        return Recent(last, 0, 0)
    since = now - RECENT
    page = store.traces(TraceFilter(since=since, limit=1))
    failed = store.traces(TraceFilter(since=since, errors=True, limit=1)).total
    return Recent(last, page.total, failed, page.capped)


def compose_pills(status: Status, recent: Recent, now: int) -> list[Pill]:
    """The bar's pills, in order."""
    pills = [describe_bot(status, recent, now)]
    if (lag := status.write_lag) is not None:
        level = "error" if lag >= LAG_ERROR else "warning" if lag >= LAG_WARNING else "good"
        pills.append(Pill("lag", "Write lag", format_lag(lag), level))
    if (lost := describe_losses(status)) is not None:
        pills.append(lost)
    if status.backlogs or status.waiting is not None:
        pills.append(describe_spool(status))
    pills.append(describe_errors(recent))
    return pills


def describe_spool(status: Status) -> Pill:
    """How many wait, where most do, or the largest backlog that was warned of, and why."""
    if not status.backlogs:
        sink, most = max(status.undelivered.items(), key=lambda each: each[1], default=("", 0))
        if most > (status.waiting or 0):
            return Pill("spool", "Spool", f"{format_count(most)} wait for {sink}", "good")
        return Pill("spool", "Spool", f"{format_count(status.waiting or 0)} waiting", "good")
    worst = max(status.backlogs, key=lambda each: each.waiting)
    others = len(status.backlogs) - 1
    more = f" (and {format_count(others)} more)" if others else ""
    text = f"{format_count(worst.waiting)} wait for {worst.sink}{more}: {worst.cause}"
    title = "\n".join(each.sentence for each in status.backlogs)
    return Pill("spool", "Spool", text, "warning", title=title)


def describe_losses(status: Status) -> Pill | None:
    """Records that nobody gets, or of which nobody knows where they are; None if there are none."""
    unaccounted = _worst(status, TRADESPAN_SPOOL_UNACCOUNTED.name)
    errors = _worst(status, TRADESPAN_SPOOL_DISCARDED.name, lane=TradespanLane.ERROR)
    ordinary = _worst(status, TRADESPAN_SPOOL_DISCARDED.name, lane=TradespanLane.ORDINARY)
    parts = [(unaccounted, "unaccounted"), (errors, "errors discarded"), (ordinary, "discarded")]
    text = ", ".join(f"{format_count(count)} {word}" for count, word in parts if count)
    if not text:
        return None
    return Pill("lost", "Records", text, "error" if unaccounted or errors else "warning")


def _worst(status: Status, name: str, lane: str = "") -> int:
    """The largest sum of an instrument's series that one sink has."""
    sums: dict[str, int] = {}
    for metric in status.metrics:
        labels = metric["labels"]
        if metric["name"] == name and labels.get(TRADESPAN_LANE, "") == lane:
            sink = labels[TRADESPAN_SINK]
            sums[sink] = sums.get(sink, 0) + metric["value"]
    return max(sums.values(), default=0)


def describe_metrics(status: Status) -> list[dict[str, Any]]:
    """The agent's own instruments, as they stand now."""
    readings = (
        (TRADESPAN_QUEUE_UNDELIVERED, status.undelivered),
        (TRADESPAN_QUEUE_WARNINGS, status.warnings),
    )
    queues = [
        {
            "name": instrument.name,
            "kind": instrument.kind,
            "unit": instrument.unit,
            "labels": {TRADESPAN_SINK: sink},
            "value": value,
        }
        for instrument, values in readings
        for sink, value in sorted(values.items())
    ]
    return [*queues, *map(dict, status.metrics)]


def describe_death(status: Status) -> dict[str, Any] | None:
    """What the trace list says of the last death; None: there is nothing to say."""
    if not status.death:
        return None
    return {
        "text": status.death,
        "at": _milliseconds(status.death_at),
        "calls": status.death_title,
        "trace": status.death_trace,
    }


def _milliseconds(time: int | None) -> int | None:
    return None if time is None else time // 1_000_000


def describe_bot(status: Status, recent: Recent, now: int) -> Pill:
    if status.death:
        href = f"/trace/{status.death_trace}" if status.death_trace else ""
        at = _milliseconds(status.death_at)
        return Pill("bot", "Bot", status.death, "error", href, status.death_title, at)
    if status.bots:
        up = "running" if status.since is None else f"up {format_age(max(now - status.since, 0))}"
        return Pill("bot", "Bot" if status.bots == 1 else f"{status.bots} bots", up, "good")
    if recent.last is None:
        return Pill("bot", "Bot", "no spans yet", "idle")
    age = max(now - recent.last, 0)
    if status.bots == 0:
        return Pill("bot", "Bot", f"ended {format_age(age)} ago", "idle")
    level = "good" if age < QUIET_AFTER else "idle"
    return Pill("bot", "Last span", f"{format_age(age)} ago", level)


def format_lag(lag: int) -> str:
    return f"{lag / SECOND:.1f} s" if lag < 10 * SECOND else format_duration(lag)


def describe_errors(recent: Recent) -> Pill:
    href = "/traces?status=err&range=5m"
    if not recent.traces:
        return Pill("errors", "Errors 5 min", "no traces", "idle")
    if not recent.errors:
        return Pill("errors", "Errors 5 min", "none", "good")
    if recent.capped:
        return Pill("errors", "Errors 5 min", format_count(recent.errors), "error", href)
    share = 100 * recent.errors / recent.traces
    text = f"{share:.1f} %" if share >= 0.1 else "< 0.1 %"
    return Pill("errors", "Errors 5 min", text, "error", href)


SHARE_OF_TIME = 20
"""The store is asked again after this many times the time it took, and after a second at least."""


class StatusBoard:
    """Keeps the store's last answer for a while, so that many open tabs ask it once."""

    def __init__(self, known: Callable[[], Status], clock: Clock) -> None:
        self._known = known
        self._clock = clock
        self._lock = threading.Lock()
        self._recent: Recent | None = None
        self._good_until = 0

    def read(self, store: Store) -> tuple[Status, list[Pill], Recent]:
        """What the agent knows, and the pills, as of now."""
        with self._lock:
            asked = self._clock.monotonic()
            if self._recent is None or asked >= self._good_until:
                self._recent = read_recent(store, self._clock.wall())
                took = self._clock.monotonic() - asked
                self._good_until = asked + max(SECOND, SHARE_OF_TIME * took)
            recent = self._recent
        status = self._known()
        return status, compose_pills(status, recent, self._clock.wall()), recent
