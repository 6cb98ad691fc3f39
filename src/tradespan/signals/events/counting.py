"""What the bus counts of itself."""

from __future__ import annotations

from tradespan.signals.events.types import Event


class SubscriberMeters:
    """One subscriber's instruments."""

    __slots__ = ()

    def called(self, seconds: float) -> None:
        """A call ended, however it did."""

    def slow(self) -> None:
        """A call took too long."""

    def failed(self) -> None:
        """It raised."""

    def dropped(self) -> None:
        """It was not told of an event."""


def for_subscriber(name: str) -> SubscriberMeters:
    """The instruments of the subscriber of this name."""
    return SubscriberMeters()


def count_published(event: Event) -> None:
    """An event was published."""
