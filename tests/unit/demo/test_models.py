from math import exp, log

import pytest

from momentum_bot.models import (
    FLAT,
    HORIZON_TICKS,
    Judgement,
    Panel,
    Prediction,
    name_move,
    reversion,
    trend,
)

RISING = [100.0, 101.0, 102.0]


class Listening(Panel):
    """A panel that keeps what it said."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[Prediction] = []
        self.judged: list[Judgement] = []

    def predict(self, agent: str, symbol: str, prices: list[float]) -> Prediction:  # type: ignore[override]
        self.said.append(super().predict(agent, symbol, prices))
        return self.said[-1]

    def judge(self, prediction: Prediction, price: float) -> Judgement:
        self.judged.append(super().judge(prediction, price))
        return self.judged[-1]


def test_trend_goes_on_and_reversion_comes_back() -> None:
    assert trend(RISING) == pytest.approx(log(1.02) * HORIZON_TICKS / 2)
    assert reversion(RISING) == pytest.approx(log(101 / 102) / 2)


@pytest.mark.parametrize(
    ("log_return", "name"), [(FLAT, "flat"), (-FLAT, "flat"), (2 * FLAT, "up"), (-0.01, "down")]
)
def test_a_move_has_a_name(log_return: float, name: str) -> None:
    assert name_move(log_return) == name


def test_each_model_is_asked_and_judged_after_its_horizon_and_asked_again() -> None:
    panel = Listening()
    panel.hear("AAPL", [100.0])
    assert panel.said == []
    for _ in range(HORIZON_TICKS):
        panel.hear("AAPL", RISING)
    assert [(each.agent, each.outcome) for each in panel.said] == [
        ("trend", "up"),
        ("reversion", "down"),
    ]
    assert panel.judged == []
    panel.hear("AAPL", [*RISING, 102.0 * exp(0.01)])
    assert panel.judged == [Judgement("P-000001", "up", True), Judgement("P-000002", "up", False)]
    assert len(panel.said) == 4
    assert len({each.prediction_id for each in panel.said}) == 4


def test_symbols_are_judged_apart_from_each_other() -> None:
    panel = Listening()
    panel.hear("AAPL", RISING)
    panel.hear("MSFT", RISING)
    assert [each.symbol for each in panel.said] == ["AAPL", "AAPL", "MSFT", "MSFT"]


def test_confidence_is_between_none_and_full() -> None:
    panel = Panel()
    assert panel.predict("trend", "AAPL", [100.0, 100.0]).confidence == 0.0
    assert 0.99 < panel.predict("trend", "AAPL", [100.0, 150.0]).confidence <= 1.0
