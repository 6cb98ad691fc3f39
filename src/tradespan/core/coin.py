"""The coin of consistent sampling: which traces a share of all keeps. Standard library only."""

from __future__ import annotations

from collections.abc import Callable

_RANDOM_BITS = 56
"""Of a trace id: its low seven bytes. Source: W3C Trace Context level 2, random flag."""


class Coin:
    """Whether a call's span is kept, by its trace id: all functions of one rate agree.

    The random part of the id is compared with a threshold, as OpenTelemetry's consistent
    probability sampling does. For a root there is no id yet: the coin is thrown first, and the id
    of one that is kept is drawn from the kept ones.
    """

    def __init__(self, rate: float) -> None:
        whole = 1 << _RANDOM_BITS
        self.rate = rate
        self._least = whole - round(rate * whole)
        self._range = whole - self._least
        # Nothing is above it where the rate is 0: a longer text of bytes comes after its beginning.
        self.threshold = (
            self._least.to_bytes(7, "big") if rate > 0 else b"\xff\xff\xff\xff\xff\xff\xff\x00"
        )

    def keeps(self, trace_key: bytes) -> bool:
        """The verdict for a trace."""
        return trace_key[9:] >= self.threshold

    def trace_key(self, bits: Callable[[int], int]) -> bytes:
        """A trace id that is kept (any, if the rate is 0: what failed is written all the same)."""
        low = self._least + (bits(_RANDOM_BITS) * self._range >> _RANDOM_BITS)
        key = bits(128 - _RANDOM_BITS) << _RANDOM_BITS | low & (1 << _RANDOM_BITS) - 1
        return (key or 1).to_bytes(16, "big")
