"""Figures of predictions, against a recomputation from the whole history."""

from __future__ import annotations

import math
import os
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradespan.signals.analytics.predictions import Consensus, Judgement, Predictions

AGENTS, SYMBOLS, WORDS = ("ann", "bob", "cy"), ("A", "B"), ("up", "down", "flat")
HORIZON, WINDOW = 10, 4


@dataclass
class Made:
    """A prediction as the naive history has it."""

    key: str | None
    agent: str
    symbol: str
    word: str
    ts: int
    over: bool = False


class History:
    """Everything that was told, and figures reckoned from all of it each time."""

    def __init__(self) -> None:
        self.made: list[Made] = []
        self.judged: list[tuple[Made, bool]] = []
        self.now: int | None = None

    def move(self, ts: int) -> None:
        self.now = ts if self.now is None else max(self.now, ts)
        for each in self.made:
            each.over = each.over or each.ts + HORIZON < self.now

    def predict(self, key: str | None, agent: str, symbol: str, word: str, ts: int) -> bool:
        self.move(ts)
        if any(each.key == key and not each.over for each in self.made):
            return False
        self.made.append(Made(key, agent, symbol, word, ts))
        self.move(ts)
        return True

    def outcome(self, key: str | None, word: str, ts: int) -> bool | str | None:
        found = [each for each in self.made if each.key == key and not each.over]
        if found and ts < found[0].ts:
            return "refused"
        self.move(ts)
        if not found or found[0].over:
            return None
        found[0].over = True
        self.judged.append((found[0], found[0].word == word))
        return found[0].word == word

    def accuracy(self, agent: str, symbol: str | None, last: int) -> float | None:
        right = [
            right
            for made, right in self.judged
            if made.agent == agent and symbol in (None, made.symbol)
        ][-last:]
        return sum(right) / len(right) if right else None

    def consensus(self, symbol: str) -> Consensus | None:
        said: list[str] = []
        for agent in AGENTS:
            own = [each for each in self.made if (each.agent, each.symbol) == (agent, symbol)]
            if own:
                latest = max(enumerate(own), key=lambda item: (item[1].ts, item[0]))[1]
                if not latest.over:
                    said.append(latest.word)
        if not said:
            return None
        counts = Counter(said)
        most = max(counts.values())
        largest = [word for word, count in counts.items() if count == most]
        return Consensus(most / len(said), largest[0] if len(largest) == 1 else None, len(said))


KEYS = st.sampled_from([None, *(f"p{number}" for number in range(8))])
TIMES = st.integers(0, 60)
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("predict"), KEYS, st.sampled_from(AGENTS), st.sampled_from(SYMBOLS),
            st.sampled_from(WORDS), TIMES,
        ),
        st.tuples(st.just("outcome"), KEYS, st.sampled_from(WORDS), TIMES),
    ),
    max_size=60,
)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(STEPS)
def test_figures_are_those_of_the_whole_history(steps: list[Any]) -> None:
    told, history = Predictions(window=WINDOW, horizon=HORIZON), History()
    for step, key, *rest in steps:
        if step == "predict":
            agent, symbol, word, ts = rest
            try:
                told.predict(key, agent, word, symbol=symbol, ts=ts)
                accepted = True
            except ValueError:
                accepted = False
            assert accepted is history.predict(key, agent, symbol, word, ts)
        else:
            word, ts = rest
            said: Any
            try:
                judgement, _ = told.outcome(key, word, ts=ts)
                said = None if judgement is None else judgement.right
            except ValueError:
                said = "refused"
            assert said == history.outcome(key, word, ts)
        assert len(told) == sum(not each.over for each in history.made)
        for symbol in SYMBOLS:
            assert told.consensus(symbol) == history.consensus(symbol)
    for agent in AGENTS:
        for of_symbol in (None, *SYMBOLS):
            found = told.of(agent, of_symbol)
            whole = None if found is None else found.whole.accuracy
            recent = None if found is None else found.window.accuracy
            assert whole == history.accuracy(agent, of_symbol, 10**6)
            assert recent == history.accuracy(agent, of_symbol, WINDOW)


def test_what_was_predicted_is_judged_once_within_its_horizon() -> None:
    told = Predictions(horizon=10)
    told.predict("p", "ann", "up", symbol="A", confidence=0.8, ts=100)
    judged, over = told.outcome("p", "up", ts=110)
    assert (judged, over) == (Judgement("ann", "A", True, 0.8), [])
    assert told.outcome("p", "up", ts=110) == (None, [])
    told.predict("q", "ann", "up", symbol="A", ts=110)
    judged, (late,) = told.outcome("q", "up", ts=121)
    assert (judged, late.agent, late.symbol) == (None, "ann", "A")
    assert (told.expired, told.unknown, len(told)) == (1, 2, 0)


def test_an_outcome_before_its_prediction_is_refused() -> None:
    told = Predictions()
    told.predict("p", "ann", "up", ts=100)
    with pytest.raises(ValueError, match="after its outcome"):
        told.outcome("p", "up", ts=99)
    assert told.outcome("p", "up", ts=100)[0] is not None


