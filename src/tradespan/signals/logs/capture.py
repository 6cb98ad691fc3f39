"""Records of `logging`, as they are logged.

`Logger.callHandlers` is what every record passes that a logger lets through, once, whatever
handlers there are; it is wrapped, as long as we record. A handler of ours on the root logger would
do less and change more: `basicConfig()` does nothing where the root has one, Python's own warnings
on standard error would stop, `dictConfig()` removes it, and loggers that do not propagate never
reach it. So the program's handlers, levels and output are what they would be without us.

No lock is held here; user code (`__str__` of arguments) runs as it would in a handler.
"""

from __future__ import annotations

import logging
import threading
from typing import Any, Final

from tradespan.config.model import LogsConfig
from tradespan.core import guard
from tradespan.core.interruptions import is_hosts
from tradespan.signals.logs.console import CONSOLE
from tradespan.signals.logs.extras import LineFields, add_extras
from tradespan.signals.logs.failures import failure_attributes
from tradespan.signals.logs.rules import IN_FORCE, LoggerFacts, LogRules
from tradespan.signals.logs.structured import read_structured
from tradespan.signals.logs.writing import write_fields

_MAIN = "MainThread"
_DEEPEST = 4
"""Records that are logged while one is being recorded, by `__str__` of its arguments, and so on."""


class _Depth(threading.local):
    depth = 0


class LogCapture:
    """What is recorded of `logging`."""

    def __init__(self) -> None:
        self._inside = _Depth()
        self._bare: Any = None
        self._wrapper: Any = None

    def start(self, logs: LogsConfig) -> None:
        """Begin to record, as the settings say."""
        if not logs.capture:
            return
        IN_FORCE.rules = LogRules(logs)
        CONSOLE.mode = logs.console
        # It may have been put back by somebody who wrapped it, too, and went.
        if self._bare is None or logging.Logger.callHandlers is self._bare:
            self._bare = logging.Logger.callHandlers
            self._wrapper = _wrap(self._bare, self.take)
            logging.Logger.callHandlers = self._wrapper  # type: ignore[method-assign]

    def stop(self) -> None:
        """Record no more. The wrapper stays, idle, where somebody else has wrapped it since."""
        IN_FORCE.rules = None
        CONSOLE.mode = "off"
        if self._bare is not None and logging.Logger.callHandlers is self._wrapper:
            logging.Logger.callHandlers = self._bare  # type: ignore[method-assign]
            self._bare = self._wrapper = None

    def take(self, logger: logging.Logger, record: logging.LogRecord) -> bool:
        """Record one; it is in the page cache when this returns. Raises nothing of ours.

        Returns whether it was shown in the stead of handlers, of which there are none.
        """
        rules = IN_FORCE.rules
        if rules is None or record.levelno < rules.level:
            return False
        inside = self._inside
        if inside.depth >= _DEEPEST:
            return False
        inside.depth += 1
        try:
            facts = rules.facts(record.name)
            return facts.recorded and _record(logger, record, facts)
        except Exception as error:  # noqa: BLE001 - the host comes first
            guard.report("recording what was logged", error)
            return False
        finally:
            inside.depth -= 1


def _wrap(bare: Any, take: Any) -> Any:
    def callHandlers(self: logging.Logger, record: logging.LogRecord) -> None:  # noqa: N802
        if not take(self, record):
            bare(self, record)

    return callHandlers


def _record(logger: logging.Logger, record: logging.LogRecord, facts: LoggerFacts) -> bool:
    fields = LineFields(format_message(record))
    if read_structured(record, fields):
        return False
    add_extras(record, fields)
    attributes = fields.attributes
    attributes["code.file.path"] = record.pathname
    attributes["code.line.number"] = record.lineno
    if record.funcName:
        attributes["code.function.name"] = record.funcName
    if record.threadName and record.threadName != _MAIN:
        attributes["thread.name"] = record.threadName
    if record.exc_info or record.exc_text or record.stack_info:
        attributes.update(failure_attributes(record.exc_info, record.exc_text, record.stack_info))
    return write_fields(
        logger,
        record.name,
        facts,
        fields,
        time=int(record.created * 1e9),
        level=record.levelno,
        level_name=record.levelname,
    )


def format_message(record: logging.LogRecord) -> str:
    """What `%`-formatting gives; arguments that cannot be shown are named, and cost nothing."""
    try:
        return str(record.getMessage())
    except BaseException as error:
        if is_hosts(error):
            raise
        said = record.msg if type(record.msg) is str else f"<{type(record.msg).__name__}>"
        return f"{said} (not formatted: {type(error).__name__})"


LOGS: Final = LogCapture()
"""The process's own."""
