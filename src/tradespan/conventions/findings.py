"""What deviates from the declarations: each kind of deviation once, counted, with an example."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

MOST_FINDINGS = 1_000
"""Different ones that are kept; of others it is only known that there are more."""
MOST_TEXT = 120
"""Characters of a value or a place that are shown."""


class Level(IntEnum):
    """How bad, as the live check of OpenTelemetry's weaver has it."""

    VIOLATION = 0
    """It breaks a declaration: dashboards, rules and queries by the names miss it."""
    IMPROVEMENT = 1
    """It can be used, and would be better otherwise."""
    INFORMATION = 2
    """Worth to know."""


@dataclass(slots=True)
class Finding:
    """One kind of deviation."""

    level: Level
    rule: str
    """`unknown_attribute` …: for programs."""
    name: str
    """Of the attribute, the instrument or the event."""
    message: str
    near: str = ""
    """The declared name, value or unit that may be meant."""
    count: int = 1
    example: str = ""
    """Where it was met first."""

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "level": self.level.name.lower(),
            "rule": self.rule,
            "name": self.name,
            "message": self.message,
            "near": self.near or None,
            "count": self.count,
            "example": self.example,
        }


class Findings:
    """All of them; as many as are kept, however much is looked at."""

    def __init__(self, most: int = MOST_FINDINGS) -> None:
        self._most = most
        self._kept: dict[tuple[str, str, str], Finding] = {}
        self.further = 0
        """Deviations of further kinds."""
        self.further_violations = 0

    def seen(self, rule: str, name: str, detail: str = "") -> bool:
        """Count one more of a kind that is kept already; False: it is none."""
        finding = self._kept.get((rule, name, detail))
        if finding is None:
            return False
        finding.count += 1
        return True

    def pass_over(self, level: Level) -> bool:
        """Count one of a further kind if there is room for no more; False: there is room."""
        if len(self._kept) < self._most:
            return False
        self.further += 1
        self.further_violations += level is Level.VIOLATION
        return True

    def add(self, finding: Finding, detail: str = "") -> None:
        """The first one of a kind; `detail` is what tells it from others of its rule and name."""
        self._kept[finding.rule, finding.name, detail] = finding

    def ranked(self) -> list[Finding]:
        """Worst first, then the most frequent."""
        return sorted(self._kept.values(), key=lambda f: (f.level, -f.count, f.rule, f.name))

    def count(self, level: Level) -> int:
        """Deviations of a level."""
        kept = sum(each.count for each in self._kept.values() if each.level is level)
        return kept + (self.further_violations if level is Level.VIOLATION else 0)


def shorten(text: object) -> str:
    """What fits into a line."""
    told = str(text)
    return told if len(told) <= MOST_TEXT else f"{told[: MOST_TEXT - 1]}…"
