"""How bad something is: six words, and OpenTelemetry's numbers for them.

Events, log lines and alerts use this table and no other.

Source: OpenTelemetry, logs data model, "Severity Fields" and its appendix B. Python's CRITICAL is
FATAL there; EMERGENCY is the scale's end, FATAL4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tradespan.declare import events as declared

SEVERITIES: Final[Mapping[str, int]] = declared.SEVERITIES
"""SeverityNumber by word, rising."""
DEBUG, INFO, WARNING, ERROR, CRITICAL, EMERGENCY = SEVERITIES.values()

_OTHER_WORDS: Final[Mapping[str, int]] = {
    "trace": 1,
    "notice": 10,
    "warn": WARNING,
    "err": ERROR,
    "exception": ERROR,
    "alert": 22,
    "crit": CRITICAL,
    "fatal": CRITICAL,
    "panic": EMERGENCY,
    "emerg": EMERGENCY,
}
_STEPS: Final = (1, DEBUG, INFO, WARNING, ERROR, CRITICAL)
"""Where `logging`'s levels 0, 10, … 50 begin."""


def number_of(severity: object) -> int:
    """The SeverityNumber of a word, whatever its case, or of a number from 1 to 24.

    What is neither is INFO: a misspelt severity loses no event.
    """
    if isinstance(severity, str):
        known = SEVERITIES.get(severity)
        if known is not None:
            return known
        word = severity.lower()
        return SEVERITIES.get(word) or _OTHER_WORDS.get(word, INFO)
    if isinstance(severity, int) and 1 <= severity <= 24:
        return int(severity)
    return INFO


def is_known(severity: object) -> bool:
    """Whether `number_of` understands it, or takes it as INFO because it does not."""
    if isinstance(severity, str):
        return severity in SEVERITIES or severity.lower() in {*SEVERITIES, *_OTHER_WORDS}
    return isinstance(severity, int) and 1 <= severity <= 24


def name_of(number: int) -> str:
    """The word of a SeverityNumber: `warning` for 13 to 16, `debug` for all below 9."""
    found = "debug"
    for name, least in SEVERITIES.items():
        if number >= least:
            found = name
    return found


def number_of_level(level: int) -> int:
    """The SeverityNumber of one of `logging`'s levels; those between two get the finer numbers.

    25 is INFO4, 50 FATAL, all from 53 up FATAL4, those below 10 TRACE to TRACE4.
    """
    if level <= 0:
        return 1
    tens, rest = divmod(min(level, 59), 10)
    return _STEPS[tens] + min(rest, 3)


def level_of(number: int) -> int:
    """The level of `logging` that a SeverityNumber passes as: 40 for 17 to 20, at most 50."""
    return min(max((number - 1) // 4, 1) * 10, 50)
