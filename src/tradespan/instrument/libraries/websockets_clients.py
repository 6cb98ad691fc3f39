"""Connections of websockets."""

from __future__ import annotations

from collections.abc import Iterable

from tradespan.instrument.libraries.base import LibraryInstrumentor, Patch, Telemetry


class WebsocketsInstrumentor(LibraryInstrumentor):
    """Connections of websockets."""

    requirement = "websockets >= 14"
    scope = __name__

    def patches(self, telemetry: Telemetry) -> Iterable[Patch]:
        """What is replaced."""
        return ()
