"""Where a sink's cursor lives if the sink has no place of its own: a file in the run's folder."""

from __future__ import annotations

import logging
from pathlib import Path

from tradespan.core.delivery import Cursor
from tradespan.spool.folder import read_json, replace_json

logger = logging.getLogger("tradespan")


class FileCursors:
    """`cursor-<sink>.json`, replaced as one step after the sink accepted."""

    def __init__(self, sink: str) -> None:
        self._name = f"cursor-{sink}.json"

    def load(self, folder: str) -> Cursor:
        """The cursor of one run's folder; an empty one if there is none, or none that is whole.

        Then everything that is still there is sent again: at least once, never less.
        """
        path = Path(folder) / self._name
        content = read_json(path)
        try:
            if content is not None:
                return Cursor.from_json(content)
        except (AttributeError, TypeError, ValueError):
            content = None
        if path.exists():
            logger.warning("%s is not a cursor: what is in the folder will be sent again", path)
        return Cursor()

    def save(self, folder: str, cursor: Cursor) -> None:
        """Replace the cursor.

        Raises:
            OSError: The folder cannot be written.
        """
        replace_json(Path(folder) / self._name, cursor.to_json())
