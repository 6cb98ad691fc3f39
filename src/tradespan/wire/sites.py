"""The process's table of sites: each gets a number once, spans refer to it."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from tradespan.core.records import AttributeValue, Site
from tradespan.wire.codec import encode_record


class SiteTable:
    """Numbers sites from 1. The same facts get the same number, however often they are declared.

    So a decorator applied anew in each call of a factory does not grow the table.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers: dict[bytes, int] = {}
        self._sites: list[Site] = []
        self._payloads: list[bytes] = []

    def declare(
        self,
        scope: tuple[str, str, str],
        *,
        name: str = "",
        attributes: dict[str, AttributeValue] | None = None,
        parameters: Iterable[str] = (),
        scope_attributes: dict[str, AttributeValue] | None = None,
    ) -> int:
        """The number of a site. `scope`: instrumentation scope's name, version, schema URL."""
        facts = Site(
            0, *scope, scope_attributes or {}, name, attributes or {}, tuple(parameters)
        )
        key = encode_record(facts)
        with self._lock:
            number = self._numbers.get(key)
            if number is None:
                number = len(self._sites) + 1
                site = Site(number, *scope, facts.scope_attributes, name, facts.attributes,
                            facts.parameters)
                self._sites.append(site)
                self._payloads.append(encode_record(site))
                self._numbers[key] = number
            return number

    def site(self, number: int) -> Site:
        """The facts behind a number."""
        return self._sites[number - 1]

    def payload(self, number: int) -> bytes:
        """The facts behind a number, encoded: a site frame's payload."""
        return self._payloads[number - 1]


SITES = SiteTable()
"""The process's table. Functions are declared when they are wrapped, before anything records."""
