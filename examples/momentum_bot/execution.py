"""Orders on their way: submit, await the acknowledgement and the fills, cancel, reconnect."""

import asyncio
import hmac
import json
import logging
from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from momentum_bot.mailboxes import Mailboxes
from momentum_bot.messages import (
    Ack,
    Cancelled,
    Fill,
    JsonObject,
    Order,
    OrderResult,
    Reject,
    Report,
    is_complete,
    summarise,
)
from momentum_bot.portfolio import Portfolio

logger = logging.getLogger(__name__)

CLIENT_NAME: Final = "momentum-bot"
API_KEY: Final = "demo-key"  # no secret: on loopback, and known to the demo exchange


class ExchangeTimeout(Exception):
    """The exchange did not answer in time."""


class ExchangeUnavailableError(Exception):
    """There is no connection, and all attempts to make one have failed."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds."""

    acknowledgement: float = 0.5
    fills: float = 0.6
    cancel: float = 0.5
    first_back_off: float = 0.05
    longest_back_off: float = 1.0
    connection_attempts: int = 10


DEFAULT_PATIENCE: Final = Patience()


class Execution:
    """The bot's side of the order entry, over one connection that comes and goes."""

    def __init__(
        self,
        url: str,
        portfolio: Portfolio,
        generator: Random,
        tally: Counter[str],
        patience: Patience = DEFAULT_PATIENCE,
    ) -> None:
        self.url = url
        self.portfolio = portfolio
        self.mailboxes = Mailboxes()
        self.patience = patience
        self.tally = tally
        self._generator = generator
        self._connection: ClientConnection | None = None

    async def connect(self) -> ClientConnection:
        """Connect and log on, with longer and longer pauses between attempts.

        Raises:
            ExchangeUnavailableError: the last attempt failed as well.
        """
        pause = self.patience.first_back_off
        for _ in range(self.patience.connection_attempts):
            try:
                connection = await connect(
                    self.url, compression=None, proxy=None, open_timeout=2, close_timeout=1
                )
                await connection.send(
                    json.dumps({"msg_type": "logon", "sender_comp_id": CLIENT_NAME})
                )
            except (OSError, InvalidHandshake, ConnectionClosed) as error:
                logger.info(
                    "no connection to %s: %s; next attempt in %.2f s", self.url, error, pause
                )
                await asyncio.sleep(pause * self._generator.uniform(0.5, 1.0))
                pause = min(2 * pause, self.patience.longest_back_off)
            else:
                self._connection = connection
                return connection
        raise ExchangeUnavailableError(
            f"no answer from {self.url} in {self.patience.connection_attempts} attempts"
        )

    async def submit(self, order: Order) -> OrderResult:
        """Send an order and follow it to its end, which a cancel request brings if need be.

        Raises:
            ExchangeTimeout: no acknowledgement, or no answer to the cancel request.
            ConnectionClosed: the connection was lost before the order was sent.
        """
        self.mailboxes.open(order.cl_ord_id)
        try:
            await self.send(self.sign(order.to_message(), API_KEY))
            self.tally["orders"] += 1
            try:
                answer = await self.await_acknowledgement(order)
            except ExchangeTimeout:
                await self.cancel(order)
                raise
            if isinstance(answer, Reject):
                return self.on_reject(answer)
            self.on_acknowledgement(answer)
            fills = await self.await_fills(order)
            if not is_complete(fills):
                fills += await self.cancel(order)
            return summarise(order, fills)
        finally:
            self.mailboxes.close(order.cl_ord_id)
            self.portfolio.release(order.cl_ord_id)

    def sign(self, message: JsonObject, api_key: str) -> JsonObject:
        """Add the HMAC-SHA256 of the message's fields, sorted by name."""
        body = json.dumps(message, sort_keys=True, separators=(",", ":"))
        return message | {
            "signature": hmac.new(api_key.encode(), body.encode(), "sha256").hexdigest()
        }

    async def send(self, message: JsonObject) -> None:
        """Put a message on the wire.

        Raises:
            ConnectionClosed, ExchangeUnavailableError: there is no connection at the moment.
        """
        if self._connection is None:
            raise ExchangeUnavailableError("not connected yet")
        await self._connection.send(json.dumps(message))

    async def await_acknowledgement(self, order: Order) -> Ack | Reject:
        """Wait for the exchange's first word on an order.

        Raises:
            ExchangeTimeout: it did not come in time.
        """
        until = asyncio.get_running_loop().time() + self.patience.acknowledgement
        try:
            report = await self.mailboxes.take(order.cl_ord_id, until)
        except TimeoutError:
            raise ExchangeTimeout(
                f"{order.cl_ord_id} not acknowledged in {self.patience.acknowledgement:.1f} s"
            ) from None
        if isinstance(report, Ack | Reject):
            return report
        raise ValueError(
            f"expected an acknowledgement of {order.cl_ord_id}, got {report.exec_type}"
        )

    async def await_fills(self, order: Order) -> list[Fill]:
        """Book the fills as they come, until the order is complete or the patience ends."""
        until = asyncio.get_running_loop().time() + self.patience.fills
        fills: list[Fill] = []
        while not is_complete(fills):
            try:
                report = await self.mailboxes.take(order.cl_ord_id, until)
            except TimeoutError:
                break
            if isinstance(report, Fill):
                self.on_fill(report)
                fills.append(report)
        return fills

    async def cancel(self, order: Order) -> list[Fill]:
        """Cancel what is left of an order; returns the fills that were faster than the request.

        Raises:
            ExchangeTimeout: the exchange does not say how the order ended.
        """
        request = {
            "msg_type": "order_cancel_request",
            "cl_ord_id": order.cl_ord_id,
            "symbol": order.symbol,
        }
        await self.send(self.sign(request, API_KEY))
        until = asyncio.get_running_loop().time() + self.patience.cancel
        fills: list[Fill] = []
        while not is_complete(fills):
            try:
                report = await self.mailboxes.take(order.cl_ord_id, until)
            except TimeoutError:
                raise ExchangeTimeout(
                    f"no answer to the cancel request for {order.cl_ord_id}"
                ) from None
            if isinstance(report, Fill):
                self.on_fill(report)
                fills.append(report)
            elif isinstance(report, Cancelled):
                self.on_cancelled(report)
                break
        return fills

    def on_acknowledgement(self, ack: Ack) -> None:
        """Take note that the exchange has the order."""
        self.tally["acknowledged"] += 1
        logger.info("%s acknowledged by %s", ack.cl_ord_id, ack.venue)

    def on_fill(self, fill: Fill) -> None:
        """Book a fill."""
        self.tally["fills"] += 1
        self.portfolio.apply_fill(fill)
        logger.info(
            "%s: %s %d %s at %s",
            fill.cl_ord_id,
            fill.side,
            fill.last_qty,
            fill.symbol,
            fill.last_px,
        )

    def on_reject(self, reject: Reject) -> OrderResult:
        """Take note that the exchange does not want an order."""
        self.tally["rejected"] += 1
        logger.warning("%s rejected: %s", reject.cl_ord_id, reject.text)
        return OrderResult(reject.cl_ord_id, reject.ord_status, 0, None)

    def on_cancelled(self, cancelled: Cancelled) -> None:
        """Take note that an order ended before it was complete."""
        self.tally["cancelled"] += 1
        logger.info("%s cancelled after %d shares", cancelled.cl_ord_id, cancelled.cum_qty)

    def on_late_report(self, report: Report) -> None:
        """Book what comes after its order was given up; the money moved all the same."""
        logger.warning("late report on %s: %s", report.cl_ord_id, report.exec_type)
        if isinstance(report, Fill):
            self.on_fill(report)
        elif isinstance(report, Cancelled):
            self.on_cancelled(report)
