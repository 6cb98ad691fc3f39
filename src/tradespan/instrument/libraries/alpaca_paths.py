"""Alpaca's paths without ids: `/v2/orders/61e6…` → `/v2/orders/{order_id}`.

What is no word of the API's is an id, a symbol or an account: it never gets into a name or label.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_VERSION = re.compile(r"v\d\w*")
_SPELT = """
    account accounts ach_relationships actions activities announcements assets auctions bars batch
    calendar cip clock close conditions configurations contracts corporate-actions corporate_actions
    crypto documents download events exchanges exercise fixed_income forex history journals latest
    logos meta most-actives movers news nta options orderbooks orders orders:by_client_order_id
    portfolio portfolios positions quotes rates rebalancing recipient_banks reverse_batch runs
    screener snapshots status stocks subscriptions trades trading transfers upload us us-1 us-2
    eu-1 global watchlists watchlists:by_name
"""
_WORDS = frozenset(_SPELT.split())
_PLACES = {
    "accounts": "{account_id}",
    "assets": "{symbol}",
    "contracts": "{symbol}",
    "orders": "{order_id}",
    "positions": "{symbol}",
    "snapshots": "{symbol}",
    "watchlists": "{watchlist_id}",
}


def path_template(url: str) -> str:
    """The path from the API's version on, with a name in braces for each part that is no word."""
    parts = urlsplit(url).path.split("/")
    begin = next((at for at, part in enumerate(parts) if _VERSION.fullmatch(part)), len(parts))
    shown: list[str] = []
    for at in range(begin, len(parts)):
        part = parts[at]
        known = at == begin or part in _WORDS
        shown.append(part if known else _PLACES.get(parts[at - 1], "{id}"))
    return "/" + "/".join(shown)
