"""The table of open orders of this process, and whose it may take over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tradespan.config import Config
from tradespan.pages.adoption import Estate
from tradespan.pages.metrics import PageWriter
from tradespan.pages.orders import pack_owner
from tradespan.pages.ordertable import OrderTable
from tradespan.spool.folder import run_folders


def build_open_orders(config: Config, spool: PageWriter) -> OrderTable | None:
    """The table; None for a backtest, whose orders end with it.

    Its file is made with the first open order.
    """
    if config.mode == "backtest":
        return None

    def find_folders() -> Iterator[Path]:
        return (folder.path for folder in run_folders(config.root))

    within = config.orders.adopt_within
    namespace = str(config.resource.get("service.namespace", ""))
    return OrderTable(
        spool,
        pack_owner(config.service_name, namespace, config.mode),
        keep=within,
        estate=Estate(config.root, find_folders, within) if config.orders.adopt else None,
    )
