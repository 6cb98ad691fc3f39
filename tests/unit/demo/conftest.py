"""The demo's packages, run from their own folder as a user would run them."""

import os
import sys
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
sys.path.insert(0, str(EXAMPLES))

from demo_exchange.market import Quote  # noqa: E402 - found by the line above
from demo_exchange.prices import WeeklyCloses, load_weekly_closes  # noqa: E402
from momentum_bot.messages import Action, Decision, Fill, Order, Side  # noqa: E402


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(EXAMPLES), "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture(scope="session")
def closes() -> WeeklyCloses:
    return load_weekly_closes()


@pytest.fixture
def quote() -> Quote:
    return Quote(
        symbol="AAPL",
        week=date(2018, 1, 8),
        bid_px=Decimal("99.98"),
        ask_px=Decimal("100.02"),
        last_px=Decimal("100.00"),
        last_qty=10,
    )


@pytest.fixture
def order() -> Order:
    return Order("C-1", "AAPL", Side.BUY, 10, Decimal("100.00"))


@pytest.fixture
def buy() -> Decision:
    return Decision(
        symbol="AAPL",
        action=Action.BUY,
        confidence=1.0,
        momentum=0.01,
        volatility=0.001,
        quantity=10,
        price=Decimal("100.00"),
    )


@pytest.fixture
def fill() -> Callable[..., Fill]:
    """A complete fill of an order, free of commission unless told otherwise."""

    def make(
        side: str, quantity: int, price: str, *, leaves: int = 0, commission: str = "0"
    ) -> Fill:
        return Fill(
            cl_ord_id="C-1",
            symbol="AAPL",
            side=Side(side),
            venue="DEMO",
            exec_type="trade",
            ord_status="partially_filled" if leaves else "filled",
            last_qty=quantity,
            last_px=Decimal(price),
            cum_qty=quantity,
            leaves_qty=leaves,
            commission=Decimal(commission),
            ts_event=0,
        )

    return make
