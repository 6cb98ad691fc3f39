"""What a process left that was killed while it made a segment: up to 16 MiB for nothing."""

from __future__ import annotations

import logging
from contextlib import suppress

from tradespan.spool.folder import RunFolder
from tradespan.spool.names import SegmentName

logger = logging.getLogger("tradespan")


def remove_unfinished(folder: RunFolder) -> None:
    """Delete segments that never got their names, of writers that are known to be dead.

    Nothing of them was ever acknowledged: a record goes into a segment that has its name.
    """
    begun = [(entry, SegmentName.parse(entry[1:])) for entry in folder.entries() if entry[0] == "."]
    if not any(name for _, name in begun):
        return
    dead = {page.writer for page in folder.pages() if not page.alive}
    for entry, name in begun:
        if name is not None and name.writer in dead:
            with suppress(OSError):
                (folder.path / entry).unlink()
                logger.info("%s: removed %s, which was never finished", folder.path.name, entry)
