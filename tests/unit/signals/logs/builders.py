"""Capture of logs with settings, and what it wrote."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.captured import CapturedLine, capture, read_lines
from tradespan.config import resolve_config
from tradespan.signals.logs.capture import LOGS
from tradespan.wire.log_lines import line_fields


def make_logger(name: str, handler: logging.Handler | None = None) -> logging.Logger:
    """A logger that lets everything through to one handler; nobody else finds it."""
    logger = logging.Logger(name, logging.DEBUG)  # noqa: LOG001 - pytest gives others a handler
    logger.addHandler(handler or logging.NullHandler())
    return logger


class Logged:
    """What was recorded so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def lines(self) -> list[CapturedLine]:
        """All of it, by time."""
        return sorted(read_lines(self.folder), key=lambda line: line.record.observed_time)

    @property
    def messages(self) -> list[Any]:
        return [line.record.body for line in self.lines]

    @property
    def only(self) -> CapturedLine:
        (line,) = self.lines
        return line

    @property
    def fields(self) -> Mapping[str, Any]:
        """The only line, as it stands in a file."""
        return line_fields(self.only.record, self.only.scope, self.only.resource.attributes)


@contextmanager
def logged(folder: Path, *, strict: bool = True, **settings: Any) -> Iterator[Logged]:
    """Record what is logged while the block runs; `settings` of `[logs]`."""
    given = {f"logs.{name}": value for name, value in settings.items()}
    config = resolve_config(given, environ={"HOME": str(folder)}, directory=folder)
    with capture(folder, strict=strict):
        LOGS.start(config.logs)
        try:
            yield Logged(folder)
        finally:
            LOGS.stop()
