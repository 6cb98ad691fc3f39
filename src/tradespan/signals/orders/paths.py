"""What led to an order: its tick, its decision, its risk check, found again when it is sent.

By the decision's id where one was given, else by the current trace, else by what was told last in
this thread or task. Each way holds the latest 10,000.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Final

from tradespan.signals.orders.moments import Moment

MOST: Final = 10_000
LONGEST: Final = 60.0
"""Seconds by the monotonic clock after which what was told last in a thread is another story's."""


class Path:
    """A tick and what was made of it."""

    __slots__ = ("decision_id", "span_id", "stages", "strategy", "symbol", "told", "trace_id")

    def __init__(self, symbol: str = "") -> None:
        self.symbol = symbol
        self.strategy = ""
        self.decision_id = ""
        self.stages: dict[str, Moment] = {}
        """`tick`, `decision`, `check`."""
        self.trace_id = self.span_id = 0
        """Of the decision."""
        self.told: float | None = None
        """When anything of it was told last, by the monotonic clock, seconds."""


class Paths:
    """Those that orders may yet come from. Its owner holds a lock meanwhile."""

    def __init__(self) -> None:
        self._latest: ContextVar[Path | None] = ContextVar("tradespan.orders.path", default=None)
        self._by_id: dict[str, Path] = {}
        self._by_client: dict[str, Path] = {}
        self._by_trace: dict[tuple[int, str], Path] = {}

    def find(
        self,
        trace_id: int,
        at: Moment,
        *,
        symbol: str = "",
        decision_id: str = "",
        client_id: str = "",
    ) -> Path | None:
        """The one that a message belongs to. Those of another symbol are none."""
        if decision_id:
            found = self._by_id.get(decision_id)
            if found is not None:
                return found
        if client_id:
            found = self._by_client.get(client_id)
            if found is not None:
                return found
        found = None
        if trace_id:
            by_trace = self._by_trace
            found = by_trace.get((trace_id, symbol)) or by_trace.get((trace_id, ""))
        for each in (found, self._latest.get()):
            if each is not None and _suits(each, at, symbol, decision_id):
                return each
        return None

    def remember(self, path: Path, trace_id: int, at: Moment, client_id: str = "") -> None:
        """Let it be found by what is known of it."""
        path.told = at.mono
        self._latest.set(path)
        if trace_id:
            _put(self._by_trace, (trace_id, ""), path)
            if path.symbol:
                _put(self._by_trace, (trace_id, path.symbol), path)
        if path.decision_id:
            _put(self._by_id, path.decision_id, path)
        if client_id:
            _put(self._by_client, client_id, path)


def _suits(path: Path, at: Moment, symbol: str, decision_id: str) -> bool:
    if symbol and path.symbol and path.symbol != symbol:
        return False
    if decision_id and path.decision_id and path.decision_id != decision_id:
        return False
    return path.told is None or at.mono is None or at.mono - path.told <= LONGEST


def _put(held: dict[Any, Path], key: Any, path: Path) -> None:
    if len(held) >= MOST and key not in held:
        held.pop(next(iter(held)), None)
    held[key] = path
