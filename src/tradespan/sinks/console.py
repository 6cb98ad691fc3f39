"""Prints a line a span: time (UTC), duration, status, trace, name, values."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TextIO

from tradespan.core.delivery import Accepted, Batch, Outcome
from tradespan.core.records import Site, Span
from tradespan.wire.attributes import captured_attributes, span_name


class ConsoleSink:
    """For looking at what is recorded; a stream that is closed or full is passed over."""

    name = "console"

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr  # the bot's output stays the bot's

    def deliver(self, batch: Batch[Span]) -> Outcome:
        """Print a batch."""
        for part in batch.slices:
            for span in part.records:
                site = part.sites.get(span.site) or Site(span.site, "")
                try:
                    print(describe_span(site, span), file=self._stream, flush=True)
                except (OSError, ValueError):
                    return Accepted()
        return Accepted()

    def close(self) -> None: ...


def describe_span(site: Site, span: Span) -> str:
    """The span on one line of ASCII, whatever is in it."""
    clock = datetime.fromtimestamp(span.start // 10**9, UTC).strftime("%H:%M:%S")
    values = captured_attributes(site, span) | (span.attributes or {})
    shown = "".join(f" {key.rpartition('.')[2]}={value}" for key, value in values.items())
    line = f"{span.trace_id.hex()[:8]} {span_name(site, span)}{shown} {span.status_message}"
    status = ("-", "OK", "ERR", "-")[span.status]
    text = f"{clock}.{span.start // 1000 % 10**6:06} {span.duration / 1e6:10.3f} ms {status:3} "
    return text + line.rstrip().encode("unicode_escape").decode()
