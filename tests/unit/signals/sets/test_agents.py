"""The agents' set judges: predictions and what came of them, as instruments."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.unit.signals.sets.conftest import Values
from tradespan.core import guard
from tradespan.signals.metrics.registry import InstrumentRegistry
from tradespan.signals.sets.agents import Agents
from tradespan.signals.sets.calls import Call
from tradespan.signals.sets.feeding import FEEDS
from tradespan.signals.sets.switch import Sets

HOUR = 3_600 * 10**9


@pytest.fixture
def agents(registry: InstrumentRegistry) -> Agents:
    return Agents(registry.from_declaration, wall=lambda: 1_000)


def test_judged_predictions_are_accuracy_calibration_and_counts(
    agents: Agents, values: Values
) -> None:
    agents.configure(window=2)
    for number, (said, came, confidence) in enumerate(
        [("UP", "up", 0.9), ("down", "up", 0.6), ("up", "UP", 0.8), ("up", "up", None)]
    ):
        agents.predict(
            f"p{number}", "ann", said, symbol="AAPL", confidence=confidence, ts=number * HOUR
        )
        agents.outcome(f"p{number}", came, ts=number * HOUR + 1)
    assert values.of("trading.agent.predictions") == {
        ("ann", "up", "AAPL"): 3, ("ann", "down", "AAPL"): 1,
    }  # fmt: skip
    assert values.of("trading.agent.outcomes") == {
        ("ann", "true", "AAPL"): 3, ("ann", "false", "AAPL"): 1,
    }  # fmt: skip
    assert values.of("trading.agent.accuracy") == {("ann", "AAPL"): 0.75}
    assert values.of("trading.agent.accuracy.recent") == {("ann", "AAPL"): 1.0}
    assert values.of("trading.agent.confidence")[("ann",)][0] == 3
    brier = (0.1**2 + 0.6**2 + 0.2**2) / 3
    assert values.of("trading.agent.brier_score")[("ann",)] == pytest.approx(brier)
    error = (0.1 + 0.6 + 0.2) / 3
    assert values.of("trading.agent.calibration.error")[("ann",)] == pytest.approx(error)


def test_consensus_is_told_while_somebody_has_a_live_prediction(
    agents: Agents, values: Values
) -> None:
    agents.configure(horizon=HOUR)
    agents.predict("a", "ann", "up", symbol="AAPL", ts=0)
    agents.predict("b", "bob", "up", symbol="AAPL", ts=1)
    agents.predict("c", "cy", "down", symbol="AAPL", ts=2)
    assert values.of("trading.agent.consensus") == {("AAPL",): pytest.approx(2 / 3)}
    agents.outcome("c", "up", ts=3)
    assert values.of("trading.agent.consensus") == {("AAPL",): 1.0}
    agents.predict("d", "ann", "up", symbol="MSFT", ts=2 * HOUR)  # the others are over by then
    assert values.of("trading.agent.consensus") == {("MSFT",): 1.0}
    assert values.of("trading.agent.predictions.expired") == {("ann",): 1, ("bob",): 1, ("cy",): 0}


def test_right_and_wrong_are_born_at_zero(agents: Agents, values: Values) -> None:
    agents.predict("p", "ann", "up", symbol="A")
    assert values.of("trading.agent.outcomes") == {
        ("ann", "true", "A"): 0, ("ann", "false", "A"): 0,
    }  # fmt: skip
    assert values.of("trading.agent.accuracy") == {}


def test_failures_count_and_are_known(agents: Agents, values: Values) -> None:
    agents.failure("ann", TimeoutError())
    assert values.of("trading.agent.failures") == {("TimeoutError", "ann"): 1}
    assert agents.to_dict()["agents"]["ann"]["failures"] == 1


def test_mistakes_cost_their_own_number(agents: Agents, values: Values) -> None:
    before = guard.raise_errors(strict=False)
    try:
        agents.predict("p", "ann", "up", confidence=float("nan"))
        agents.predict("q", "ann", "up", ts="noon")  # type: ignore[arg-type]
        agents.outcome("unknown", "up")
        agents.predict("r", "ann", "up", confidence=0.5)
        agents.predict("r", "ann", "down", confidence=0.5)
    finally:
        guard.raise_errors(before)
    assert values.of("trading.agent.predictions") == {("ann", "up"): 1}


def test_a_forked_child_begins_anew(agents: Agents) -> None:
    agents.configure(window=3, horizon=HOUR)
    agents.predict("p", "ann", "up")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            held = agents.predictions
            if (len(held), held.window, held.horizon) == (0, 3, HOUR):
                status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(agents.predictions) == 1


def feed(sets: Sets, signal: str, **facts: Any) -> None:
    named = {f"trading.{name.replace('__', '.')}": value for name, value in facts.items()}
    counts = FEEDS[signal].counts
    assert counts is not None
    counts(sets, Call(named, 0.1, None, "backtest"))


def test_mapped_predictions_with_an_id_are_judged_by_mapped_outcomes(
    sets: Sets, values: Values
) -> None:
    said: dict[str, Any] = {"agent__name": "ann", "agent__prediction__outcome": "UP", "symbol": "A"}
    feed(sets, "agent.prediction", **said, agent__prediction__id="p", event_time=5)
    feed(sets, "agent.prediction", **said)  # without an id it is counted, and never judged
    came: dict[str, Any] = {"agent__prediction__id": "p", "agent__prediction__outcome": "up"}
    feed(sets, "agent.outcome", **came, event_time=5 + HOUR)
    assert values.of("trading.agent.predictions") == {("ann", "up", "A"): 2}
    assert values.of("trading.agent.accuracy") == {("ann", "A"): 1.0}
    assert len(sets.agents.predictions) == 0


def test_the_front_doors_agents_are_the_processs() -> None:
    import tradespan  # import under test

    assert tradespan.agents is tradespan.sets.agents
    assert "agents" in tradespan.sets.on
    assert tradespan.engine_hooks.cycle is not None
