"""What a status of gRPC means for a batch, as a table that the code runs on.

Source: OTLP specification 1.x, "OTLP/gRPC Response", "Failures"; google/rpc/status.proto and
google/rpc/error_details.proto for what a receiver adds. Where the specification says to drop, we
keep: what it fears is memory, and this is a disk.
"""

from __future__ import annotations

from typing import NamedTuple

from tradespan.core.delivery import Denied, Outcome, Parked, Retry, Split
from tradespan.sinks.answers import LONGEST_WAIT, SHOWN
from tradespan.wire.reading import read_fields


class Status(NamedTuple):
    """What one status means."""

    name: str
    outcome: type[Outcome]
    reason: str


STATUSES = (
    Status("CANCELLED", Retry, "by the receiver, or by closing"),
    Status("UNKNOWN", Retry, "as HTTP 500: an error that was not named, or no gRPC at all"),
    Status("INVALID_ARGUMENT", Parked, "invalid; metrics are split first: one point too old "
                                       "refuses its whole request"),
    Status("DEADLINE_EXCEEDED", Retry, "no answer in time"),
    Status("NOT_FOUND", Parked, "refused for what it is"),
    Status("ALREADY_EXISTS", Parked, "refused for what it is"),
    Status("PERMISSION_DENIED", Denied, "rights are given; nothing is lost meanwhile"),
    Status("RESOURCE_EXHAUSTED", Retry, "too much at once; RetryInfo counts, and without it our "
                                        "own waits. A message over the receiver's limit: split"),
    Status("FAILED_PRECONDITION", Parked, "refused for what it is"),
    Status("ABORTED", Retry, "the receiver is in trouble"),
    Status("OUT_OF_RANGE", Retry, "the receiver is in trouble"),
    Status("UNIMPLEMENTED", Parked, "it takes no such signal, or no such compression"),
    Status("INTERNAL", Retry, "as HTTP 500: also what a proxy's broken stream is told as"),
    Status("UNAVAILABLE", Retry, "nobody there, or in trouble; RetryInfo counts"),
    Status("DATA_LOSS", Retry, "the receiver is in trouble"),
    Status("UNAUTHENTICATED", Denied, "tokens are renewed; nothing is lost meanwhile"),
)  # fmt: skip
"""In the order of their numbers, from 1 on."""
_BY_NAME = {status.name: status.outcome for status in STATUSES}

DETAILS = "grpc-status-details-bin"
"""Trailing metadata that holds a google.rpc.Status."""
_RETRY_INFO = b"type.googleapis.com/google.rpc.RetryInfo"
_TOO_LARGE = ("larger than max", "exceeds maximum", "message too large")
"""How gRPC's own libraries (Go, C, Java) say that a message is over their limit: they have no
status of its own for it."""


def read_status(
    name: str, words: str, details: bytes = b"", *, bisect: bool = False
) -> Retry | Denied | Split | Parked:
    """What a status that is not OK means for the batch.

    `bisect`: what is invalid is to be looked for by halving.
    """
    said = f"gRPC {name}: {words[:SHOWN]}".rstrip(": ")
    outcome = _BY_NAME.get(name, Retry)
    if name == "RESOURCE_EXHAUSTED" and any(each in words.lower() for each in _TOO_LARGE):
        return Split(said)
    if outcome is Parked:
        return Split(said) if bisect and name == "INVALID_ARGUMENT" else Parked(said)
    return Denied(said) if outcome is Denied else Retry(said, retry_delay(details))


def retry_delay(details: bytes) -> float | None:
    """Seconds of the RetryInfo in a google.rpc.Status; None if it has none."""
    try:
        for number, detail in read_fields(details):
            if number == 3 and isinstance(detail, bytes):
                packed = dict(read_fields(detail))
                if packed.get(1) == _RETRY_INFO:
                    return _seconds(_message(packed.get(2, b"")).get(1, b""))
    except ValueError:
        return None
    return None


def _message(content: int | bytes) -> dict[int, int | bytes]:
    return dict(read_fields(content)) if isinstance(content, bytes) else {}


def _seconds(duration: int | bytes) -> float | None:
    """Of a google.protobuf.Duration; None where it is negative, which says nothing."""
    said = _message(duration)
    seconds, nanoseconds = (
        value if isinstance(value := said.get(number, 0), int) else 0 for number in (1, 2)
    )
    if seconds >= 1 << 63 or nanoseconds >= 1 << 63:
        return None
    return min(seconds + nanoseconds / 1e9, LONGEST_WAIT)
