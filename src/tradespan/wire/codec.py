"""Records ↔ MessagePack, the payloads of frames.

Arrays whose trailing defaults are left off: a later version may append fields, which an earlier one
ignores; what an earlier one did not write has its default.
"""

from __future__ import annotations

import msgspec

from tradespan.core.records import Resource, Site, Span

_encoder = msgspec.msgpack.Encoder(enc_hook=str)
_span = msgspec.msgpack.Decoder(Span)
_site = msgspec.msgpack.Decoder(Site)
_resource = msgspec.msgpack.Decoder(Resource)


def encode_record(record: msgspec.Struct) -> bytes:
    """A record's payload."""
    return _encoder.encode(record)


def decode_span(payload: bytes) -> Span:
    """The span of a payload.

    Raises:
        msgspec.DecodeError: The bytes are not one.
    """
    return _span.decode(payload)


def decode_site(payload: bytes) -> Site:
    """The site of a payload.

    Raises:
        msgspec.DecodeError: The bytes are not one.
    """
    return _site.decode(payload)


def decode_resource(payload: bytes) -> Resource:
    """The resource of a payload.

    Raises:
        msgspec.DecodeError: The bytes are not one.
    """
    return _resource.decode(payload)
