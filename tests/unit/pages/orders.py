"""Open orders and tables of processes that exist in a test only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.unit.pages.builders import Writer
from tradespan.core.orders import OpenOrder
from tradespan.pages.adoption import Estate
from tradespan.pages.orders import LeftOrders, pack_owner, read_orders
from tradespan.pages.ordertable import OrderTable

OWNER = pack_owner("bot", "", "live")
DAY = 86_400.0


def order(client_id: str = "MOM-1", **fields: Any) -> OpenOrder:
    """An order of which everything is known."""
    known = OpenOrder(
        client_id=client_id,
        order_id="V-77",
        symbol="BTC-USDT",
        venue="binance",
        strategy="momentum",
        account="main",
        side="buy",
        type="limit",
        state="New",
        quantity="1.250",
        cumulative="0",
        price="64000.10",
        submitted=1_772_366_400_000_000_001,
        changed=1_772_366_400_000_000_002,
        trace_id=bytes(range(16)),
        span_id=0xFEDCBA9876543210,
        pair_id="pair-3",
    )
    return known._replace(**fields)


class Process:
    """A process with a table, in a run's folder of a root."""

    def __init__(
        self, root: Path, run: str = "one", *, owner: bytes = OWNER, within: float = 7 * DAY
    ) -> None:
        self.root = root
        folder = root / "runs" / run
        folder.mkdir(parents=True, exist_ok=True)
        self.writer = Writer(folder)
        runs = root / "runs"
        estate = Estate(root, lambda: sorted(runs.iterdir()), within)
        self.table = OrderTable(self.writer, owner, keep=within, estate=estate)

    def die(self) -> None:
        """Its locks go, and nothing else is said."""
        self.writer.locks.abandon()

    @property
    def left(self) -> LeftOrders:
        """What a reader finds."""
        found = read_orders(self.table.path)
        assert found is not None
        return found

    @property
    def ids(self) -> list[str]:
        return sorted(row.client_id for row in self.left.rows)
