"""Levels of `logging`, as OpenTelemetry's SeverityNumber and for comparison."""

from __future__ import annotations

from collections.abc import Mapping

LEVELS: Mapping[str, int] = {
    "debug": 10,
    "info": 20,
    "warning": 30,
    "error": 40,
    "critical": 50,
}
"""Name → number in `logging`. Also of the methods of structlog's loggers; others are below."""

OTHER_NAMES: Mapping[str, str] = {
    "warn": "warning",
    "exception": "error",
    "err": "error",
    "fatal": "critical",
    "failure": "error",
    "msg": "info",
    "notset": "debug",
}

_BASES = ((50, 21), (40, 17), (30, 13), (20, 9), (10, 5), (0, 1))
"""Level → the first SeverityNumber of its range of four."""


def severity_of(level: int) -> int:
    """SeverityNumber, 1 to 24, of a level of `logging`.

    Levels between two of Python's own lie between their numbers, as in OpenTelemetry's SDK: 35 is
    WARN4. From 53 on it is 24.
    """
    for least, number in _BASES:
        if level >= least:
            return number + min(level - least, 3)
    return 1


def level_named(name: str) -> int:
    """The number in `logging` of a level's or a method's name; INFO if nobody knows it."""
    word = name.lower()
    return LEVELS.get(OTHER_NAMES.get(word, word), 20)
