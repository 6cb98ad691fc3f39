"""One connection that stays open: what it has counted, and how it ended."""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry.trace import SpanContext

from tradespan.instrument.libraries.addresses import Address

SILENCE = 100_000_000
"""Nanoseconds from which on a time without a message is recorded: at most ten a second are."""


class Connection:
    """One connection: what it has counted. Its reader's thread receives, its writers' send."""

    __slots__ = (
        "_monotonic",
        "_on_silence",
        "address",
        "began",
        "early",
        "last",
        "longest",
        "read",
        "received",
        "received_bytes",
        "sent",
        "sent_bytes",
        "span_context",
    )

    def __init__(
        self, monotonic: Callable[[], int], on_silence: Callable[[Connection, int], None]
    ) -> None:
        self._monotonic = monotonic
        self._on_silence = on_silence
        self.address: Address | None = None
        self.span_context: SpanContext | None = None
        """Of the span `connect`; None until it is open."""
        self.began = self.last = monotonic()
        """When the handshake began; when the last message came, or else the connection opened."""
        self.longest = 0
        self.received = self.received_bytes = self.sent = self.sent_bytes = 0
        self.read = 0
        """Messages that the program has taken; others have come, and wait."""
        self.early: Ending | None = None
        """How it ended, if it did so before whoever connects could take it for open."""

    def receive(self, size: int, whole: bool) -> None:
        """A message came, or a fragment; `whole`: it is complete now."""
        self.received_bytes += size
        if whole:
            now = self._monotonic()
            silent = now - self.last
            self.last = now
            self.received += 1
            if silent > self.longest:  # noqa: PLR1730 - `max` is a call, for every message
                self.longest = silent
            if silent >= SILENCE:
                self._on_silence(self, silent)

    def send(self, size: int, whole: bool) -> None:
        """A message went, or a fragment."""
        self.sent_bytes += size
        if whole:
            self.sent += 1


class Ending:
    """How a connection ended."""

    __slots__ = ("by", "code", "error_type", "reason")

    def __init__(
        self, by: str, code: int | None, reason: str = "", error_type: str | None = None
    ) -> None:
        self.by = by
        """A value of `trading.connection.closed_by`."""
        self.code = code
        self.reason = reason
        self.error_type = error_type
        """The class of the error that readers get; None if it ended as it should."""
