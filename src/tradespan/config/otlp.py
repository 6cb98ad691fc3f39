"""Where a signal's telemetry goes: the OTLP settings of all signals and of one, put together.

Source: OpenTelemetry specification, protocol/exporter.md. Of the general and the signal's own
setting the one from the higher layer counts, and within a layer the signal's own: `--endpoint`
outranks OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, which outranks OTEL_EXPORTER_OTLP_ENDPOINT.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import SplitResult, urlsplit

from tradespan.config.entries import Layer, Value
from tradespan.config.kinds import mask_url
from tradespan.config.model import OtlpDestination, OtlpGrpc, OtlpHttp
from tradespan.core.errors import InvalidSetting

HTTP_ADDRESS = "http://localhost:4318"
GRPC_ADDRESS = "http://localhost:4317"


def build_destinations(
    signal: str, values: Mapping[str, Value], warnings: list[str]
) -> tuple[OtlpDestination, ...]:
    """The OTLP receivers of a signal (`traces`); none if nobody named one.

    Args:
        signal: One of `settings.SIGNALS`.
        values: All settings by key.
        warnings: Takes a sentence for each thing that looks like a mistake.

    Raises:
        InvalidSetting: An address does not fit the protocol.
    """
    exporter = values[f"{signal}.exporter"]
    address = pick("endpoint", signal, values)
    if exporter.value == "none" and exporter.layer >= address.layer:
        return ()
    if address.value is None and exporter.layer is Layer.DEFAULT:
        return ()
    protocol: str = pick("protocol", signal, values).value
    default = GRPC_ADDRESS if protocol == "grpc" else HTTP_ADDRESS
    addresses = list(dict.fromkeys((address.value or default).split()))
    return tuple(
        _build_one(signal, values, raw, _host(raw) == _host(addresses[0]), warnings)
        for raw in addresses
    )


def _build_one(
    signal: str, values: Mapping[str, Value], raw: str, trusted: bool, warnings: list[str]
) -> OtlpDestination:
    """`trusted`: whether it gets what proves who we are."""
    names = ("headers", "timeout", "compression", "certificate", "client_certificate", "client_key")
    shared = {name: pick(name, signal, values).value for name in names}
    if not trusted:
        shared |= {"headers": {}, "client_certificate": None, "client_key": None}
    address = pick("endpoint", signal, values)
    own = address is values[f"otlp.{signal}.endpoint"]
    given = _Given(f"otlp.{signal}.endpoint" if own else "otlp.endpoint", raw, address.origin)
    protocol: str = pick("protocol", signal, values).value
    if protocol == "grpc":
        return _build_grpc(given, pick("insecure", signal, values).value, shared)
    encoding: Literal["protobuf", "json"] = "json" if protocol == "http/json" else "protobuf"
    url = _complete_url(given, None if own else f"v1/{signal}", warnings)
    return OtlpHttp(url=url, encoding=encoding, origin=given.origin, **shared)


class _Given(NamedTuple):
    """One address as it was given."""

    key: str
    raw: str
    origin: str


def _host(address: str) -> tuple[str, str]:
    """Scheme and host with port, of what may be no URL."""
    scheme, _, rest = address.rpartition("://")
    return scheme.lower(), rest.partition("/")[0].rpartition("@")[2].lower()


def pick(name: str, signal: str, values: Mapping[str, Value]) -> Value:
    """The signal's own value of an OTLP setting, or the general one."""
    general, own = values[f"otlp.{name}"], values[f"otlp.{signal}.{name}"]
    return own if own.layer > Layer.DEFAULT and own.layer >= general.layer else general


def _build_grpc(given: _Given, insecure: bool, shared: dict[str, Any]) -> OtlpGrpc:
    raw = given.raw
    scheme = raw.partition("://")[0].lower() if "://" in raw else ""
    if scheme not in ("http", "https"):
        # `dns:///host:4317`, `unix:/path`, `host:4317`: gRPC's own forms.
        return OtlpGrpc(target=raw, secure=not insecure, origin=given.origin, **shared)
    target = _split(given).netloc.rpartition("@")[2]
    return OtlpGrpc(target=target, secure=scheme == "https", origin=given.origin, **shared)


def _complete_url(given: _Given, suffix: str | None, warnings: list[str]) -> str:
    parts = _split(given)
    if suffix is None:
        return parts._replace(path=parts.path or "/").geturl()
    if parts.path.rstrip("/").endswith(suffix):
        warnings.append(
            f"{mask_url(parts.geturl())} ({given.origin}) ends with {suffix} already, and gets "
            "it once more: give the address without it."
        )
    return parts._replace(path=f"{parts.path.removesuffix('/')}/{suffix}").geturl()


def _split(given: _Given) -> SplitResult:
    try:
        parts = urlsplit(given.raw)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return parts
    except ValueError:  # a port that is none, a bracket too many
        pass
    accepted = "an address that starts with http:// or https://, then host and port"
    raise InvalidSetting(given.key, given.origin, repr(mask_url(given.raw)), accepted)
