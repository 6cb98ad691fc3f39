"""The process's table of sites: each gets a number once, spans refer to it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from tradespan.core.records import AttributeValue, Site, SourceFile
from tradespan.wire.codec import encode_record


class SiteTable:
    """Numbers sites from 1. The same facts get the same number, however often they are declared.

    So a decorator applied anew in each call of a factory does not grow the table. There is no lock:
    a signal handler, `__del__`, or a child forked while another thread declares, may declare too.
    """

    def __init__(self) -> None:
        self._next = itertools.count(1).__next__
        self._numbers: dict[bytes, int] = {}
        self._sites: dict[int, tuple[Site, bytes]] = {}

    def declare(
        self,
        scope: tuple[str, str, str],
        *,
        name: str = "",
        attributes: dict[str, AttributeValue] | None = None,
        parameters: Iterable[str] = (),
        scope_attributes: dict[str, AttributeValue] | None = None,
        queue_warning_threshold: int = 0,
        source: SourceFile | None = None,
    ) -> int:
        """The number of a site. `scope`: instrumentation scope's name, version, schema URL."""
        described = dict(scope_attributes or {}), name, dict(attributes or {}), tuple(parameters)
        facts = (*scope, *described, queue_warning_threshold, source)
        key = encode_record(Site(0, *facts))
        known = self._numbers.get(key)
        if known is not None:
            return known
        number = self._next()
        site = Site(number, *facts)
        # The facts first: who finds the number finds them too.
        self._sites[number] = site, encode_record(site)
        # Of two that declare at once, the first to come here gives the number.
        return self._numbers.setdefault(key, number)

    def site(self, number: int) -> Site:
        """The facts behind a number."""
        return self._sites[number][0]

    def payload(self, number: int) -> bytes:
        """The facts behind a number, encoded: a site frame's payload."""
        return self._sites[number][1]


SITES = SiteTable()
"""The process's table. Functions are declared when they are wrapped, before anything records."""
