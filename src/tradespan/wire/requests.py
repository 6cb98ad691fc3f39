"""Requests of OTLP: what traces and logs have in common around their records.

Both are Resource… messages of Scope… messages of records, with the same numbers of fields. Encoded
pieces concatenate without being decoded: records to a scope, requests to a request. Equal input
gives equal bytes, so that a re-send is byte-identical.

Source: opentelemetry-proto 1.x, trace/v1/trace.proto and logs/v1/logs.proto.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

from tradespan.core.delivery import Batch, Slice
from tradespan.core.records import Lane, Resource, Site
from tradespan.declare.names import TRADESPAN_LANE
from tradespan.wire.protobuf import attributes, field, string

LANE = TRADESPAN_LANE
"""Resource attribute of spans and logs that tells their lane.

A back end that wants each stream in the order of its times (Loki: "too far behind") must not have
both lanes in one: errors are delivered first, and all older lines would be refused behind them.
Metrics have none: an attribute of their resource is a label of every process's `target_info`, and
nothing of theirs goes first.
"""
_LANES = {Lane.ORDINARY: "ordinary", Lane.ERROR: "error"}

Scope = tuple[bytes, bytes]
"""A Scope… message but for its records: the scope's field, the schema URL's."""


class Sited(Protocol):
    """A record that belongs to a site."""

    @property
    def site(self) -> int:
        """The site's number in its segment."""
        ...


R = TypeVar("R", bound=Sited)
Encoder = Callable[[R], bytes]
"""Encodes records of one site, each with tag and size."""


def encode_request(batch: Batch[R], encoder_of: Callable[[Site], Encoder[R]]) -> bytes:
    """A request with one Resource… message for each process generation and lane.

    Raises:
        ValueError: A record that OTLP cannot say: an identifier or a time out of range.
    """
    origins: dict[tuple[str, bytes, bytes], list[Slice[R]]] = {}
    for part in batch.slices:
        resource = encode_resource(part.origin.resource, part.origin.lane)
        schema = string(3, part.origin.resource.schema_url)
        origins.setdefault((part.origin.writer, resource, schema), []).append(part)
    return b"".join(
        [
            field(1, resource + _encode_scopes(parts, encoder_of) + schema)
            for (_, resource, schema), parts in origins.items()
        ]
    )


def encode_resource(resource: Resource, lane: Lane | None = None) -> bytes:
    """A Resource… message's first field: the resource, with the lane as an attribute."""
    facts = resource.attributes if lane is None else {**resource.attributes, LANE: _LANES[lane]}
    return field(1, attributes(facts, 1))


def encode_scope(site: Site) -> Scope:
    """What a Scope… message says of a site's scope."""
    scope = (
        string(1, site.scope_name)
        + string(2, site.scope_version)
        + attributes(site.scope_attributes, 3)
    )
    return field(1, scope), string(3, site.scope_schema_url)


def _encode_scopes(parts: Iterable[Slice[R]], encoder_of: Callable[[Site], Encoder[R]]) -> bytes:
    """A Resource… message's Scope… messages, in the order in which the scopes come up."""
    scopes: dict[Scope, list[bytes]] = {}
    for part in parts:
        # By slice: a segment's numbers are its own.
        encoders: dict[int, tuple[Encoder[R], Callable[[bytes], None]]] = {}
        for record in part.records:
            known = encoders.get(record.site)
            if known is None:
                # A segment that lost a site's frame keeps its records.
                site = part.sites.get(record.site) or Site(number=record.site, scope_name="")
                keep = scopes.setdefault(encode_scope(site), []).append
                known = encoders[record.site] = encoder_of(site), keep
            known[1](known[0](record))
    return b"".join(
        [field(2, scope + b"".join(kept) + schema) for (scope, schema), kept in scopes.items()]
    )
