"""Models that say where a price goes: on trial, beside the forecast that the strategy trades on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from math import exp, log
from statistics import fmean
from typing import Final

HORIZON_TICKS: Final = 8
FLAT: Final = 0.0005  # a log return this small is no move

Model = Callable[[Sequence[float]], float]
"""From the latest prices, the oldest first, to a forecast of the log return over the horizon."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one model expects of a symbol; the confidence goes from 0 to 1."""

    prediction_id: str
    agent: str
    symbol: str
    outcome: str
    confidence: float
    price: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came."""

    prediction_id: str
    outcome: str
    is_right: bool


def trend(prices: Sequence[float]) -> float:
    """It goes on as it did."""
    return log(prices[-1] / prices[0]) * HORIZON_TICKS / (len(prices) - 1)


def reversion(prices: Sequence[float]) -> float:
    """It comes back to its mean."""
    return log(fmean(prices) / prices[-1]) / 2


MODELS: Final[Mapping[str, Model]] = {"trend": trend, "reversion": reversion}


class Panel:
    """Asks each model about a symbol, and again when what they said of it has been judged."""

    def __init__(self, models: Mapping[str, Model] = MODELS) -> None:
        self.models = models
        self._numbers = count(1)
        self._waiting: dict[str, tuple[int, list[Prediction]]] = {}

    def hear(self, symbol: str, prices: Sequence[float]) -> None:
        """Take note of a symbol's latest prices; nothing is asked about a single one."""
        if len(prices) < 2:
            return
        ticks, predictions = self._waiting.get(symbol, (HORIZON_TICKS, []))
        if ticks < HORIZON_TICKS:
            self._waiting[symbol] = ticks + 1, predictions
            return
        for prediction in predictions:
            self.judge(prediction, prices[-1])
        self._waiting[symbol] = 1, [self.predict(agent, symbol, prices) for agent in self.models]

    def predict(self, agent: str, symbol: str, prices: Sequence[float]) -> Prediction:
        """Ask one model."""
        forecast = self.models[agent](prices)
        return Prediction(
            prediction_id=f"P-{next(self._numbers):06d}",
            agent=agent,
            symbol=symbol,
            outcome=name_move(forecast),
            confidence=1 - exp(-abs(forecast) / FLAT),
            price=prices[-1],
        )

    def judge(self, prediction: Prediction, price: float) -> Judgement:
        """Hold a prediction against what the price became."""
        came = name_move(log(price / prediction.price))
        return Judgement(prediction.prediction_id, came, came == prediction.outcome)


def name_move(log_return: float) -> str:
    """`up`, `down` or `flat`."""
    if abs(log_return) <= FLAT:
        return "flat"
    return "up" if log_return > 0 else "down"
