"""The agents' set: models that predict, and how right they were. Others judge them."""

from __future__ import annotations

from tradespan.declare import instruments as declared
from tradespan.signals.metrics.instruments import Counter, Gauge, Histogram
from tradespan.signals.sets.base import Maker, harmless, kind_of_error


class Agents:
    """Predictions, accuracy, confidence, consensus, failures. No verb raises."""

    def __init__(self, make: Maker) -> None:
        self._predictions: Counter = make(declared.TRADING_AGENT_PREDICTIONS)
        self._accuracy: Gauge = make(declared.TRADING_AGENT_ACCURACY)
        self._confidence: Histogram = make(declared.TRADING_AGENT_CONFIDENCE)
        self._consensus: Gauge = make(declared.TRADING_AGENT_CONSENSUS)
        self._failures: Counter = make(declared.TRADING_AGENT_FAILURES)

    @harmless
    def prediction(
        self, agent: str, outcome: str = "", *, symbol: str = "", confidence: float | None = None
    ) -> None:
        """An agent predicted.

        Args:
            agent: Its name.
            outcome: `up`, `down`, `flat`, or the program's own word.
            symbol: Of what.
            confidence: How sure it is, 0 to 1.
        """
        self._predictions.labels(agent, symbol, outcome).add()
        if confidence is not None:
            self._confidence.labels(agent).record(confidence)

    @harmless
    def failure(self, agent: str, error: object) -> None:
        """An agent failed to predict: an exception, or a word for its kind."""
        self._failures.labels(agent, kind_of_error(error)).add()

    @harmless
    def accuracy(self, agent: str, share: float, *, symbol: str = "") -> None:
        """The share of its judged predictions that were right, 0 to 1."""
        self._accuracy.labels(agent, symbol).set(share)

    @harmless
    def consensus(self, share: float, *, symbol: str = "") -> None:
        """The share of agents that predict what most of them do, 0 to 1."""
        self._consensus.labels(symbol).set(share)
