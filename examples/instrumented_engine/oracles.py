"""Two opinions on where the spread goes; each is judged some bars later."""

from collections import deque
from typing import Final

import tradespan

AHEAD: Final = 5
"""Bars after which it shows who was right."""
SYMBOL: Final = "GOLD/SILV"


class Oracles:
    """A contrarian and a follower of trends."""

    def __init__(self) -> None:
        self._spreads: deque[float] = deque(maxlen=AHEAD + 1)
        self._open: deque[tuple[str, ...]] = deque()
        self.predicted = 0
        self.right: dict[str, int] = {"contrarian": 0, "follower": 0}

    def look(self, number: int, spread: float, ts: int) -> None:
        """Judge what was said five bars ago, and say what comes."""
        self._spreads.append(spread)
        if len(self._spreads) <= AHEAD:
            return
        before = self._spreads[0]
        came = "up" if spread > before else "down"
        if len(self._open) >= AHEAD:
            for said in self._open.popleft():
                prediction_id, agent, outcome = said.split("|")
                tradespan.agents.outcome(prediction_id, came, ts=ts)
                self.right[agent] += outcome == came
        sayings = {
            "contrarian": ("down" if spread > 0 else "up", min(0.5 + 20 * abs(spread), 0.95)),
            "follower": (came, 0.55),
        }
        made = []
        for agent, (outcome, confidence) in sayings.items():
            tradespan.agents.predict(
                f"{agent}-{number}", agent, outcome, symbol=SYMBOL, confidence=confidence, ts=ts
            )
            made.append(f"{agent}-{number}|{agent}|{outcome}")
        self.predicted += len(made)
        self._open.append(tuple(made))
