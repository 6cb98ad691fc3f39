"""Raw values with their origin, before anything is decided: the common form of all sources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple

from tradespan.config.kinds import Place


class Layer(IntEnum):
    """Who said it; a higher layer wins."""

    DEFAULT = 0
    FILE = 1
    PROFILE = 2
    """`[environments.NAME]` of the settings file."""
    ENVIRONMENT = 3
    ARGUMENT = 4
    """Code, or the command line."""


class Entry(NamedTuple):
    """One value as somebody gave it."""

    key: str
    raw: object
    layer: Layer
    origin: str
    """`argument service`, `environment TRADESPAN_SERVICE`, `tradespan.toml:12 service.name`."""
    base: Path
    """What a relative path in it is relative to."""
    otel: bool = False
    """The text of an `OTEL_*` variable, to be read by the specification's rules."""


class Layers(NamedTuple):
    """All that was said, and what is needed to read it."""

    entries: Mapping[str, tuple[Entry, ...]]
    """By key; of the entries of one layer, the first counts."""
    place: Place
    """Working directory and home directory."""
    state: Path
    """The folder for programs' state, `$XDG_STATE_HOME`."""
    file: Path | None = None
    """The settings file that was read."""
    warnings: tuple[str, ...] = ()

    def find(self, key: str) -> list[Entry]:
        """The entries of a key, the one that counts most first."""
        return sorted(self.entries.get(key, ()), key=lambda entry: -entry.layer)

    def add(self, entries: Iterable[Entry]) -> Layers:
        """A copy in which these count more than those of their layer that are there."""
        return self._replace(entries=group_entries([*entries, *self.listed()]))

    def listed(self) -> list[Entry]:
        """All entries, in the order of their keys' first appearance."""
        return [entry for entries in self.entries.values() for entry in entries]


class Value(NamedTuple):
    """What a setting came out as."""

    value: Any
    layer: Layer
    origin: str


def group_entries(entries: Iterable[Entry]) -> dict[str, tuple[Entry, ...]]:
    """Entries by key, the order within a key kept."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.key, []).append(entry)
    return {key: tuple(group) for key, group in groups.items()}


def find_near(name: str, known: Iterable[str]) -> str | None:
    """The known name that looks most like `name`; None if none does."""
    import difflib  # optional extra: only a slip of the pen needs it, and the supervisor is small

    candidates = list(known)
    near = difflib.get_close_matches(name, candidates, n=1, cutoff=0.6)
    if not near:
        # `port` for `ui.port`: the last part of a dotted key is what people remember.
        last = {candidate.rpartition(".")[2]: candidate for candidate in reversed(candidates)}
        near = [last[part] for part in difflib.get_close_matches(name, last, n=1, cutoff=0.8)]
    return near[0] if near else None
