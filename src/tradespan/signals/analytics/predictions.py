"""How right agents were: accuracy, consensus and calibration of what they predicted.

Pure arithmetic on what it is told: no clock, no instruments. Times are integer nanoseconds since
1970, of the events. "Now" is the latest time that was told; what is told late counts as of its own
time, and moves it not back.

A prediction is open from `predict` until `outcome` judges it, its horizon passes, or 10,000 newer
ones are open. What is undefined is None.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from dataclasses import asdict, dataclass
from heapq import heapify, heappop, heappush
from operator import index
from typing import Any, Final, NamedTuple

from tradespan.core.forks import after_fork_in_child
from tradespan.signals.analytics.calibration import Calibration, Judged

MOST_OPEN: Final = 10_000
MOST_KEPT: Final = 10_000
"""Pairs of agent and symbol with figures; predictions of later ones are refused."""
WINDOW: Final = 100
HORIZON: Final = 86_400 * 10**9
"""A day, in nanoseconds."""


class Judgement(NamedTuple):
    """What an outcome said of a prediction."""

    agent: str
    symbol: str
    right: bool
    confidence: float | None


@dataclass(frozen=True)
class Consensus:
    """How far agents agree on a symbol."""

    share: float
    """Of agents that say what most of them do, 0 to 1; of a tie that of each of the largest."""
    outcome: str | None
    """What most of them say; None where several outcomes are said equally often."""
    agents: int
    """How many have a live prediction."""


class _Open(NamedTuple):
    """A prediction that nobody has judged yet."""

    agent: str
    symbol: str
    outcome: str
    confidence: float | None
    ts: int
    order: int
    """When it was told, among all."""


class Figures:
    """One agent's, of one symbol or of all: over the latest `window` judged ones and the run."""

    def __init__(self, window: int) -> None:
        self.whole = Calibration()
        self.window = Judged(window)
        self.predictions = 0
        self.failures = 0

    def to_dict(self) -> dict[str, Any]:
        """Those that are defined."""
        found = {"predictions": self.predictions, "failures": self.failures}
        return found | self.whole.to_dict() | {"window": self.window.to_dict()}


