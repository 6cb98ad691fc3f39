"""Where an exporter's records go: writers in one run's folder, one for each resource.

No lock of ours: two threads that meet a new resource at once make a writer each, and both are good.
(A writer makes no file before its first record.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec

from tradespan.core import guard
from tradespan.core.forks import process_generation
from tradespan.core.records import Kind, Lane, Resource
from tradespan.spool.layout import PayloadTooLong
from tradespan.spool.writer import SpoolLimits, SpoolWriter
from tradespan.wire.codec import Record, encode_record
from tradespan.wire.sites import SITES

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource as SdkResource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

_INSTANCE = "service.instance.id"
_MOST_RESOURCES = 16
_MOST_SCOPES = 1_000
_instances: dict[int, str] = {}
"""Process generation → its `service.instance.id`, where the SDK's resource has none."""

Cut = Callable[[list[Any]], list[Any]]
"""Makes the fields of a record that is over 1 MiB fit."""


class Outlet:
    """What one exporter writes. A forked child writes into segments of its own."""

    def __init__(
        self, folder: Path, kind: Kind, facts: Mapping[str, Any], limits: SpoolLimits | None = None
    ) -> None:
        """`facts`: resource attributes for those that the SDK's resource does not know."""
        self.folder = folder
        self._kind = int(kind)
        self._facts = dict(facts)
        self._limits = limits
        self._writers: list[tuple[SdkResource, SpoolWriter]] = []
        self._scopes: dict[InstrumentationScope, int] = {}

    def writer(self, resource: SdkResource) -> SpoolWriter:
        """The writer of a resource; one process has one, rarely more."""
        for known, writer in self._writers:
            if known is resource:
                return writer
        for known, writer in self._writers:
            if known == resource:
                return writer
        fresh = SpoolWriter(
            self.folder,
            describe=lambda _: encode_record(self.describe(resource)),
            site_payload=SITES.payload,
            limits=self._limits,
        )
        if len(self._writers) >= _MOST_RESOURCES:
            # Whoever still writes there gets a new segment.
            self._writers.pop(0)[1].close()
        self._writers.append((resource, fresh))
        return fresh

    def describe(self, resource: SdkResource) -> Resource:
        """A resource of the SDK's as one of ours, with what it does not know."""
        attributes = dict(resource.attributes)
        if str(attributes.get("service.name", "unknown_service")).startswith("unknown_service"):
            attributes.pop("service.name", None)
        generation = process_generation()
        instance = _instances.get(generation) or _instances.setdefault(generation, str(uuid4()))
        return Resource({_INSTANCE: instance, **self._facts, **attributes}, resource.schema_url)

    def site(self, scope: InstrumentationScope | None) -> int:
        """The number of a scope's site; 0: none."""
        if scope is None:
            return 0
        known = self._scopes.get(scope)
        if known is None:
            if len(self._scopes) >= _MOST_SCOPES:
                self._scopes.clear()
            known = self._scopes[scope] = SITES.declare(
                (scope.name or "", scope.version or "", scope.schema_url or ""),
                scope_attributes=dict(scope.attributes or {}),
            )
        return known

    def write(
        self, writer: SpoolWriter, lane: Lane, site: int, record: Record, cut: Cut | None = None
    ) -> bool:
        """Write a record. Returns whether it is safe; if not, it is counted.

        `cut`: what is done with one that is over 1 MiB; None: it is discarded.
        """
        row = writer.lanes[int(lane)]
        try:
            payload = encode_record(record)
            try:
                row.append(self._kind, site, payload)
            except PayloadTooLong:
                if cut is None:
                    row.count_discarded("oversize")
                    return False
                shorter = msgspec.msgpack.encode(cut(msgspec.msgpack.decode(payload)))
                row.append(self._kind, site, shorter)
        except Exception as error:  # noqa: BLE001 - the host comes first
            row.count_discarded("unencodable")
            guard.report("exporting a record", error)
            return False
        return True

    def close(self) -> None:
        """Seal the segments."""
        for _, writer in self._writers:
            writer.close()
