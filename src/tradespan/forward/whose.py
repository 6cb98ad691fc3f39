"""Whose a metric page is: its resource, and when its process ended."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

from tradespan.core.described import describe_installation
from tradespan.core.errors import SpoolError
from tradespan.core.records import Resource
from tradespan.declare.names import TRADING_MODE
from tradespan.forward.orphans import as_number
from tradespan.pages.measured import PageFacts
from tradespan.spool.folder import RunFolder
from tradespan.spool.reader import SegmentReader

_INSTANCE, _PROCESS = "service.instance.id", "process.pid"


def find_resource(folder: RunFolder, page: PageFacts) -> Resource:
    """What a process says of itself in its segments; the run's own facts where it has none."""
    for name in folder.segments():
        if name.writer == page.writer:
            with suppress(OSError, SpoolError):
                reader = SegmentReader(folder.path / str(name), learn_sites=False)
                reader.close()
                return reader.origin.resource
    told = folder.description
    # The run is of this machine, and of this installation as a rule.
    facts: dict[str, Any] = {**describe_installation()}
    if isinstance(known := told.get("resource"), dict):
        facts.update(known)
    facts.setdefault("service.name", str(told.get("service") or "unknown_service"))
    if told.get("mode"):
        facts.setdefault(TRADING_MODE, str(told["mode"]))
    own = {_PROCESS: page.process_id, _INSTANCE: str(UUID(hex=page.writer))}
    return Resource(facts | own)


def when_ended(folder: RunFolder, page: PageFacts, now: int) -> int:
    """When a process ended that is gone, nanoseconds, UTC: as its supervisor said, else when it
    touched its pages last, as far as the file system tells (with half a minute's grain); not later
    than now. So what it had does not reach into the life of the one that came after it.
    """
    ended = folder.ended or {}
    if ended.get("pid") == page.process_id:
        told = int(as_number(ended.get("time")) * 1e9)
        return told if 0 < told < now else now
    signs = []
    for path in folder.metric_pages():
        if path.name.startswith(page.writer):
            with suppress(OSError):
                signs.append(path.stat().st_mtime_ns)
    return min(max(signs, default=now), now)
