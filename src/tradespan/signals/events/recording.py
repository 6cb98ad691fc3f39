"""An event becomes a log event of OpenTelemetry, and some types an entry of the audit log too.

Its data are attributes: those that the conventions know by their names there, others by their own.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any, Final

import msgspec

from tradespan.core import guard
from tradespan.core.records import Lane
from tradespan.declare.attributes import ATTRIBUTES
from tradespan.signals.audit.log import AUDIT
from tradespan.signals.events.counting import count_published
from tradespan.signals.events.declared import Declaration, declaration_of
from tradespan.signals.events.types import Event
from tradespan.signals.lines import declare_scope, write_line
from tradespan.signals.severity import is_known, number_of
from tradespan.signals.slot import SIGNALS
from tradespan.signals.summaries import summarise, summarise_data

SCOPE: Final = "tradespan.events"
SOURCE: Final = "tradespan.event.source"
EVENT_TIME: Final = "trading.event_time"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NEAR: Final = 60 * 10**9
"""Nanoseconds between an event's time and the clock's within which they are of one time."""
_site = 0


def record(event: Event) -> None:
    """Count an event and write it to the spool: it is in the page cache when this returns.

    Never raises: who subscribed is told all the same.
    """
    try:
        _record(event)
    except Exception as error:  # noqa: BLE001 - the host comes first
        guard.report("recording an event", error)


def _record(event: Event) -> None:
    declaration = declaration_of(event.event_type)
    count_published(declaration.name)
    spool = SIGNALS.spool
    if spool is None:
        return
    attributes = attributes_of(event, declaration)
    now = spool.clock.wall()
    time = nanoseconds_of(event.timestamp, now)
    if not now - _NEAR <= time <= now + _NEAR:
        # A backtest's: back ends refuse records of another year, and their order would be lost.
        attributes.setdefault(EVENT_TIME, time)
        time = now
    write_line(
        _scope(),
        event.name,
        time=time,
        severity=number_of(event.severity),
        severity_text=str(event.severity) if is_known(event.severity) else "info",
        attributes=attributes,
        event_name=declaration.name,
        lane=Lane.ERROR if declaration.audited else None,
    )
    if declaration.audited:
        AUDIT.note_event(event.name, event.source, event.data, declaration.category)


def attributes_of(event: Event, declaration: Declaration) -> dict[str, Any]:
    """The event's data by the names of the conventions, in their units, and its source."""
    attributes: dict[str, Any] = {SOURCE: event.source}
    fields = declaration.fields
    for key, value in summarise_data(event.data).items():
        known = fields.get(key)
        if known is None:
            attributes[key] = value
            continue
        fitted = _fit(value, *known)
        if fitted is not None:
            attributes[known[0]] = fitted
    data: Any = event.data
    error = data.get("error") if isinstance(data, dict) else None
    if isinstance(error, BaseException):
        attributes["error.type"] = type(error).__qualname__
        attributes["error.message"] = summarise(error).partition(": ")[2]
    return attributes


def _fit(value: Any, name: str, factor: float) -> Any:
    """A value as the conventions want it: of their type, in their unit and spelling; None: absent.

    What is no finite number is absent where one is wanted.
    """
    declared = ATTRIBUTES.get(name)
    wanted = "any" if declared is None else declared.type
    if value is None or wanted == "any":
        return value
    if wanted == "double":
        try:
            number = float(value) * factor  # a Decimal is a text by now
        except (TypeError, ValueError):
            return value
        return number if isfinite(number) else None
    if wanted != "string":
        return value
    text = value if type(value) is str else msgspec.json.encode(value).decode()
    lower = text.lower()
    return lower if declared is not None and lower in declared.members else text


def nanoseconds_of(moment: Any, now: int) -> int:
    """Since 1970, UTC; `now` for what is no time."""
    if not isinstance(moment, datetime):
        return now
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int((moment - _EPOCH) // _MICROSECOND) * 1_000


def _scope() -> int:
    global _site  # noqa: PLW0603 - declared once a process
    if not _site:
        _site = declare_scope(SCOPE)
    return _site
