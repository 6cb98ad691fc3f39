"""The time of a backtest's books: that of the events, also where a valuation has none."""

from __future__ import annotations

from tests.unit.signals.sets.conftest import Values
from tradespan.config.model import FiguresConfig
from tradespan.signals.sets.calls import Call
from tradespan.signals.sets.feeding import FEEDS
from tradespan.signals.sets.switch import Sets

FIGURES = FiguresConfig("USD", "fifo", None, 100, None, None, "UTC", "00:00", 0.0, 100, 0.0)
SECOND = 1_000_000_000
QUOTE = {"trading.venue": "KRK", "trading.symbol": "BTC", "trading.quote.last": 10.0}
VALUE = {"trading.currency": "USD", "trading.portfolio.equity": 100.0}


def tell(sets: Sets, signal: str, facts: dict[str, object], mode: str = "backtest") -> None:
    counts = FEEDS[signal].counts
    assert counts is not None
    counts(sets, Call(facts, 0.0, None, mode))


def test_a_backtests_account_without_a_time_is_worth_it_at_the_latest_events(
    sets: Sets, values: Values
) -> None:
    sets.keep_books(FIGURES)
    tell(sets, "feed.update", {**QUOTE, "trading.event_time": 7 * SECOND})
    tell(sets, "feed.update", {**QUOTE, "trading.event_time": 5 * SECOND})
    tell(sets, "portfolio", VALUE)
    assert sets.books is not None
    assert sets.books.latest == 7 * SECOND
    sets.books.tell(sets)
    assert values.of("trading.performance.peak") == {("USD",): 100.0}


def test_before_any_event_a_backtest_has_no_time(sets: Sets, values: Values) -> None:
    sets.keep_books(FIGURES)
    tell(sets, "portfolio", VALUE)
    assert sets.books is not None
    sets.books.tell(sets)
    assert "trading.performance.peak" not in values
    assert values.of("trading.portfolio.value") == {("USD",): 100.0}
