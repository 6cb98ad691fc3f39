"""What has been read of each process of a run, in a file of its folder: who reads next goes on."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from tradespan.core.records import Resource
from tradespan.forward.writerpoints import WriterMemory
from tradespan.pages.locks import is_held
from tradespan.spool.folder import READINGS, RunFolder, read_json, replace_json
from tradespan.wire.codec import decode_resource, encode_record

NOBODY: Final = "0" * 32
"""Writer of a folded page: what is in it has been read when its processes ended."""


@dataclass(slots=True)
class ReadingState:
    """Of one run's folder."""

    writers: dict[str, WriterMemory] = field(default_factory=dict)
    resources: dict[str, Resource] = field(default_factory=dict)
    """Writer → what its points say of it, the same from the first to the last."""

    def memory(self, writer: str) -> WriterMemory:
        """What is known of one process."""
        return self.writers.setdefault(writer, WriterMemory())

    def is_finished(self, writer: str) -> bool:
        """Whether a process's last reading is safe."""
        known = self.writers.get(writer)
        return known is not None and known.finished

    def forget_others(self, present: Collection[str]) -> None:
        """Keep those whose pages are there still."""
        for writer in self.writers.keys() - set(present):
            del self.writers[writer]
            self.resources.pop(writer, None)


def unread_pages(folder: RunFolder, state: ReadingState) -> list[Path]:
    """Pages of processes that have had no last reading; none where nobody has read any.

    A process that said it ends, and lives, counts in another run since.
    """
    if not state.writers:
        return []
    return [
        path
        for path in folder.metric_pages()
        if (writer := path.name.partition(".")[0]) != NOBODY
        and not ((known := state.writers.get(writer)) and (known.finished or known.was_ended))
    ]


def is_counted_in(page: Path) -> bool:
    """Whether the process of a page lives."""
    try:
        return is_held(page)
    except OSError:
        return False


def load_state(folder: Path) -> ReadingState:
    """What the file says; what in it is none is left out."""
    state = ReadingState()
    told = (read_json(folder / READINGS) or {}).get("writers")
    for writer, entry in told.items() if isinstance(told, dict) else ():
        # Bytes of a file may be anything.
        with suppress(AttributeError, KeyError, TypeError, ValueError, msgspec.DecodeError):
            ends = {str(name): int(end) for name, end in entry["ends"].items()}
            memory = WriterMemory(
                int(entry["read"]), ends, bool(entry["finished"]), bool(entry["ended"])
            )
            if resource := entry.get("resource"):
                state.resources[writer] = decode_resource(bytes.fromhex(resource))
            state.writers[writer] = memory
    return state


def save_state(folder: Path, state: ReadingState) -> None:
    """Write the file.

    Raises:
        OSError: It cannot be written.
    """
    replace_json(folder / READINGS, {"writers": {w: _entry(state, w) for w in state.writers}})


def _entry(state: ReadingState, writer: str) -> dict[str, Any]:
    memory, resource = state.writers[writer], state.resources.get(writer)
    return {
        "read": memory.read_at,
        "ends": memory.ends,
        "finished": memory.finished,
        "ended": memory.was_ended,
        "resource": encode_record(resource).hex() if resource is not None else "",
    }
