"""From the fields of a line to a record in the spool, and to people."""

from __future__ import annotations

import logging

from tradespan.signals.lines import write_line
from tradespan.signals.logs.console import CONSOLE
from tradespan.signals.logs.extras import LineFields
from tradespan.signals.logs.rules import LoggerFacts
from tradespan.signals.severity import number_of_level
from tradespan.wire.log_lines import CATEGORY, TAGS


def write_fields(
    logger: logging.Logger | None,
    name: str,
    facts: LoggerFacts,
    fields: LineFields,
    *,
    time: int,
    level: int,
    level_name: str,
) -> bool:
    """Write a line; it is in the page cache when this returns.

    Args:
        logger: Who logs, in `logging`; None: somebody else.
        name: Its name.
        facts: What is decided for it.
        fields: The line.
        time: Nanoseconds, UTC.
        level: In the numbers of `logging`.
        level_name: As `logging` calls it.

    Returns:
        Whether the console shows it in the stead of handlers, of which there are none.
    """
    attributes = fields.attributes
    if facts.shared:
        attributes["logger.name"] = name
    category = fields.category or facts.category
    if category:
        attributes[CATEGORY] = category
    if fields.tags:
        attributes[TAGS] = fields.tags
    write_line(
        facts.site,
        fields.message,
        time=time,
        severity=number_of_level(level),
        severity_text=level_name,
        attributes=attributes,
        event_name=fields.event,
    )
    if CONSOLE.mode == "off":
        return False
    return CONSOLE.show(logger, name, fields, time=time, level_name=level_name)
