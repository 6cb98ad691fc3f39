"""A bot of another style, by another hand: its tables alone fill what the conventions know.

It prints what it did by its own books; the receiver has to have the same.
"""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.contract.desk import Desk, Ended
from tests.contract.test_receiver_down import free_port
from tests.support.metrics import ReceivedPoint, read_points
from tests.support.receiver import Receiver

BOT = Path(__file__).parents[1] / "bots" / "gridbot"
WORDS = ("--config", "gridbot/tradespan.toml", "-m", "gridbot", "--ticks", "700", "--seed", "12")


@dataclass
class Run:
    """What a run of the bot left behind."""

    desk: Desk
    ended: Ended
    points: list[ReceivedPoint]
    events: Counter[str]

    @property
    def books(self) -> dict[str, Any]:
        """What the bot says of itself."""
        books: dict[str, Any] = json.loads(self.ended.out)
        return books

    def last(self, name: str, **labels: str) -> dict[tuple[Any, ...], ReceivedPoint]:
        """The last point of each series of an instrument."""
        wanted = {key.replace("_", "."): value for key, value in labels.items()}
        return {
            point.series: point
            for point in sorted(self.points, key=lambda point: point.time)
            if point.name == name and point.has_value and wanted.items() <= point.labels.items()
        }

    def total(self, name: str, **labels: str) -> float:
        """The last values added up; of a histogram the count."""
        return sum(point.value for point in self.last(name, **labels).values())

    def value(self, name: str, **labels: str) -> float:
        """The only series' last value."""
        (point,) = self.last(name, **labels).values()
        return point.value


def take_bot(desk: Desk) -> None:
    """The bot as its author has it: a package in the folder that it is run from."""
    hide = shutil.ignore_patterns("__pycache__")
    shutil.copytree(BOT, desk.folder / "gridbot", ignore=hide)


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    desk = Desk(tmp_path_factory.mktemp("bot"))
    take_bot(desk)
    with Receiver() as receiver:
        ended = desk.run("--endpoint", receiver.address, *WORDS)
        events = Counter(line.event_name for line in receiver.taken("logs") if line.event_name)
        yield Run(desk, ended, read_points(receiver), events)
    desk.close()


def test_it_trades_as_it_does_without_tradespan(bot: Run) -> None:
    assert bot.ended.status == 0, bot.ended.err
    plain = bot.desk.python(*WORDS[2:])
    assert plain.status == 0, plain.err
    assert bot.ended.out == plain.out
    # Nothing below is right by being 0.
    books = bot.books
    told = (
        "submitted acked filled dup_fills late_fills partials rejected blocked cancelled replaced"
    )
    assert min(books[name] for name in told.split()) > 0
    assert books["open"] > 0


def test_orders_are_those_of_its_books(bot: Run) -> None:
    books = bot.books
    assert bot.total("trading.orders.submitted") == books["submitted"]
    assert bot.total("trading.orders.acknowledged") == books["acked"]
    assert bot.total("trading.orders.rejected") == books["rejected"]
    assert bot.total("trading.orders.cancelled") == books["cancelled"]
    assert bot.total("trading.order.response_time") == books["acked"] + books["rejected"]


def test_fills_are_counted_once_and_orders_filled_as_its_books_have_them(bot: Run) -> None:
    books = bot.books
    assert bot.total("trading.orders.fills") == books["fills"]
    assert bot.total("trading.orders.filled") == books["filled"]
    assert bot.total("trading.trades") == books["filled"]
    ended = books["filled"] + books["cancelled"] + books["rejected"]
    rates = bot.last("trading.orders.fill_rate").values()
    assert all(0 < point.value < 1 for point in rates)
    assert ended + books["open"] == books["submitted"]
    assert bot.total("trading.orders.open") == books["open"]
    assert bot.total("trading.orders.unknown") == 0


