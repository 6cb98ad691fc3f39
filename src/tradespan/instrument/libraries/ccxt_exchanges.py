"""Calls of ccxt."""

from __future__ import annotations

from collections.abc import Iterable

from tradespan.instrument.libraries.base import LibraryInstrumentor, Patch, Telemetry


class CcxtInstrumentor(LibraryInstrumentor):
    """Calls of ccxt."""

    requirement = "ccxt >= 4.4"
    scope = __name__

    def patches(self, telemetry: Telemetry) -> Iterable[Patch]:
        """What is replaced."""
        return ()
