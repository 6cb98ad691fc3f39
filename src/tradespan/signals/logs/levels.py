"""Levels of `logging` by the names that settings, structlog and files have for them."""

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


def level_named(name: str) -> int:
    """The number in `logging` of a level's or a method's name; INFO if nobody knows it."""
    word = name.lower()
    return LEVELS.get(OTHER_NAMES.get(word, word), 20)
