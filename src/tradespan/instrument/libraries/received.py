"""Whose message is being handled: for links from what a handler does to its connection.

A handler of a feed runs for hours in one task; a span around it, or around all that follows a
message, would be no call's. So nothing is made current. What a task, or a thread, has received last
stands in a context variable, and spans may be linked to the connection by it: by hand
(`received_from`), or each span without a parent by `links.ConnectionLinks`.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from opentelemetry.trace import Link

from tradespan.declare.names import TRADING_CONNECTION_MESSAGE

if TYPE_CHECKING:
    from tradespan.instrument.libraries.connection import Connection

RECEIVED: ContextVar[Connection | None] = ContextVar("tradespan_received", default=None)
"""The connection whose message the running code has taken last; None: of none."""


def received_from() -> Link | None:
    """A link to the span `connect` of the connection whose message this task has received last.

    `trading.connection.message` says which message. None where none was received here, as in a
    task that was started before.
    """
    connection = RECEIVED.get()
    if connection is None or connection.span_context is None:
        return None
    return Link(connection.span_context, {TRADING_CONNECTION_MESSAGE: connection.read})
