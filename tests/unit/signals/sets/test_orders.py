"""The orders' set."""

from __future__ import annotations

import os

import pytest

from tests.unit.signals.sets.conftest import Values, Watches
from tradespan.core import guard
from tradespan.declare import instruments as declared
from tradespan.signals.metrics.registry import InstrumentRegistry
from tradespan.signals.sets import orders
from tradespan.signals.sets.switch import Sets


def test_each_verb_counts_its_own(sets: Sets, values: Values) -> None:
    for verb in ("submitted", "acknowledged", "filled", "rejected", "cancelled"):
        getattr(sets.orders, verb)(venue="XNAS", symbol="AAPL", side="buy")
    for name in ("submitted", "acknowledged", "filled", "fills", "rejected", "cancelled"):
        assert values.of(f"trading.orders.{name}") == {("buy", "AAPL", "XNAS"): 1}, name


def test_a_submitted_order_lets_its_counters_be_born_at_0(sets: Sets, values: Values) -> None:
    sets.orders.submitted(venue="XNAS")
    for name in ("acknowledged", "filled", "fills", "rejected", "cancelled"):
        assert values.of(f"trading.orders.{name}") == {("XNAS",): 0}, name


def test_reject_codes_can_be_declared_before_the_first(sets: Sets, values: Values) -> None:
    sets.orders.declare(venue="XNAS", reject_codes=("too_late",))
    assert values.of("trading.orders.rejected") == {("XNAS",): 0, ("too_late", "XNAS"): 0}
    sets.orders.rejected(venue="XNAS", reason="too_late")
    assert values.of("trading.orders.rejected")["too_late", "XNAS"] == 1


def test_ids_tie_messages_together_and_are_no_labels(
    sets: Sets, values: Values, watches: Watches
) -> None:
    sets.orders.submitted(venue="XNAS", strategy="momentum", client_id="MOM-1")
    watches.seconds += 0.25
    sets.orders.acknowledged(client_id="MOM-1")
    watches.seconds += 9
    sets.orders.filled(client_id="MOM-1")
    assert values.of("trading.order.response_time") == {("momentum", "XNAS"): (1, 0.25)}
    assert values.of("trading.orders.acknowledged") == {("momentum", "XNAS"): 1}
    assert values.of("trading.orders.filled") == {("momentum", "XNAS"): 1}


def test_a_reject_is_an_answer_and_a_cancel_is_none(
    sets: Sets, values: Values, watches: Watches
) -> None:
    sets.orders.submitted(client_id="1")
    sets.orders.submitted(client_id="2")
    watches.seconds += 0.5
    sets.orders.rejected(client_id="1")
    sets.orders.cancelled(client_id="2")
    sets.orders.rejected(client_id="1")
    assert values.of("trading.order.response_time") == {(): (1, 0.5)}


def test_the_fill_rate_is_absent_until_an_order_has_ended(sets: Sets, values: Values) -> None:
    sets.orders.submitted(venue="XNAS")
    sets.orders.filled(venue="XNAS", complete=False)
    assert "trading.orders.fill_rate" not in values
    sets.orders.filled(venue="XNAS")
    assert values.of("trading.orders.fill_rate") == {("XNAS",): 1}
    sets.orders.cancelled(venue="XNAS")
    sets.orders.rejected(venue="XNAS", symbol="AAPL")
    sets.orders.rejected(venue="XLON")
    assert values.of("trading.orders.fill_rate") == {("XNAS",): pytest.approx(1 / 3), ("XLON",): 0}


def test_parts_are_fills_and_no_filled_orders(sets: Sets, values: Values) -> None:
    sets.orders.submitted()
    sets.orders.filled(complete=False)
    sets.orders.filled(complete=True)
    assert values.of("trading.orders.fills") == {(): 2}
    assert values.of("trading.orders.filled") == {(): 1}


def test_where_nobody_says_whether_an_order_is_done_there_is_no_rate(
    sets: Sets, values: Values
) -> None:
    sets.orders.cancelled()
    sets.orders.filled(complete=None)
    sets.orders.cancelled()
    assert values.of("trading.orders.fills") == {(): 1}
    assert "trading.orders.fill_rate" not in values


@pytest.mark.parametrize(
    ("side", "price", "slippage"),
    [("buy", 101, 0.01), ("buy", 99, -0.01), ("sell", 99, 0.01), ("sell_short", 101, -0.01)],
)
def test_slippage_is_worse_above_0_for_either_side(
    sets: Sets, values: Values, side: str, price: float, slippage: float
) -> None:
    sets.orders.submitted(side=side, client_id="1", expected_price=100)
    sets.orders.filled(side=side, client_id="1", price=price)
    assert values.of("trading.order.slippage") == {(side,): (1, pytest.approx(slippage))}


def test_there_is_no_slippage_without_side_price_or_expectation(sets: Sets, values: Values) -> None:
    sets.orders.filled(side="buy", price=100)
    sets.orders.filled(price=100, expected_price=99)
    sets.orders.filled(side="buy", price=100, expected_price=0)
    sets.orders.filled(side="buy", expected_price=99)
    assert "trading.order.slippage" not in values


def test_the_edges_mean_is_sum_by_count_in_each_currency(sets: Sets, values: Values) -> None:
    sets.orders.edge_captured(0.5, currency="USD")
    sets.orders.edge_captured(-0.25, currency="USD")
    sets.orders.edge_captured(1, currency="EUR")
    assert values.of("trading.order.edge_captured") == {("USD",): (2, 0.25), ("EUR",): (1, 1)}


def test_open_orders_are_remembered_up_to_a_number(
    sets: Sets, values: Values, watches: Watches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "MOST_OPEN", 2)
    for number in range(3):
        sets.orders.submitted(client_id=str(number))
    watches.seconds += 1
    for number in range(3):
        sets.orders.acknowledged(client_id=str(number))
    assert values.of("trading.order.response_time") == {(): (2, 2)}
    assert values.of("trading.orders.acknowledged") == {(): 3}


def test_what_no_order_has_is_refused_without_reaching_the_program(
    sets: Sets, values: Values
) -> None:
    with pytest.raises(TypeError, match="an order has no colour here"):
        sets.orders.submitted(colour="red")  # type: ignore[call-arg]
    strict = guard.raise_errors(strict=False)
    try:
        sets.orders.submitted(colour="red")  # type: ignore[call-arg]
    finally:
        guard.raise_errors(strict)
    assert "trading.orders.submitted" not in values


def test_a_forked_child_does_not_answer_for_its_parents_orders(
    sets: Sets, registry: InstrumentRegistry
) -> None:
    sets.orders.submitted(client_id="1")
    pid = os.fork()
    if not pid:
        sets.orders.acknowledged(client_id="1")
        os._exit(answers(registry))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    sets.orders.acknowledged(client_id="1")
    assert answers(registry) == 1


def answers(registry: InstrumentRegistry) -> int:
    """How many were timed."""
    response = registry.from_declaration(declared.TRADING_ORDER_RESPONSE_TIME)
    return sum(child.count for _, child in response.series())