def test_consensus_is_the_share_of_the_largest_group_and_a_tie_has_no_word() -> None:
    told = Predictions(horizon=10)
    assert told.consensus("A") is None
    for number, (agent, word) in enumerate(
        [("ann", "up"), ("bob", "up"), ("cy", "down"), ("dee", "down")]
    ):
        told.predict(number, agent, word, symbol="A", ts=number)
    assert told.consensus("A") == Consensus(0.5, None, 4)
    told.predict("new", "dee", "up", symbol="A", ts=5)  # her latest one counts
    assert told.consensus("A") == Consensus(0.75, "up", 4)
    told.predict("late", "dee", "flat", symbol="A", ts=4)  # told later, of an earlier time
    assert told.consensus("A") == Consensus(0.75, "up", 4)
    told.outcome("new", "up", ts=6)  # she has been judged, and says nothing until she predicts
    assert told.consensus("A") == Consensus(2 / 3, "up", 3)
    told.predict("x", "ann", "up", symbol="B", ts=100)  # time passes for all
    assert told.consensus("A") is None


@pytest.mark.parametrize("bad", [1.01, -0.01, math.nan, math.inf])
def test_a_confidence_that_is_no_probability_is_refused(bad: float) -> None:
    told = Predictions()
    with pytest.raises(ValueError, match="from 0 to 1"):
        told.predict("p", "ann", "up", confidence=bad, ts=0)
    assert len(told) == 0
    assert told.of("ann") is None


@pytest.mark.parametrize("bad", [1.5, "1", None, True])
def test_a_time_that_is_no_integer_is_refused(bad: Any) -> None:
    with pytest.raises(TypeError):
        Predictions().predict("p", "ann", "up", ts=bad)
    with pytest.raises(TypeError):
        Predictions().outcome("p", "up", ts=bad)


@pytest.mark.parametrize("name", ["window", "horizon", "most_open"])
def test_settings_below_one_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Predictions(**{name: 0})


def test_memory_is_bounded_however_many_are_open_or_judged() -> None:
    told = Predictions(most_open=100, horizon=10**18)
    for number in range(1_000):
        told.predict(number, "ann", "up", ts=number)
    assert (len(told), told.given_up) == (100, 900)
    assert told.outcome(899, "up", ts=1_000)[0] is None
    assert told.outcome(900, "up", ts=1_000)[0] is not None
    for number in range(1_000, 5_000):
        told.predict(number, "ann", "up", ts=number)
        told.outcome(number, "up", ts=number)
    assert len(told._due) <= 2 * 100 + 65  # noqa: SLF001 - what a test of memory has to see


def test_agents_and_symbols_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tradespan.signals.analytics.predictions.MOST_KEPT", 10)
    told = Predictions()
    for number in range(5):  # each counts with its symbol, and over all
        told.predict(number, f"agent {number}", "up", ts=0)
    with pytest.raises(ValueError, match="over 10 agents"):
        told.predict(5, "agent 5", "up", ts=0)
    told.predict(6, "agent 4", "up", ts=0)
    assert len(told) == 6


def test_figures_for_export_leave_out_what_is_undefined() -> None:
    told = Predictions()
    told.predict("p", "ann", "up", symbol="A", ts=1)
    told.failed("ann", symbol="A")
    undefined = {"predictions": 1, "failures": 1, "judged": 0, "window": {"judged": 0}}
    assert told.to_dict() == {
        "agents": {"ann": {"symbols": {"A": undefined}, **undefined}},
        "consensus": {"A": {"share": 1.0, "outcome": "up", "agents": 1}},
        "open": 1, "expired": 0, "given_up": 0, "unknown": 0,
    }  # fmt: skip
    told.outcome("p", "up", ts=2)
    found = told.to_dict()["agents"]["ann"]
    assert (found["judged"], found["accuracy"]) == (1, 1.0)
    assert "brier_score" not in found


def test_threads_lose_no_judgement() -> None:
    told = Predictions()

    def work(agent: str) -> None:
        for number in range(500):
            told.predict((agent, number), agent, "up", symbol="A", confidence=0.5, ts=number)
            told.outcome((agent, number), "up" if number % 2 else "down", ts=number)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("ann", "bob", "ann")]
    threads[2] = threading.Thread(target=work, args=("cy",))
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    for name in ("ann", "bob", "cy"):
        found = told.of(name)
        assert found is not None
        assert (found.whole.count, found.whole.right, found.window.count) == (500, 250, 100)
    assert len(told) == 0


def test_a_child_forked_while_the_lock_is_held_is_not_stuck() -> None:
    told = Predictions()
    with told._lock:  # noqa: SLF001 - as another thread would
        child = os.fork()
        if child == 0:
            try:
                told.predict("p", "ann", "up", ts=0)
            finally:
                os._exit(0 if len(told) == 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
