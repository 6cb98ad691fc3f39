"""What is held: a position as it changes, and as it is told."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

from tradespan.signals.analytics.exact import ONE, ZERO, Number, multiply, read_text
from tradespan.signals.analytics.lots import Lots
from tradespan.signals.analytics.sums import Group, Sum

NEVER: Final = -(1 << 63)
"""Before all times."""


class Key(NamedTuple):
    """What is one position: the same symbol elsewhere, or in another currency, is another one."""

    symbol: str
    venue: str
    account: str
    strategy: str
    currency: str


@dataclass(frozen=True, slots=True)
class Position:
    """A position at one moment, amounts in its own `currency`."""

    symbol: str
    venue: str
    account: str
    strategy: str
    currency: str
    quantity: Number
    """Negative: short. 0: it is closed."""
    multiplier: Number
    average_price: Number | None
    """cost / (quantity × multiplier), 28 digits; None when nothing is held."""
    cost: Number
    """What it was bought for; below 0: what a short was sold for. Without fees."""
    market_price: Number | None
    value: Number | None
    """quantity × market_price × multiplier; below 0 for a short. None without a price."""
    realised: Number | None
    """Profit of what was closed since the position is known, see `fees_in_pnl`."""
    unrealised: Number | None
    """value − cost."""
    fees: Number | None
    """None where those in another currency have no rate."""
    opened_ts: int
    """When what is held now began: the `ts` of the fill that opened it."""
    lots: int
    """How many are held; with average cost one at most."""


@dataclass(frozen=True, slots=True)
class Realised:
    """What a fill or a settlement closed."""

    symbol: str
    venue: str
    account: str
    strategy: str
    currency: str
    quantity: Number
    """Closed, with the sign of what was held: 10 of a long, −10 of a short."""
    entry_price: Number
    """cost / (quantity × multiplier), 28 digits."""
    exit_price: Number
    cost: Number
    pnl: Number | None
    """quantity × exit_price × multiplier − cost, in `currency`. With `fees_in_pnl` less the fill's
    fee, and None if that has no rate into `currency`."""
    fee: Number
    """Of the whole fill, in `fee_currency`."""
    fee_currency: str
    opened_ts: int
    ts: int


class Holding:
    """A position as the tracker has it. All numbers are exact ones."""

    __slots__ = (
        "fees", "groups", "key", "lots", "multiplier", "opened_ts", "price", "price_ts",
        "realised", "sums", "value",
    )  # fmt: skip

    def __init__(self, key: Key, lots: Lots, groups: tuple[Group, ...]) -> None:
        self.key = key
        self.lots = lots
        self.multiplier = ONE
        self.price: Decimal | None = None
        self.price_ts = NEVER
        self.value: Decimal | None = ZERO
        """None while something is held without a price."""
        self.realised = ZERO
        self.fees: dict[str, Decimal] = {}
        """By currency."""
        self.opened_ts = 0
        self.groups = groups
        """All, and those of each dimension."""
        self.sums: tuple[Sum, ...] = tuple(group.of(key.currency) for group in groups)

    def worth(self) -> Decimal | None:
        """What it is worth at its price: 0 when nothing is held, None without a price."""
        quantity = self.lots.quantity
        if not quantity:
            return ZERO
        if self.price is None:
            return None
        return multiply(multiply(quantity, self.price), self.multiplier)


def read_key(symbol: str, venue: str, account: str, strategy: str, currency: str) -> Key:
    """A position's key, checked; see `read_text` for its errors."""
    return Key(
        read_text(symbol, "symbol", required=True),
        read_text(venue, "venue"),
        read_text(account, "account"),
        read_text(strategy, "strategy"),
        read_text(currency, "currency", required=True),
    )


def read_execution(key: Key, execution_id: str | None) -> tuple[str, str, str, str] | None:
    """What tells a fill from others: ids count by symbol, venue and account."""
    if execution_id is None:
        return None
    known = read_text(execution_id, "execution_id", required=True)
    return key.symbol, key.venue, key.account, known
