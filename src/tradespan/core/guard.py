"""Nothing of ours reaches the trading code: one place catches, counts, and logs sparingly.

Source: the rule is DESIGN 4.1. A cause is the pair (where, exception type); each cause is logged at
most once a minute, with the number of times it came since.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from types import TracebackType

from tradespan.core.interruptions import is_hosts

logger = logging.getLogger("tradespan")

LOG_INTERVAL = 60.0
"""Seconds between two log lines of one cause."""

counts: dict[tuple[str, str], int] = {}
"""How often each cause came, since the process began."""

_last_logged: dict[tuple[str, str], tuple[float, int]] = {}
_claims: dict[tuple[tuple[str, str], float], object] = {}
"""Who logs a cause next, by when it was logged last; one entry a line logged."""
_strict = False
_redact: Callable[[str], str] = str


def raise_errors(strict: bool) -> bool:
    """Let guarded errors through (in tests). Returns what was set before."""
    global _strict
    before, _strict = _strict, strict
    return before


def redact_with(redact: Callable[[str], str]) -> None:
    """Have the messages of errors pass `redact` before they are logged.

    They may say what a user's value holds, and the room that knows secrets is above this one.
    What it raises counts as raised by the error's `str()`.
    """
    global _redact  # noqa: PLW0603 - the process's one
    _redact = redact


def report(where: str, error: BaseException) -> None:
    """Count an error of ours and log it, at most once a minute per cause.

    Nothing leaves it but what is asked for under test: neither the error's own `__str__` nor a log
    handler of the host's that fails.

    Raises:
        BaseException: the error itself, if it is the host's (`core/interruptions.py`), and under
            test (`raise_errors(True)`).
    """
    if _strict or is_hosts(error):
        raise error
    cause = (where, type(error).__name__)
    count = counts[cause] = counts.get(cause, 0) + 1
    now = time.monotonic()
    logged_at, logged_count = _last_logged.get(cause, (-LOG_INTERVAL, 0))
    if now - logged_at < LOG_INTERVAL:
        return
    # Of two threads that come at once, the one whose claim is stored logs; no lock is held.
    claim = object()
    if _claims.setdefault((cause, logged_at), claim) is not claim:
        return
    _last_logged[cause] = (now, count)
    times = count - logged_count
    again = f" ({times} times in the last minute)" if times > 1 else ""
    try:
        logger.warning("%s: %s: %s%s", where, cause[1], _said_by(error), again)
    except Exception:  # noqa: BLE001, S110 - the host's log handler failed: counted is enough
        pass


def _said_by(error: BaseException) -> str:
    try:
        return _redact(str(error))
    except Exception as broken:  # noqa: BLE001 - user code inside an exception
        return f"<str() raised {type(broken).__name__}>"


class guarded:  # noqa: N801 - reads as a statement: `with guarded("flush"):`
    """A context manager that keeps every exception in but the host's, and reports it."""

    __slots__ = ("where",)

    def __init__(self, where: str) -> None:
        self.where = where

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> bool:
        if error is None or is_hosts(error):
            return False
        report(self.where, error)
        return True
