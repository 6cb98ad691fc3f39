"""The loop: fills, prices, opinions, a decision, two orders."""

import logging
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import tradespan
from instrumented_engine.oracles import Oracles
from instrumented_engine.paper import VENUE, Fill, Order, PaperBroker, Refused
from instrumented_engine.prices import POOR, RICH, BadTick, Bar
from tradespan.engine_hooks import (
    cycle,
    decision,
    on_engine_start,
    on_engine_stop,
    on_error,
    on_kill_switch,
    on_portfolio,
    on_quote,
    on_trade,
)

STRATEGY: Final = "pairs"
ENTER: Final = 0.006
LEAVE: Final = 0.001
"""How far the spread is from its mean, as a logarithm."""
STARTING_CASH: Final = 100_000.0
NOTIONAL: Final = 10_000.0

logger = logging.getLogger(__name__)


class PairsEngine:
    """Sells what is dear and buys what is cheap, until they have come together again."""

    def __init__(self, broker: PaperBroker, loss_limit: float) -> None:
        self.tally: Counter[str] = Counter()
        self.oracles = Oracles()
        self._broker = broker
        self._loss_limit = loss_limit
        self._cash = STARTING_CASH
        self._held: Counter[str] = Counter()
        self._ratio = 0.0
        self._peak = STARTING_CASH
        self._halted = False

    def run(self, bars: Iterable[Bar]) -> None:
        """Trade until the bars end, or the loss limit stops it."""
        on_engine_start(strategy=STRATEGY)
        for bar in bars:
            try:
                self.run_cycle(bar)
            except BadTick as error:
                self.tally["failed cycles"] += 1
                on_error(error, context={"bar": bar.number}, strategy=STRATEGY, venue=VENUE)
            if self._halted:
                break
        on_engine_stop("loss limit" if self._halted else "end of data", strategy=STRATEGY)

    def run_cycle(self, bar: Bar) -> None:
        """One bar.

        Raises:
            BadTick: Its prices are none.
        """
        self.tally["cycles"] += 1
        with cycle(bar.number, strategy=STRATEGY, ts=bar.ts):
            prices = bar.checked()
            for symbol in prices:
                on_quote(symbol, venue=VENUE, ts=bar.ts, sequence=bar.number)
            for fill in self._broker.match(bar):
                self._book(fill, bar.ts)
            spread = self._spread(prices)
            self.oracles.look(bar.number, spread, bar.ts)
            self._value(prices, bar.ts)
            outcome = self._choose(spread)
            self.tally[f"decisions {outcome}"] += 1
            decision_id = f"D-{bar.number}"
            confidence = min(abs(spread) / (2 * ENTER), 1.0)
            decision(
                outcome, symbol=RICH, confidence=confidence, decision_id=decision_id, ts=bar.ts
            )
            if outcome == "TRADE":
                logger.info("trading the spread at %.4f", spread)
                self._trade(spread, prices, decision_id, bar.ts)

    def _spread(self, prices: dict[str, float]) -> float:
        """How much dearer than usual one is against the other."""
        ratio = prices[RICH] / prices[POOR]
        self._ratio = ratio if not self._ratio else self._ratio + 0.01 * (ratio - self._ratio)
        return ratio / self._ratio - 1

    @tradespan.monitor(process_group="strategy")
    def _choose(self, spread: float) -> str:
        invested = any(self._held.values())
        if self._halted:
            return "BLOCKED"
        if (invested and abs(spread) < LEAVE) or (not invested and abs(spread) > ENTER):
            return "TRADE"
        return "HOLD"

    def _trade(self, spread: float, prices: dict[str, float], decision_id: str, ts: int) -> None:
        pair_id = decision_id.replace("D", "P")
        for symbol in (RICH, POOR):
            if any(self._held.values()):
                change = -self._held[symbol]
            else:
                dear = (symbol == RICH) == (spread > 0)
                change = round(NOTIONAL / prices[symbol]) * (-1 if dear else 1)
            if change:
                side = "buy" if change > 0 else "sell"
                order = Order(
                    f"{pair_id}-{symbol}", symbol, side, abs(change), prices[symbol], pair_id
                )
                self._send(order, decision_id, ts)

    def _send(self, order: Order, decision_id: str, ts: int) -> None:
        facts: dict[str, Any] = {
            "client_id": order.client_id, "symbol": order.symbol, "side": order.side,
            "venue": VENUE, "type": "market", "quantity": order.quantity,
            "pair_id": order.pair_id, "leg": order.symbol, "ts": ts,
        }  # fmt: skip
        self.tally["submitted"] += 1
        on_trade("submitted", expected_price=order.price, decision_id=decision_id, **facts)
        try:
            order_id = self._broker.send(order)
        except Refused as refused:
            self.tally["rejected"] += 1
            logger.warning("order refused", extra={"client_id": order.client_id})
            on_trade("rejected", reason=str(refused), reason_code="insufficient_funds", **facts)
        else:
            on_trade("acknowledged", order_id=order_id, **facts)

    def _book(self, fill: Fill, ts: int) -> None:
        order = fill.order
        self.tally["filled"] += 1
        self._cash -= fill.signed * fill.price
        self._held[order.symbol] += fill.signed
        on_trade(
            "filled", client_id=order.client_id, symbol=order.symbol, side=order.side, venue=VENUE,
            type="market", quantity=order.quantity, price=fill.price, currency="USD",
            pair_id=order.pair_id, leg=order.symbol, ts=ts,
        )  # fmt: skip

    def _value(self, prices: dict[str, float], ts: int) -> None:
        held = {symbol: count * prices[symbol] for symbol, count in self._held.items() if count}
        equity = self._cash + sum(held.values())
        self._peak = max(self._peak, equity)
        on_portfolio(currency="USD", value=equity, cash=self._cash, positions=len(held))
        # What no hook has is told to the set itself.
        tradespan.sets.risk.drawdown(1 - equity / self._peak)
        loss = self._peak - equity
        if loss > self._loss_limit and not self._halted:
            self._halted = True
            on_kill_switch("loss limit", loss, self._loss_limit, strategy=STRATEGY, ts=ts)
