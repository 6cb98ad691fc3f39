"""The agents' set: models that predict, and how right they were.

What came of a prediction is told by `outcome`, and reckoned here; or the program judges for itself,
and tells `accuracy` and `consensus`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from tradespan.core.forks import after_fork_in_child
from tradespan.declare import instruments as declared
from tradespan.declare import names
from tradespan.declare.attributes import ATTRIBUTES
from tradespan.signals.analytics.predictions import HORIZON, WINDOW, Predictions
from tradespan.signals.metrics.instruments import Counter, Gauge, Histogram
from tradespan.signals.sets.base import Maker, harmless, kind_of_error, tell

_WORDS: Final = ATTRIBUTES[names.TRADING_AGENT_PREDICTION_OUTCOME].members


class Agents:
    """Predictions, accuracy, calibration, confidence, consensus, failures. No verb raises."""

    def __init__(self, make: Maker, wall: Callable[[], int] = time.time_ns) -> None:
        """`wall`: nanoseconds since 1970."""
        self._wall = wall
        self._window, self._horizon = WINDOW, HORIZON
        self.predictions = Predictions()
        """What is known of them, to be read: `of(agent, symbol)`, `consensus(symbol)`."""
        self._predictions: Counter = make(declared.TRADING_AGENT_PREDICTIONS)
        self._accuracy: Gauge = make(declared.TRADING_AGENT_ACCURACY)
        self._confidence: Histogram = make(declared.TRADING_AGENT_CONFIDENCE)
        self._consensus: Gauge = make(declared.TRADING_AGENT_CONSENSUS)
        self._failures: Counter = make(declared.TRADING_AGENT_FAILURES)
        self._outcomes: Counter = make(declared.TRADING_AGENT_OUTCOMES)
        self._recent: Gauge = make(declared.TRADING_AGENT_ACCURACY_RECENT)
        self._expired: Counter = make(declared.TRADING_AGENT_PREDICTIONS_EXPIRED)
        self._brier: Gauge = make(declared.TRADING_AGENT_BRIER_SCORE)
        self._calibration: Gauge = make(declared.TRADING_AGENT_CALIBRATION_ERROR)
        self._born: set[tuple[str, str]] = set()
        after_fork_in_child(self._begin_anew)

    def configure(self, *, window: int = WINDOW, horizon: int = HORIZON) -> None:
        """Judge anew, otherwise.

        Args:
            window: How many judged predictions the recent accuracy is about.
            horizon: Nanoseconds after which a prediction is over, judged or not; a day.

        Raises:
            ValueError: One of them is not above 0.
        """
        self.predictions = Predictions(window=window, horizon=horizon)
        self._window, self._horizon = window, horizon

    @harmless
    def predict(
        self,
        prediction_id: str,
        agent: str,
        outcome: str,
        *,
        symbol: str = "",
        confidence: float | None = None,
        ts: int | None = None,
    ) -> None:
        """An agent predicted, and `outcome` will tell what came of it.

        Args:
            prediction_id: By which `outcome` names it.
            agent: Its name.
            outcome: `up`, `down`, `flat`, or the program's own word.
            symbol: Of what.
            confidence: The probability that it gives to being right, 0 to 1.
            ts: When, nanoseconds since 1970; now if left out.
        """
        word = _word(outcome)
        over = self.predictions.predict(
            prediction_id, agent, word,
            symbol=symbol, confidence=confidence, ts=self._wall() if ts is None else ts,
        )  # fmt: skip
        if (agent, symbol) not in self._born:
            self._bear(agent, symbol)
        self.prediction(agent, word, symbol=symbol, confidence=confidence)
        self._tell_over(over, symbol)

    @harmless
    def outcome(self, prediction_id: str, outcome: str, *, ts: int | None = None) -> None:
        """It is known what came of a prediction. One that is over, or unknown, is left alone.

        Args:
            prediction_id: Which.
            outcome: What came, in the words of `predict`.
            ts: When, nanoseconds since 1970; now if left out.
        """
        moment = self._wall() if ts is None else ts
        judged, over = self.predictions.outcome(prediction_id, _word(outcome), ts=moment)
        if judged is None:
            self._tell_over(over)
            return
        agent, symbol = judged.agent, judged.symbol
        self._outcomes.labels(agent, symbol, judged.right).add()
        here, everywhere = self.predictions.of(agent, symbol), self.predictions.of(agent)
        assert here is not None
        assert everywhere is not None
        tell(self._accuracy.labels(agent, symbol), here.whole.accuracy)
        tell(self._recent.labels(agent, symbol), here.window.accuracy)
        tell(self._brier.labels(agent), everywhere.whole.brier_score)
        tell(self._calibration.labels(agent), everywhere.whole.calibration_error)
        self._tell_over(over, symbol)

    @harmless
    def prediction(
        self, agent: str, outcome: str = "", *, symbol: str = "", confidence: float | None = None
    ) -> None:
        """An agent predicted, and nobody will say here what came of it. As `predict`."""
        self._predictions.labels(agent, symbol, outcome).add()
        if confidence is not None:
            self._confidence.labels(agent).record(confidence)

    @harmless
    def failure(self, agent: str, error: object) -> None:
        """An agent failed to predict: an exception, or a word for its kind."""
        self._failures.labels(agent, kind_of_error(error)).add()
        self.predictions.failed(agent)

    @harmless
    def accuracy(self, agent: str, share: float, *, symbol: str = "") -> None:
        """The share of its judged predictions that were right, 0 to 1."""
        self._accuracy.labels(agent, symbol).set(share)

    @harmless
    def consensus(self, share: float, *, symbol: str = "") -> None:
        """The share of agents that predict what most of them do, 0 to 1."""
        self._consensus.labels(symbol).set(share)

    def to_dict(self) -> dict[str, Any]:
        """All that is known of predictions, for JSON; see `Predictions.to_dict`."""
        return self.predictions.to_dict()

    def _bear(self, agent: str, symbol: str) -> None:
        """Right and wrong ones are there at 0, so that the first of either is a rise."""
        self._born.add((agent, symbol))  # as bounded as the predictions are
        self._outcomes.declare(agent, symbol, True)
        self._outcomes.declare(agent, symbol, False)
        self._expired.declare(agent)

    def _tell_over(self, over: Iterable[Any], *symbols: str) -> None:
        """What expired is counted, and the consensus of all symbols concerned told anew."""
        concerned = set(symbols)
        for each in over:
            self._expired.labels(each.agent).add()
            concerned.add(each.symbol)
        for symbol in concerned:
            found = self.predictions.consensus(symbol)
            if found is None:
                self._consensus.remove(symbol)
            else:
                self._consensus.labels(symbol).set(found.share)

    def _begin_anew(self) -> None:
        """In a forked child: the parent's predictions are not its own."""
        self.predictions = Predictions(window=self._window, horizon=self._horizon)


def _word(outcome: object) -> str:
    """In lower case where the conventions have that word."""
    text = outcome if type(outcome) is str else str(outcome)
    lower = text.lower()
    return lower if lower in _WORDS else text
