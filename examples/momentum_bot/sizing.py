"""What to do about a forecast, how much of it, and up to which price."""

from decimal import Decimal
from typing import Final

from momentum_bot.messages import Action, Tick

CENT: Final = Decimal("0.01")
LEAST_SLIPPAGE: Final = 0.0005


def choose_action(forecast: float, threshold: float, held: int) -> Action:
    """Buy what is likely to rise, sell what is held and likely to fall."""
    if forecast > threshold:
        return Action.BUY
    if forecast < -threshold and held > 0:
        return Action.SELL
    return Action.HOLD


def choose_quantity(action: Action, budget: Decimal, price: Decimal, held: int) -> int:
    """Whole shares: what the budget pays for, or all that is held."""
    if action is Action.BUY:
        return int(budget / price)
    return held if action is Action.SELL else 0


def choose_limit(action: Action, tick: Tick, volatility: float) -> Decimal:
    """Go past the best price by what the symbol moves in a tick, so that the order fills."""
    if action is Action.HOLD:
        return tick.last_px
    slippage = Decimal(max(LEAST_SLIPPAGE, volatility))
    price = tick.ask_px * (1 + slippage) if action is Action.BUY else tick.bid_px * (1 - slippage)
    return price.quantize(CENT)
