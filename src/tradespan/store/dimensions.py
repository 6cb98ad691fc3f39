"""Facts that many spans share are stored once; here they get their row's number."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from tradespan.core.records import AttributeValue, Resource, Site, Span
from tradespan.store.encode import digest, encode_source, to_json
from tradespan.store.queries import QUERIES
from tradespan.wire.attributes import span_name

CACHED = 20_000
"""Numbers kept in memory. Past it the cache starts anew: names of spans can be without end."""

FUNCTION_NAME = "code.function.name"
PROCESS_GROUP = "tradespan.process_group"
SERVICE_NAME = "service.name"


class Dimensions:
    """Numbers of resources, scopes and sites for the writer, remembered over batches."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._numbers: dict[bytes, int] = {}

    def forget(self) -> None:
        """Drop what is remembered: after a rollback the rows may not be there."""
        self._numbers.clear()

    def number_resource(self, resource: Resource) -> int:
        """The row of a resource, made if it is new."""
        key = digest("resource", resource)
        service = str(resource.attributes.get(SERVICE_NAME, ""))
        values = (service, to_json(resource.attributes), resource.schema_url)
        return self._number("resource", key, values)

    def number_site(self, site: Site, span: Span) -> int:
        """The row of a site together with the span's name, made if it is new."""
        name = span_name(site, span)
        scope = self._number_scope(site)
        facts: tuple[object, ...] = (scope, name, site.name, site.attributes, site.parameters)
        # Rows of version 2 keep their key.
        key = digest("site", *facts, *filter(None, [site.source]))
        values = (
            scope,
            name,
            name_process(site, name),
            str(site.attributes.get(PROCESS_GROUP, "")),
            to_json(site.attributes),
            to_json(site.parameters),
            encode_source(site.source),
        )
        return self._number("site", key, values)

    def _number_scope(self, site: Site) -> int:
        values = (
            site.scope_name,
            site.scope_version,
            site.scope_schema_url,
            to_json(site.scope_attributes),
        )
        return self._number("scope", digest("scope", values), values)

    def _number(self, table: str, key: bytes, values: Sequence[int | str | None]) -> int:
        number = self._numbers.get(key)
        if number is None:
            self._connection.execute(QUERIES[f"insert-{table}"], (key, *values))
            (number,) = self._connection.execute(QUERIES[f"find-{table}"], (key,)).fetchone()
            if len(self._numbers) >= CACHED:
                self._numbers.clear()
            self._numbers[key] = number
        return int(number)


class SliceSites:
    """Numbers of the sites of one slice, which its spans name by the segment's own numbers."""

    def __init__(self, dimensions: Dimensions, sites: Mapping[int, Site]) -> None:
        self._dimensions = dimensions
        self._sites = sites
        self._numbers: dict[tuple[int, str | None], int] = {}

    def number(self, span: Span) -> int:
        """The row of the span's site; a site that the segment lost is stored without facts."""
        key = (span.site, span.name)
        number = self._numbers.get(key)
        if number is None:
            site = self._sites.get(span.site) or Site(number=span.site, scope_name="")
            number = self._numbers[key] = self._dimensions.number_site(site, span)
        return number


def name_process(site: Site, name: str) -> str:
    """`module.function` of a site: of the watched function, or of a tracer's span by its scope."""
    function: AttributeValue | None = site.attributes.get(FUNCTION_NAME)
    if function:
        return str(function)
    return f"{site.scope_name}.{name}" if site.scope_name else name
