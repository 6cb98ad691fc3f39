"""Running sums of positions: of all, and by asset, venue, account, currency and strategy.

Each amount stays in its own currency until it is read, so that a new rate changes nothing here, and
an amount taken out leaves no trace: sums of exact numbers do not drift.
"""

from __future__ import annotations

from typing import Final

from tradespan.signals.analytics.exact import ZERO, add

DIMENSIONS: Final = ("asset", "venue", "account", "currency", "strategy")
MOST_GROUPS: Final = 20_000
"""Values of a dimension that have sums of their own."""
OTHER: Final = "(other)"
"""The group of those beyond, and of assets that were closed so long ago that they are forgotten."""


class Sum:
    """Of one group, in one currency."""

    __slots__ = ("cost", "fees", "long", "realised", "short", "unpriced", "value")

    def __init__(self) -> None:
        self.value = self.cost = self.long = self.short = ZERO
        """Of open positions; `long` and `short` are what values above and below 0 add up to."""
        self.realised = self.fees = ZERO
        self.unpriced = 0
        """Open positions without a price: there is no value while there are any."""


class Group:
    """Sums by currency."""

    __slots__ = ("known", "open", "sums")

    def __init__(self) -> None:
        self.sums: dict[str, Sum] = {}
        self.open = 0
        """Positions that are held."""
        self.known = 0
        """Of an asset: positions that are remembered, held or not."""

    def of(self, currency: str) -> Sum:
        """The sums in a currency; made at first."""
        found = self.sums.get(currency)
        if found is None:
            found = self.sums[currency] = Sum()
        return found


class Groups:
    """All groups there are."""

    def __init__(self) -> None:
        self.all = Group()
        self.by: dict[str, dict[str, Group]] = {dimension: {} for dimension in DIMENSIONS}

    def at(self, dimension: str, value: str) -> Group:
        """A group; made at first."""
        groups = self.by[dimension]
        found = groups.get(value)
        if found is None:
            if len(groups) >= MOST_GROUPS:
                value = OTHER
            found = groups.setdefault(value, Group())
        return found

    def fold(self, dimension: str, value: str) -> None:
        """Add a group's sums to those of others: nothing of it is held."""
        folded = self.by[dimension].pop(value, None)
        if folded is None:  # it is in the other ones' group already
            return
        other = self.by[dimension].setdefault(OTHER, Group())
        for currency, sums in folded.sums.items():
            into = other.of(currency)
            into.realised = add(into.realised, sums.realised)
            into.fees = add(into.fees, sums.fees)
