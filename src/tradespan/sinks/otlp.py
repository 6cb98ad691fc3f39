"""What every way of OTLP has in common: what is sent, how large it may be, and what is told of it.

    a record that OTLP cannot say       split, down to the one, which is parked
    a request over the way's limit      split, before it is sent; one record alone is tried
    an open record                      accepted without a request
    many metrics, refused for good      split by time: one reading too old refuses its whole request

Equal batches are equal bytes in each encoding, compressed or not: what is sent again is what was
sent before, so that a receiver which removes duplicates can.
"""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tradespan.core.delivery import Accepted, Batch, Denied, Outcome, Parked, Retry, Split
from tradespan.core.records import Kind
from tradespan.sinks.answers import SHOWN
from tradespan.sinks.finished import count_refused, keep_finished
from tradespan.spool.deaths import printable
from tradespan.wire.answers import read_partial_success
from tradespan.wire.signals import Signal

logger = logging.getLogger("tradespan")


class TlsFiles(NamedTuple):
    """PEM files, read anew for each connection, so that they may be renewed."""

    certificate: Path | None = None
    """Of the authorities that a receiver's certificate is checked against; None: the system's."""
    client_certificate: Path | None = None
    client_key: Path | None = None


NO_FILES = TlsFiles()


class OtlpSink(ABC):
    """Sends one signal to one receiver. Never raises, whatever the network does."""

    def __init__(
        self,
        name: str,
        signal: Signal[Any],
        most_bytes: int,
        encoding: Literal["protobuf", "json"] = "protobuf",
    ) -> None:
        """`most_bytes`: of one request, before compression."""
        self.name = name
        self.last_error: str | None = None
        """Why the last batch was not accepted; None if it was."""
        self.failing_since: float | None = None
        """Monotonic seconds; None while the receiver takes or refuses for good what it is sent."""
        self.waiting_since: float | None = None
        """Monotonic seconds since which a delivery is under way. A receiver that hangs is failing
        only after the time-out; who wants to end sees here how long it has been silent."""
        self._signal = signal
        self._encode = signal.encode_json if encoding == "json" else signal.encode
        self._most_bytes = most_bytes
        self._warned = ""

    def deliver(self, batch: Batch[Any]) -> Outcome:
        """Send a batch in one request, but for its open records, which count as accepted."""
        finished = keep_finished(batch) if batch.kind == Kind.SPAN else batch
        if finished is not batch and not finished.count:
            # Nobody was asked, so nothing is known of the receiver.
            return Accepted()
        self.waiting_since = time.monotonic()
        outcome = self._deliver(finished)
        self.waiting_since = None
        self.last_error = None if isinstance(outcome, Accepted) else outcome.reason
        if not isinstance(outcome, Retry | Denied):
            self.failing_since = None
        elif self.failing_since is None:
            self.failing_since = time.monotonic()
        return outcome if finished is batch else count_refused(outcome, finished.count)

    @abstractmethod
    def close(self) -> None:
        """Close the connection; a delivery that waits for an answer ends at once, with Retry."""

    @abstractmethod
    def _send(self, body: bytes, *, bisect: bool) -> Outcome:
        """What becomes of one request. Never raises.

        `bisect`: it holds many records, and one alone may be why a receiver calls all invalid.
        """

    def _deliver(self, batch: Batch[Any]) -> Outcome:
        many = batch.count > 1
        try:
            body = self._encode(batch)
        except Exception as error:  # noqa: BLE001 - one bad record must not stop all others for ever
            reason = f"cannot be encoded: {type(error).__name__}: {error}"[: SHOWN * 2]
            return Split(reason) if many else Parked(reason)
        if len(body) > self._most_bytes and many:
            return Split(f"{len(body):,} bytes in one request")
        return self._send(body, bisect=many and batch.kind == Kind.METRIC)

    def _warn_once(self, body: bytes) -> None:
        """Pass on what a receiver remarks about records that it takes, once for the same words."""
        rejected, words = read_partial_success(body)
        if words and not rejected and words != self._warned:
            self._warned = words
            logger.warning("%s remarks: %s", self.name, printable(words, SHOWN))
