"""How a receiver can be told to misbehave; `Receiver.play` takes these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

PROTOBUF = "application/x-protobuf"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """Say exactly this. Spans count as accepted if the status is a 2xx."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": PROTOBUF})


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer with an error status; `retry_after` is a header's value: seconds, or an HTTP date."""

    status: int
    retry_after: str | None = None
    words: str = "scripted"


@dataclass(frozen=True, slots=True)
class AcceptPartly:
    """200 with a partial success: the last `rejected` spans of the request are not taken."""

    rejected: int
    words: str = "scripted"


@dataclass(frozen=True, slots=True)
class Hang:
    """Read the request and say nothing, until the script changes or the receiver stops."""


@dataclass(frozen=True, slots=True)
class ResetRequest:
    """Reset the connection when half of the request's body has been read; nothing is taken."""


@dataclass(frozen=True, slots=True)
class ResetAnswer:
    """Take the spans, then reset the connection in the middle of the answer."""


@dataclass(frozen=True, slots=True)
class Drip:
    """Take the spans, then send the answer one byte at a time (slow loris)."""

    interval: float = 0.05
    """Seconds between two bytes."""
    length: int = 10_000
    """Bytes of the answer's body."""


Fault = Answer | Refuse | AcceptPartly | Hang | ResetRequest | ResetAnswer | Drip
