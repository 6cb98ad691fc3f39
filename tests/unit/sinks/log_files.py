"""What stands in a file of lines whose messages are numbers."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from tradespan.sinks.rotation import find_backups


def messages(path: Path) -> list[int]:
    """What stands in the file and in all that was rotated from it."""
    found = b""
    for each in [*(backup.path for backup in find_backups(path)), path]:
        found += gzip.decompress(each.read_bytes()) if each.suffix == ".gz" else each.read_bytes()
    return [int(json.loads(line)["message"]) for line in found.splitlines()]
