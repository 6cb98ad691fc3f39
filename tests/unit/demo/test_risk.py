from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from momentum_bot.messages import Action, Decision, Fill
from momentum_bot.portfolio import Portfolio
from momentum_bot.risk import RiskLimits, RiskManager

EQUITY = Decimal(10_000)
WIDE = RiskLimits(position=Decimal(9), exposure=Decimal(9), value_at_risk=Decimal(9))


@pytest.fixture
def portfolio() -> Portfolio:
    return Portfolio(EQUITY)


def test_order_inside_all_limits_is_approved(portfolio: Portfolio, buy: Decision) -> None:
    verdict = RiskManager(portfolio).check(buy)

    assert verdict.approved
    assert 0 < verdict.utilisation < 1


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        (replace(WIDE, position=Decimal("0.0999")), "position"),
        (replace(WIDE, exposure=Decimal("0.0999")), "exposure"),
        (replace(WIDE, value_at_risk=Decimal("0.001")), "value at risk"),
    ],
)
def test_order_over_one_limit_is_refused_in_its_name(
    portfolio: Portfolio, buy: Decision, limits: RiskLimits, name: str
) -> None:
    verdict = RiskManager(portfolio, limits).check(buy)

    assert (verdict.approved, verdict.reason) == (False, name)
    assert verdict.utilisation > 1


def test_order_exactly_at_its_limit_is_approved(portfolio: Portfolio, buy: Decision) -> None:
    limits = replace(WIDE, position=Decimal("0.1"))

    verdict = RiskManager(portfolio, limits).check(buy)

    assert (verdict.approved, verdict.utilisation) == (True, 1.0)


def test_what_is_held_counts_towards_the_position(
    portfolio: Portfolio, buy: Decision, fill: Callable[..., Fill]
) -> None:
    risk = RiskManager(portfolio, replace(WIDE, position=Decimal("0.15")))
    assert risk.check(buy).approved

    portfolio.apply_fill(fill("buy", 10, "100.00"))

    assert not risk.check(buy).approved


def test_nothing_is_bought_with_the_last_cash(
    portfolio: Portfolio, buy: Decision, fill: Callable[..., Fill]
) -> None:
    portfolio.apply_fill(fill("buy", 99, "100.00"))

    verdict = RiskManager(portfolio, WIDE).check(buy)

    assert (verdict.approved, verdict.reason) == (False, "cash")


def test_sale_is_approved_whatever_the_limits(portfolio: Portfolio, buy: Decision) -> None:
    none = Decimal("0.0001")
    limits = RiskLimits(position=none, exposure=none, value_at_risk=none)

    assert RiskManager(portfolio, limits).check(replace(buy, action=Action.SELL)).approved


def test_order_for_less_than_a_share_is_refused(portfolio: Portfolio, buy: Decision) -> None:
    verdict = RiskManager(portfolio).check(replace(buy, quantity=0))

    assert (verdict.approved, verdict.reason) == (False, "too small")


def test_value_at_risk_grows_with_what_is_held_and_how_much_it_moves(
    portfolio: Portfolio, buy: Decision
) -> None:
    risk = RiskManager(portfolio)
    assert risk.var_95("AAPL", Decimal(1_000)) == 0, "nothing is known of its moves yet"

    risk.check(buy)

    assert float(risk.var_95("AAPL", Decimal(1_000))) == pytest.approx(1.645 * 40**0.5 * 1.0)
    assert risk.var_95("AAPL", Decimal(2_000)) == pytest.approx(
        2 * risk.var_95("AAPL", Decimal(1_000))
    )


def test_symbol_rests_after_too_many_errors_and_is_forgiven_by_and_by(
    portfolio: Portfolio, buy: Decision
) -> None:
    risk = RiskManager(portfolio, RiskLimits(errors=2))
    for _ in range(4):
        risk.record_error("AAPL", "KeyError", "'last_px'")

    verdicts = [risk.check(buy) for _ in range(3)]

    assert [verdict.approved for verdict in verdicts] == [False, False, True]
    assert verdicts[0].reason == "paused after KeyError: 'last_px'"
    assert risk.check(replace(buy, symbol="MSFT")).approved
