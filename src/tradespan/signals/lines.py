"""One log line, or one event, becomes a record: redacted, with the current span's ids.

Loggers, the event bus and the audit log write through here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.trace import get_current_span

from tradespan.capture.attributes import clean_attribute, clean_value
from tradespan.core import guard
from tradespan.core.records import LEAST_ERROR, Kind, Lane
from tradespan.signals.slot import SIGNALS
from tradespan.spool.layout import PayloadTooLong
from tradespan.wire.codec import mend
from tradespan.wire.cut import cut_log_to_fit
from tradespan.wire.sites import SITES

_LOG = int(Kind.LOG)


def declare_scope(name: str, version: str = "") -> int:
    """The site of an instrumentation scope, such as a logger's name: once, and kept."""
    return SITES.declare((name, version, ""))


def write_line(
    site: int,
    body: Any,
    *,
    time: int,
    severity: int,
    severity_text: str = "",
    attributes: Mapping[str, Any] | None = None,
    event_name: str = "",
    lane: Lane | None = None,
) -> bool:
    """Write a line; it is in the page cache when this returns. Never raises.

    Args:
        site: Its scope, from `declare_scope`.
        body: Text as a rule; whatever it is, secrets in it are hidden.
        time: When it happened, nanoseconds UTC.
        severity: OpenTelemetry's SeverityNumber, 1 to 24.
        severity_text: As its source calls it.
        attributes: Secrets among them are hidden, by name and by look.
        event_name: Of an event; empty: a log line.
        lane: The error lane from ERROR up, if left out.

    Returns:
        Whether it is safe. False: tradespan is not configured, or it was counted as discarded.
    """
    spool = SIGNALS.spool
    if spool is None:
        return False
    if lane is None:
        lane = Lane.ERROR if severity >= LEAST_ERROR else Lane.ORDINARY
    row = spool.lanes[int(lane)]
    try:
        context = get_current_span().get_span_context()
        held = {key: clean_attribute(key, each, None) for key, each in (attributes or {}).items()}
        fields = (
            site,
            time,
            spool.clock.wall(),
            severity,
            severity_text,
            clean_value(body, None),
            held or None,
            context.trace_id.to_bytes(16, "big") if context.trace_id else b"",
            context.span_id,
            int(context.trace_flags),
            event_name,
        )
        try:
            row.record(_LOG, site, fields)
        except (PayloadTooLong, UnicodeEncodeError, OverflowError):
            row.record(_LOG, site, tuple(cut_log_to_fit(mend(fields))))
    except Exception as error:  # noqa: BLE001 - the host comes first
        row.count_discarded("unencodable")
        guard.report("recording a log line", error)
        return False
    return True
