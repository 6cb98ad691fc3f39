"""Hands each execution report to whoever waits for that order."""

import asyncio

from momentum_bot.messages import Report


class Mailboxes:
    """One queue of reports for each order that somebody follows."""

    def __init__(self) -> None:
        self._queues: dict[str, asyncio.Queue[Report]] = {}

    def open(self, cl_ord_id: str) -> None:
        """Begin to collect the reports on an order."""
        self._queues[cl_ord_id] = asyncio.Queue()

    def close(self, cl_ord_id: str) -> None:
        """Forget an order; later reports on it are late ones."""
        self._queues.pop(cl_ord_id, None)

    def deliver(self, report: Report) -> bool:
        """Put a report into its box; False if there is none."""
        queue = self._queues.get(report.cl_ord_id)
        if queue is None:
            return False
        queue.put_nowait(report)
        return True

    async def take(self, cl_ord_id: str, until: float) -> Report:
        """Wait for the next report on an order.

        Raises:
            TimeoutError: none came until that time of the event loop's clock.
        """
        async with asyncio.timeout_at(until):
            return await self._queues[cl_ord_id].get()
