"""Lines for people on standard error, where the settings ask for them."""

from __future__ import annotations

import logging
import sys
from time import localtime, strftime
from typing import Final

from opentelemetry.trace import get_current_span

from tradespan.capture.attributes import clean_attribute, clean_value
from tradespan.config.terminal import is_terminal, wants_colours
from tradespan.core.records import LogRecord
from tradespan.signals.logs.extras import LineFields
from tradespan.signals.logs.rules import Console
from tradespan.signals.logs.text import format_line
from tradespan.wire.log_lines import line_fields


class ConsoleLines:
    """What is shown, by `mode` (the setting `logs.console`)."""

    def __init__(self) -> None:
        self.mode: Console = "off"

    def show(
        self,
        logger: logging.Logger | None,
        name: str,
        fields: LineFields,
        *,
        time: int,
        level_name: str,
    ) -> bool:
        """Show a line, redacted. Returns whether it stands in for Python's handler of last resort.

        As with any handler for the console: a terminal that is held up holds up who writes there.
        """
        stream = sys.stderr
        if stream is None:
            return False
        alone = logger is not None and not logger.hasHandlers()
        if self.mode == "auto" and not (alone and is_terminal(stream)):
            return False
        context = get_current_span().get_span_context()
        record = LogRecord(
            0,
            time,
            severity_text=level_name,
            body=clean_value(fields.message, None),
            attributes={k: clean_attribute(k, v, None) for k, v in fields.attributes.items()},
            trace_id=context.trace_id.to_bytes(16, "big") if context.trace_id else b"",
            event_name=fields.event,
        )
        colours = self.mode != "plain" and wants_colours(stream)
        line = format_line(line_fields(record, name, {}), format_clock(time), colours=colours)
        # In one call, so that lines of threads stay whole.
        stream.write(f"{line}\n")
        return alone


def format_clock(nanoseconds: int) -> str:
    """The time of day here, with milliseconds."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{strftime('%H:%M:%S', localtime(seconds))}.{rest // 1_000_000:03d}"


CONSOLE: Final = ConsoleLines()
"""The process's own."""
