"""What the settings' patterns would do to functions: looked at, and nothing changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from types import ModuleType

from tradespan.config import Config
from tradespan.instrument.auto.names import Selection, all_names, why_left_alone
from tradespan.instrument.auto.patch import (
    WATCHED_ALREADY,
    Found,
    functions_of_module,
    is_left_alone,
    obstacle,
)
from tradespan.instrument.auto.rulebook import watch_by
from tradespan.instrument.auto.written import BY_HAND, Written
from tradespan.instrument.options import Watch

WATCHED, SKIPPED, LEFT_ALONE = "watched", "skipped", "left alone"
EXCLUDED = "excluded"
_AS_DEFINED = "as it is defined"


@dataclass(frozen=True, slots=True)
class Row:
    """One function that a pattern names."""

    name: str
    what: str
    """`watched`, `skipped` (it cannot be) or `left alone` (it is not to be)."""
    why: str
    """Of skipped ones and those left alone; of watched ones what is particular."""
    patterns: tuple[str, ...]
    """Those that select it."""
    watch: Watch | None = None
    """Its options, if it is watched by them."""


@dataclass(slots=True)
class Tally:
    """What one pattern comes to."""

    pattern: str
    setting: str
    """`include`, `exclude` or `instrument`."""
    origin: str
    functions: int = 0
    """How many it matches; of an exclusion, how many it takes away."""
    watched: int = 0
    near: list[str] = field(default_factory=list)
    """Names that look like it, if it matches nothing."""


class Survey:
    """The patterns of one config, and what they come to."""

    def __init__(self, config: Config) -> None:
        self.rows: list[Row] = []
        self.packages: dict[str, str] = {}
        """Package that is left alone as a whole → what it is."""
        self.selection = Selection(
            tuple(dict.fromkeys([*config.include, *(rule.pattern for rule in config.instrument)])),
            config.exclude,
        )
        self._config = config
        self._script = ""
        self._seen: set[object] = set()
        origins = {pattern: ("instrument", rule.origin)
                   for rule in config.instrument for pattern in [rule.pattern]}  # fmt: skip
        origins |= {pattern: ("include", config.origin("include")) for pattern in config.include}
        self._tallies = {p: Tally(p.pattern, *origins[p]) for p in self.selection.include}
        where = config.origin("exclude")
        self._exclusions = {
            pattern: Tally(pattern.pattern, "exclude", where) for pattern in config.exclude
        }

    def look_at_module(self, module: ModuleType, name: str) -> None:
        """Judge what an imported module defines, if a pattern may select in it."""
        if self.selection.may_select_in(name):
            for found in functions_of_module(module, name, name):
                self._look_at(found, found.function or found.name)
        elif self.selection.reaches(name):
            package = name.partition(".")[0]
            self.packages[package] = why_left_alone(package)

    def look_at_program(self, program: Written, known_as: str) -> None:
        """Judge what a program would define; `known_as`: its name in patterns."""
        self._script = known_as
        for found, decorator in program.functions():
            given = f", if @{decorator} gives a function" if decorator else ""
            self._look_at(found, found.name, f"{_AS_DEFINED}{given}")

    def tallies(self) -> list[Tally]:
        """One of each pattern; near names for those that match nothing."""
        for pattern, tally in self._tallies.items():
            if not tally.functions:
                tally.near = self.selection.hints(pattern)
        return [*self._tallies.values(), *self._exclusions.values()]

    def _look_at(self, found: Found, key: object, particular: str = "") -> None:
        if key in self._seen:
            return
        self._seen.add(key)
        names = all_names(found.name, self._script)
        self.selection.selects(*names)  # which keeps near names, too
        chosen = self.selection.choosing(*names)
        if not chosen:
            return
        patterns = tuple(pattern.pattern for pattern in chosen)
        for pattern in chosen:
            self._tallies[pattern].functions += 1
        if (excluding := self.selection.excluding(*names)) is not None:
            self._exclusions[excluding].functions += 1
            why = f"{EXCLUDED} by {excluding.pattern}"
            self.rows.append(Row(found.name, LEFT_ALONE, why, patterns))
            return
        what, why = self._judge(found)
        for pattern in chosen:
            self._tallies[pattern].watched += what == WATCHED
        watch = None
        if what == WATCHED and not why:
            watch, why = watch_by(self._config, names, []), particular
        self.rows.append(Row(found.name, what, why, patterns, watch))

    def _judge(self, found: Found) -> tuple[str, str]:
        function = found.function
        if found.reason == BY_HAND:
            return WATCHED, BY_HAND
        if function is None or is_left_alone(found, self.selection.names):
            return LEFT_ALONE, found.reason
        reason = obstacle(function)
        if reason == WATCHED_ALREADY:
            return WATCHED, BY_HAND
        return (SKIPPED, reason) if reason else (WATCHED, "")


def counts_of(rows: Iterable[Row]) -> dict[str, int]:
    """How many are what; each word is there."""
    counts = {WATCHED: 0, SKIPPED: 0, LEFT_ALONE: 0}
    for row in rows:
        counts[row.what] += 1
    return counts
