"""The bot's loop: hears the exchange, starts a task for each tick, survives its errors."""

import asyncio
import json
import logging
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any, Final

from websockets.exceptions import ConnectionClosed

from momentum_bot.execution import Execution
from momentum_bot.messages import OrderResult, read_report
from momentum_bot.portfolio import Portfolio
from momentum_bot.risk import RiskManager
from momentum_bot.strategy import MomentumStrategy

logger = logging.getLogger(__name__)

STARTING_CASH: Final = Decimal(100_000)
SECONDS_FOR_LAST_ORDERS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did."""

    seconds: float
    counts: Mapping[str, int]
    equity: Decimal

    def __str__(self) -> str:
        names = ("ticks", "orders", "fills", "rejected", "cancelled", "errors", "disconnects")
        counts = ", ".join(f"{self.counts[name]} {name}" for name in names)
        return f"{self.seconds:.1f} s, {counts}, equity {self.equity:,.2f} USD"


class App:
    """Puts the bot's parts together and runs them."""

    def __init__(self, url: str, seed: int) -> None:
        self.tally: Counter[str] = Counter()
        self.portfolio = Portfolio(STARTING_CASH)
        self.execution = Execution(url, self.portfolio, Random(seed), self.tally)
        self.strategy = MomentumStrategy(
            self.portfolio,
            RiskManager(self.portfolio),
            self.execution,
            order_prefix=f"C-{int(time.time()):x}",  # client order ids stay unique over many runs
        )
        self._busy: dict[str, asyncio.Task[None]] = {}

    async def run(self, seconds: float | None, stop: asyncio.Event) -> Summary:
        """Trade for some seconds or until told to stop; orders under way may come to their end.

        Raises:
            ExchangeUnavailableError: the exchange is gone for good.
        """
        started = time.monotonic()
        listening = asyncio.create_task(self._listen(stop))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait(
            {listening, stopping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        stop.set()
        if self._busy:
            await asyncio.wait(self._busy.values(), timeout=SECONDS_FOR_LAST_ORDERS)
        unfinished = [*self._busy.values(), listening]
        if listening.done():
            listening.result()
        for task in unfinished:
            task.cancel()
        await asyncio.wait(unfinished)
        return Summary(time.monotonic() - started, self.tally, self.portfolio.equity)

    async def _listen(self, stop: asyncio.Event) -> None:
        """Hear the exchange, over one connection after the other."""
        while True:
            connection = await self.execution.connect()
            try:
                async for text in connection:
                    self._hear(text, accept_ticks=not stop.is_set())
            except ConnectionClosed as error:
                logger.warning("connection lost: %s", error)
            finally:
                await connection.close()
            self.tally["disconnects"] += 1

    def _hear(self, text: str | bytes, *, accept_ticks: bool) -> None:
        try:
            self._dispatch(json.loads(text), accept_ticks=accept_ticks)
        except (KeyError, ValueError, ArithmeticError):
            self.tally["errors"] += 1
            logger.exception("the exchange said something strange: %.200r", text)

    def _dispatch(self, message: Mapping[str, Any], *, accept_ticks: bool) -> None:
        match message.get("msg_type"):
            case "market_data" if accept_ticks:
                self._start_tick(message)
            case "market_data_snapshot":
                self.strategy.warm_up(message["symbol"], message["prices"])
            case "execution_report":
                report = read_report(message)
                if not self.execution.mailboxes.deliver(report):
                    self.execution.on_late_report(report)
            case "session_reject":
                logger.error("the exchange did not understand: %s", message.get("text"))

    def _start_tick(self, message: Mapping[str, Any]) -> None:
        """Handle a tick beside those of other symbols; skip it while its own symbol is busy."""
        symbol = message["symbol"]
        if symbol in self._busy:
            self.tally["skipped"] += 1
            return
        self.tally["ticks"] += 1
        task = asyncio.create_task(self._handle_tick(message))
        self._busy[symbol] = task
        task.add_done_callback(lambda _: self._busy.pop(symbol))

    async def _handle_tick(self, message: Mapping[str, Any]) -> None:
        try:
            result: OrderResult | None = await self.strategy.on_tick(message)
        except Exception:  # one bad tick or order must not end the bot
            self.tally["errors"] += 1
            logger.exception("tick of %s failed", message["symbol"])
        else:
            if result:
                logger.info("%s ended: %s", result.cl_ord_id, result.ord_status)