class Predictions:
    """Predictions of agents, and what came of them.

    Args:
        window: Judged predictions of an agent (and of an agent and symbol) that the rolling figures
            are about.
        horizon: Nanoseconds after which a prediction is over: neither live nor judged any more.
        most_open: Open ones that are kept; beyond them the one told first is given up.

    Raises:
        ValueError: One of them is not above 0.

    May be called by several threads. A forked child goes on from what its parent knew.
    """

    def __init__(
        self, *, window: int = WINDOW, horizon: int = HORIZON, most_open: int = MOST_OPEN
    ) -> None:
        if min(window, horizon, most_open) <= 0:
            raise ValueError("window, horizon and most_open have to be above 0")
        self.window = window
        self.horizon = horizon
        self._most_open = most_open
        self._open: dict[Hashable, _Open] = {}
        self._due: list[tuple[int, int, Hashable]] = []
        """A heap: (time, order, id) of the predictions, judged ones too until it is tidied."""
        self._voices: dict[tuple[str, str], Hashable] = {}
        """Agent and symbol → its latest prediction there, if that is open."""
        self._said: dict[str, dict[str, int]] = {}
        """Symbol → outcome → how many agents say so."""
        self._latest: dict[tuple[str, str], tuple[int, int]] = {}
        self._figures: dict[tuple[str, str | None], Figures] = {}
        self._told = 0
        self._now: int | None = None
        self.expired = 0
        """Predictions whose horizon passed."""
        self.given_up = 0
        """Predictions that were one too many."""
        self.unknown = 0
        """Outcomes of predictions that were not open."""
        self._lock = threading.Lock()
        after_fork_in_child(self._begin_anew)

    def predict(
        self,
        prediction_id: Hashable,
        agent: str,
        outcome: str,
        *,
        ts: int,
        symbol: str = "",
        confidence: float | None = None,
    ) -> list[_Open]:
        """An agent predicts.

        Args:
            prediction_id: By which `outcome` names it.
            agent: Its name.
            outcome: What it says will come.
            ts: When it said so.
            symbol: Of what.
            confidence: The probability that it gives to being right, 0 to 1.

        Returns:
            Those that are over with it: expired or given up.

        Raises:
            ValueError: The id is open already, the confidence is no probability, or there are
                10,000 pairs of agent and symbol.
            TypeError: `ts` is no integer, or the confidence no number.
        """
        ts = _nanoseconds(ts)
        if confidence is not None:
            confidence = _probability(confidence)
        with self._lock:
            over = self._move_on(ts)
            if prediction_id in self._open:
                raise ValueError(f"the prediction {prediction_id!r} is open already")
            for figures in self._of(agent, symbol):
                figures.predictions += 1
            self._told += 1
            made = _Open(agent, symbol, outcome, confidence, ts, self._told)
            self._open[prediction_id] = made
            heappush(self._due, (ts, made.order, prediction_id))
            # The latest by its time; of equal ones the one told later.
            if (ts, made.order) > self._latest.get((agent, symbol), (ts - 1, 0)):
                self._latest[agent, symbol] = ts, made.order
                self._hear(prediction_id, made)
            assert self._now is not None
            over += self._expire(self._now)
            if len(self._open) > self._most_open:
                first = next(iter(self._open))
                over.append(self._take(first))
                self.given_up += 1
            self._tidy()
        return over

    def outcome(
        self, prediction_id: Hashable, outcome: str, *, ts: int
    ) -> tuple[Judgement | None, list[_Open]]:
        """What came of a prediction; right if it is what was said.

        Args:
            prediction_id: Which.
            outcome: What came.
            ts: When. At the very end of the horizon it still counts.

        Returns:
            The judgement, None for one that is not open (any more); and those that expired.

        Raises:
            ValueError: It came before it was predicted.
            TypeError: `ts` is no integer.
        """
        ts = _nanoseconds(ts)
        with self._lock:
            found = self._open.get(prediction_id)
            if found is not None and ts < found.ts:
                raise ValueError(f"{prediction_id!r} is predicted after its outcome")
            over = self._move_on(ts)
            if prediction_id not in self._open:
                self.unknown += 1
                return None, over
            made = self._take(prediction_id)
            right = outcome == made.outcome
            for figures in self._of(made.agent, made.symbol):
                figures.whole.add(right, made.confidence)
                figures.window.add(right, made.confidence)
            self._tidy()
        return Judgement(made.agent, made.symbol, right, made.confidence), over

    def failed(self, agent: str, *, symbol: str = "") -> None:
        """An agent could not predict.

        Raises:
            ValueError: There are 10,000 pairs of agent and symbol.
        """
        with self._lock:
            for figures in self._of(agent, symbol):
                figures.failures += 1

    def of(self, agent: str, symbol: str | None = None) -> Figures | None:
        """An agent's figures, of one symbol or of all; None if it never predicted there."""
        return self._figures.get((agent, symbol))

    def consensus(self, symbol: str = "") -> Consensus | None:
        """How far agents agree, by the latest prediction of each, where that is live.

        Live is what is neither judged nor older than the horizon. An agent whose latest prediction
        is over says nothing, though an older one may be open. None where nobody says anything.
        """
        with self._lock:
            said = dict(self._said.get(symbol, ()))
        if not said:
            return None
        most, agents = max(said.values()), sum(said.values())
        largest = [outcome for outcome, count in said.items() if count == most]
        return Consensus(most / agents, largest[0] if len(largest) == 1 else None, agents)

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    def to_dict(self) -> dict[str, Any]:
        """All figures that are defined, by agent and by symbol."""
        agents: dict[str, Any] = {}
        with self._lock:
            found = list(self._figures.items())
            symbols = list(self._said)
        for (agent, symbol), figures in found:
            held = agents.setdefault(agent, {"symbols": {}})
            if symbol is None:
                held |= figures.to_dict()
            else:
                held["symbols"][symbol] = figures.to_dict()
        agreed = {symbol: self.consensus(symbol) for symbol in symbols}
        return {
            "agents": agents,
            "consensus": {symbol: asdict(each) for symbol, each in agreed.items() if each},
            "open": len(self._open),
            "expired": self.expired,
            "given_up": self.given_up,
            "unknown": self.unknown,
        }

    # ── with the lock held ──────────────────────────────────────────────────────────────────────

    def _of(self, agent: str, symbol: str) -> tuple[Figures, Figures]:
        figures = self._figures
        one = figures.get((agent, symbol))
        if one is None:
            if len(figures) >= MOST_KEPT:
                raise ValueError(f"over {MOST_KEPT} agents and symbols: {agent!r}, {symbol!r}")
            one = figures[agent, symbol] = Figures(self.window)
        every = figures.get((agent, None))
        if every is None:
            every = figures[agent, None] = Figures(self.window)
        return one, every

    def _move_on(self, ts: int) -> list[_Open]:
        if self._now is None or ts > self._now:
            self._now = ts
        return self._expire(self._now)

    def _expire(self, now: int) -> list[_Open]:
        over = []
        due = self._due
        while due and due[0][0] + self.horizon < now:
            _, order, prediction_id = heappop(due)
            found = self._open.get(prediction_id)
            if found is not None and found.order == order:
                over.append(self._take(prediction_id))
                self.expired += 1
        return over

    def _take(self, prediction_id: Hashable) -> _Open:
        """It is open no more, and no voice."""
        made = self._open.pop(prediction_id)
        key = made.agent, made.symbol
        if key in self._voices and self._voices[key] == prediction_id:
            del self._voices[key]
            self._unsay(made)
        return made

    def _hear(self, prediction_id: Hashable, made: _Open) -> None:
        """It is its agent's voice from now on, in the place of an earlier one."""
        key = made.agent, made.symbol
        if key in self._voices:
            self._unsay(self._open[self._voices[key]])
        self._voices[key] = prediction_id
        said = self._said.setdefault(made.symbol, {})
        said[made.outcome] = said.get(made.outcome, 0) + 1

    def _unsay(self, made: _Open) -> None:
        """One says this no more; what nobody says is forgotten."""
        said = self._said[made.symbol]
        said[made.outcome] -= 1
        if not said[made.outcome]:
            del said[made.outcome]
            if not said:
                del self._said[made.symbol]

    def _tidy(self) -> None:
        """Judged ones leave the heap once they are more than half of it."""
        if len(self._due) > 2 * len(self._open) + 64:
            self._due = [(each.ts, each.order, key) for key, each in self._open.items()]
            heapify(self._due)

    def _begin_anew(self) -> None:
        """In a forked child: another thread may hold the parent's lock."""
        self._lock = threading.Lock()


def _nanoseconds(ts: int) -> int:
    if isinstance(ts, bool):
        raise TypeError("a time is an integer, nanoseconds since 1970")
    return index(ts)


def _probability(confidence: Any) -> float:
    if isinstance(confidence, (str, bytes)):
        raise TypeError(f"a confidence is a number, not {confidence!r}")
    number = float(confidence)
    if not 0.0 <= number <= 1.0:  # nor NaN
        raise ValueError(f"a confidence is from 0 to 1, not {number}")
    return number
