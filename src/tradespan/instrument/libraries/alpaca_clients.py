"""`alpaca-py`: REST calls, trade updates and market data of Alpaca."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from tradespan.instrument.libraries.alpaca_rest import VENUE, Rest
from tradespan.instrument.libraries.alpaca_streams import Streams
from tradespan.instrument.libraries.base import LibraryInstrumentor, Patch, Telemetry
from tradespan.instrument.libraries.broker_metrics import BrokerMetrics
from tradespan.instrument.libraries.order_reports import OrderLinks

METHODS = {
    "alpaca.trading.client:TradingClient": """
        add_asset_to_watchlist_by_id cancel_order_by_id cancel_orders close_all_positions
        close_position create_watchlist delete_watchlist_by_id exercise_options_position
        get_account get_account_configurations get_all_assets get_all_positions get_asset
        get_calendar get_clock get_corporate_announcement_by_id get_corporate_announcements
        get_open_position get_option_contract get_option_contracts get_order_by_client_id
        get_order_by_id get_orders get_portfolio_history get_watchlist_by_id get_watchlists
        remove_asset_from_watchlist_by_id replace_order_by_id set_account_configurations
        submit_order update_watchlist_by_id
    """,
    "alpaca.data.historical.stock:StockHistoricalDataClient": """
        get_stock_bars get_stock_latest_bar get_stock_latest_quote get_stock_latest_trade
        get_stock_quotes get_stock_snapshot get_stock_trades
    """,
    "alpaca.data.historical.crypto:CryptoHistoricalDataClient": """
        get_crypto_bars get_crypto_latest_bar get_crypto_latest_orderbook get_crypto_latest_quote
        get_crypto_latest_trade get_crypto_quotes get_crypto_snapshot get_crypto_trades
    """,
    "alpaca.data.historical.option:OptionHistoricalDataClient": """
        get_option_bars get_option_chain get_option_exchange_codes get_option_latest_quote
        get_option_latest_trade get_option_snapshot get_option_trades
    """,
    "alpaca.data.historical.news:NewsClient": "get_news",
    "alpaca.data.historical.screener:ScreenerClient": "get_market_movers get_most_actives",
    "alpaca.data.historical.corporate_actions:CorporateActionsClient": "get_corporate_actions",
}
"""Methods that ask Alpaca. Calls of `BrokerClient` go by their endpoints."""


class AlpacaInstrumentor(LibraryInstrumentor):
    """Spans and metrics of `alpaca-py`'s clients and streams."""

    requirement = "alpaca-py >= 0.40"
    scope = "tradespan.alpaca"

    _orders: OrderLinks | None = None
    _metrics: BrokerMetrics | None = None

    def patches(self, telemetry: Telemetry) -> Iterable[Patch]:
        """Methods of the clients, the HTTP request below them, and the streams' own steps."""
        orders = self._orders = OrderLinks()
        metrics = self._metrics = BrokerMetrics(telemetry, VENUE)
        rest = Rest(telemetry, metrics, orders)
        for place, names in METHODS.items():
            module, _, owner = place.partition(":")
            for name in names.split():
                yield Patch(module, f"{owner}.{name}", functools.partial(rest.method, name))
        yield Patch("alpaca.common.rest", "RESTClient._request", rest.request)
        yield Patch("alpaca.common.rest", "RESTClient._one_request", rest.attempt)
        streams = Streams(telemetry, metrics, orders)
        for module, owner, dispatch in (
            ("alpaca.trading.stream", "TradingStream", streams.updates),
            ("alpaca.data.live.websocket", "DataStream", streams.prices),
        ):
            yield Patch(module, f"{owner}._dispatch", dispatch)
            yield Patch(module, f"{owner}._start_ws", streams.connects)
            yield Patch(module, f"{owner}._consume", streams.consumes)
        yield Patch("alpaca.data.live.websocket", "DataStream._subscribe", streams.subscribes)
        yield Patch("alpaca.data.live.websocket", "DataStream._unsubscribe", streams.unsubscribes)
        yield Patch("alpaca.data.live.websocket", "DataStream.stop_ws", streams.stops)

    def forget(self) -> None:
        """Forget orders and prices."""
        if self._orders is not None:
            self._orders.clear()
        if self._metrics is not None:
            self._metrics.market_data.clear()
        self._orders = self._metrics = None
