"""Which loggers are recorded, and what is known of each: decided once a name."""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

from tradespan.config.model import LogsConfig
from tradespan.signals.lines import declare_scope
from tradespan.signals.logs.levels import LEVELS

MOST_LOGGERS = 2_000
"""Names that have a scope of their own; loggers beyond them (one an order?) share one."""
OVERFLOW = "logging.overflow"
OURS = "tradespan"
"""Our own loggers tell of recording: what they say is not recorded, or it would never end."""

Console = Literal["off", "auto", "on", "plain"]


class LoggerFacts(NamedTuple):
    """What is decided for one logger."""

    site: int
    """Its scope."""
    category: str
    recorded: bool
    shared: bool
    """Whether the scope is not its own: its name has to be told otherwise."""


class LogRules:
    """The settings in force, and what follows from them for each logger."""

    def __init__(self, logs: LogsConfig) -> None:
        self.level = LEVELS[logs.level]
        self.console: Console = logs.console
        self._exclude = logs.exclude
        # The longest prefix first: it says most.
        self._categories = sorted(
            ((name, str(category)) for name, category in logs.categories.items()),
            key=lambda each: -len(each[0]),
        )
        self._known: dict[str, LoggerFacts] = {}
        self._overflow: int | None = None

    def facts(self, name: str) -> LoggerFacts:
        """What is decided for a logger."""
        known = self._known.get(name)
        return self._learn(name) if known is None else known

    def _learn(self, name: str) -> LoggerFacts:
        recorded = not is_below(name, OURS) and not is_excluded(name, self._exclude)
        shared = recorded and len(self._known) >= MOST_LOGGERS
        if shared:
            if self._overflow is None:
                self._overflow = declare_scope(OVERFLOW)
            return LoggerFacts(self._overflow, self._category(name), recorded, shared)
        site = declare_scope(name) if recorded else 0
        facts = LoggerFacts(site, self._category(name), recorded, shared)
        return self._known.setdefault(name, facts)

    def _category(self, name: str) -> str:
        found = (each for prefix, each in self._categories if is_below(name, prefix))
        return next(found, "")


def is_below(name: str, prefix: str) -> bool:
    """Whether a logger's name is `prefix`, or begins with it and a dot."""
    return name == prefix or name.startswith(f"{prefix}.")


def is_excluded(name: str, patterns: tuple[re.Pattern[str], ...]) -> bool:
    """Whether a pattern matches the name, or a dotted prefix of it, as a whole."""
    if not patterns:
        return False
    ends = [place for place, each in enumerate(name) if each == "."] + [len(name)]
    return any(pattern.fullmatch(name, 0, end) for pattern in patterns for end in ends)


class InForce:
    """What is in force in this process."""

    __slots__ = ("rules",)

    def __init__(self) -> None:
        self.rules: LogRules | None = None
        """None: nothing is recorded."""


IN_FORCE: Final = InForce()