def test_turnover_is_the_one_of_its_books_by_symbol(bot: Run) -> None:
    for symbol, traded in bot.books["symbols"].items():
        # The messages of fills do not say whose strategy it was: their orders do.
        labels = {
            "trading_symbol": symbol,
            "trading_currency": "USD",
            "trading_strategy": "grid",
        }
        turnover = bot.total("trading.trade.value", **labels)
        assert turnover == pytest.approx(float(traded["turnover"]), rel=1e-12)
        assert bot.total("trading.orders.fills", trading_symbol=symbol) == traded["fills"]


def test_each_part_of_an_orders_way_is_timed(bot: Run) -> None:
    books = bot.books
    legs: Counter[str] = Counter()
    for point in bot.last("trading.order.leg.duration").values():
        legs[point.labels["trading.order.leg"]] += int(point.value)
    whole = ("check_to_submit", "tick_to_submit", "decision_to_submit")
    assert {legs[leg] for leg in whole} == {books["submitted"]}
    assert legs["submit_to_ack"] == books["acked"]
    assert books["filled"] <= legs["ack_to_fill"] == legs["submit_to_fill"] <= books["fills"]
    # Those of immediate-or-cancel orders go without having been asked for.
    assert legs["cancel_to_cancelled"] == bot.events["trading.order.cancelled"]
    # The play's venues answer after 2 to 9 ms of its clock.
    (acks, seconds) = 0.0, 0.0
    for point in bot.last("trading.order.leg.duration", trading_order_leg="submit_to_ack").values():
        acks, seconds = acks + point.value, seconds + point.sum
    assert 0.002 < seconds / acks < 0.009


def test_orders_have_labels_in_the_conventions_words(bot: Run) -> None:
    points = bot.last("trading.orders.submitted").values()
    assert {point.labels["trading.order.side"] for point in points} == {"buy", "sell"}
    assert {point.labels["trading.venue"] for point in points} == {"KRK", "BNB"}
    assert {point.labels["trading.symbol"] for point in points} == set(bot.books["symbols"])
    codes = {
        point.labels["trading.order.reject_code"]
        for point in bot.last("trading.orders.rejected").values()
        if point.value
    }
    assert codes <= {"rate_limited", "broker_option", "insufficient_funds"}
    assert codes


def test_ids_are_no_labels(bot: Run) -> None:
    labels = {name for point in bot.points for name in point.labels}
    assert not {name for name in labels if name.endswith(("client_id", ".id", "order.price"))}


def test_turns_decisions_and_quotes_are_those_of_its_books(bot: Run) -> None:
    books = bot.books
    assert bot.total("trading.cycles") == books["cycles"]
    assert bot.total("trading.cycle.duration") == books["cycles"]
    places = 2 * 3 * 2 * 2  # venues, symbols, sides, levels
    assert bot.total("trading.decisions") == books["cycles"] * places
    decided = {
        point.labels["trading.decision.outcome"] for point in bot.last("trading.decisions").values()
    }
    assert decided == {"quote", "hold"}
    assert bot.total("trading.feed.updates") == books["quotes"]
    assert bot.total("trading.feed.gaps") == 0


def test_the_account_is_the_one_it_printed(bot: Run) -> None:
    account = {name: Decimal(value) for name, value in bot.books["account"].items()}
    usd = {"trading_currency": "USD", "trading_strategy": "grid"}
    assert bot.value("trading.portfolio.value", **usd) == float(account["equity"])
    assert bot.value("trading.portfolio.cash", **usd) == float(account["cash"])
    assert bot.value("trading.portfolio.realised_pnl", **usd) == float(account["rpl"])
    assert bot.value("trading.portfolio.unrealised_pnl", **usd) == float(account["upl"])
    assert bot.value("trading.portfolio.commission", **usd) == float(account["fees"])


