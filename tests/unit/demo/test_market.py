from datetime import date
from decimal import Decimal
from itertools import islice, pairwise
from math import log
from random import Random

import pytest

from demo_exchange.market import (
    HISTORY_LENGTH,
    Market,
    brownian_bridge,
    stream_quotes,
    weeks_forth_and_back,
)
from demo_exchange.prices import WeeklyCloses, locate_price_file


def test_prices_are_the_real_closes_in_dollars(closes: WeeklyCloses) -> None:
    assert closes.weeks[0] == date(2018, 1, 1)
    assert closes.weeks[-1] == date(2019, 12, 30)
    assert closes.by_symbol["AAPL"][:2] == (Decimal("175.00"), Decimal("177.09"))
    assert closes.by_symbol["GOOG"][-1] == Decimal("1337.02")
    assert {len(prices) for prices in closes.by_symbol.values()} == {len(closes.weeks)} == {105}


def test_last_tick_of_every_week_is_that_weeks_close(closes: WeeklyCloses) -> None:
    ticks_per_week = 5
    per_week = ticks_per_week * len(closes.by_symbol)
    stream = stream_quotes(closes, Random(1), ticks_per_week)

    for week in range(1, len(closes.weeks)):
        last = {quote.symbol: quote for quote in islice(stream, per_week)}
        assert {quote.week for quote in last.values()} == {closes.weeks[week]}
        for symbol, prices in closes.by_symbol.items():
            assert last[symbol].last_px == prices[week]


def test_time_turns_round_at_the_last_week_and_at_the_first() -> None:
    assert list(islice(weeks_forth_and_back(4), 9)) == [0, 1, 2, 3, 2, 1, 0, 1, 2]


def test_bridge_ends_exactly_where_it_should_and_does_not_jump_there() -> None:
    path = list(brownian_bridge(Decimal("100.00"), Decimal("103.07"), 40, Random(3)))

    assert len(path) == 40
    assert path[-1] == Decimal("103.07")
    steps = [log(after / before) for before, after in pairwise(path)]
    assert max(map(abs, steps)) < 0.03


def test_same_seed_gives_the_same_stream_and_another_seed_another(closes: WeeklyCloses) -> None:
    def first_quotes(seed: int) -> list[object]:
        return list(islice(stream_quotes(closes, Random(seed)), 1_000))

    assert first_quotes(7) == first_quotes(7)
    assert first_quotes(7) != first_quotes(8)


def test_bid_is_below_and_ask_above_the_last_price(closes: WeeklyCloses) -> None:
    for quote in islice(stream_quotes(closes, Random(2)), 2_000):
        assert quote.bid_px < quote.last_px < quote.ask_px


def test_market_begins_with_history_and_remembers_the_latest_quote(closes: WeeklyCloses) -> None:
    market = Market(closes, Random(7))
    assert {len(prices) for prices in market.history.values()} == {HISTORY_LENGTH}

    quote = market.advance()

    assert market.quotes[quote.symbol] is quote
    assert market.history[quote.symbol][-1] == quote.last_px


def test_tick_message_carries_prices_as_exact_text(closes: WeeklyCloses) -> None:
    quote = Market(closes, Random(7)).advance()

    message = quote.to_message(ts_event=1_700_000_000_000_000_000)

    assert Decimal(message["last_px"]) == quote.last_px
    assert message["ts_event"] == 1_700_000_000_000_000_000


def test_missing_price_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demo_exchange.prices.find_spec", lambda _name: None)

    with pytest.raises(FileNotFoundError, match="pip install plotly"):
        locate_price_file()