def test_books_kept_of_its_fills_and_quotes_come_to_what_it_says(bot: Run) -> None:
    account = {name: Decimal(value) for name, value in bot.books["account"].items()}
    earned = account["rpl"] + account["upl"] - account["fees"]
    assert bot.value("trading.portfolio.pnl") == pytest.approx(float(earned), rel=1e-9)
    held = account["equity"] - account["cash"]
    assert bot.value("trading.portfolio.exposure.net") == pytest.approx(float(held), rel=1e-9)
    for symbol, traded in bot.books["symbols"].items():
        position = bot.total("trading.position.quantity", trading_symbol=symbol)
        assert position == pytest.approx(float(traded["position"]), abs=1e-9)
    names = {point.name for point in bot.points if point.has_value}
    assert {
        "trading.risk.value_at_risk", "trading.risk.expected_shortfall", "trading.risk.drawdown",
        "trading.risk.volatility", "trading.risk.concentration", "trading.portfolio.leverage",
        "trading.portfolio.daily_pnl", "trading.performance.trades", "trading.performance.win_rate",
    } <= names  # fmt: skip
    assert bot.value("trading.performance.peak") >= float(account["equity"])


def test_predictions_are_those_of_its_models(bot: Run) -> None:
    models = bot.books["models"]
    assert set(models) == {"drift", "rubber"}
    for name, model in models.items():
        agent = {"trading_agent_name": name}
        assert bot.total("trading.agent.predictions", **agent) == model["predictions"] > 0
        assert bot.total("trading.agent.confidence", **agent) == model["predictions"]
        said = {
            point.labels["trading.agent.prediction.outcome"]
            for point in bot.last("trading.agent.predictions", **agent).values()
        }
        assert said == {"up", "down"}


def test_what_came_of_predictions_is_what_its_models_count(bot: Run) -> None:
    for name, model in bot.books["models"].items():
        agent = {"trading_agent_name": name}
        assert bot.total("trading.agent.outcomes", **agent) == model["settled"] > 0
        right = 0.0
        for point in bot.last("trading.agent.accuracy", **agent).values():
            symbol = {"trading_symbol": point.labels["trading.symbol"]}
            right += point.value * bot.total("trading.agent.outcomes", **agent, **symbol)
        assert right == pytest.approx(model["right"], rel=1e-12)
        assert 0 < bot.value("trading.agent.brier_score", **agent) < 1


def test_each_answer_is_an_event(bot: Run) -> None:
    books = bot.books
    assert bot.events["trading.order.submitted"] == books["submitted"]
    assert bot.events["trading.order.acknowledged"] == books["acked"]
    assert bot.events["trading.order.rejected"] == books["rejected"]
    assert bot.events["trading.order.filled"] == books["fills"]
    assert bot.events["trading.order.replaced"] == books["replaced"]
    gone = bot.events["trading.order.cancelled"], bot.events["trading.order.expired"]
    assert sum(gone) == books["cancelled"]
    assert min(gone) > 0


def test_map_check_finds_every_table_called_and_every_field(bot: Run) -> None:
    words = ("--root", bot.desk.root, "--config", "gridbot/tradespan.toml", "--json")
    checked = bot.desk.tradespan("map", "check", *words)
    tables = [json.loads(line) for line in checked.out.splitlines()]
    assert checked.status == 0, checked.out
    assert len(tables) == (BOT / "tradespan.toml").read_text().count("[[map]]")
    missing = {
        (table["signal"], field["attribute"]): field["missing"]
        for table in tables
        for field in table["fields"]
        if field["missing"]
    }
    assert missing == {}


def test_what_it_records_is_as_the_conventions_have_it(desk: Desk) -> None:
    take_bot(desk)
    nobody = f"http://127.0.0.1:{free_port()}"  # so that the events stay in the spool
    ended = desk.run("--endpoint", nobody, *WORDS)
    assert ended.status == 0, ended.err
    checked = desk.tradespan("conventions", "live", "--root", desk.root)
    assert checked.status == 0, checked.out
    assert re.search(r"[1-9]\d* log lines", checked.out)
    assert "nothing deviates" in checked.out
