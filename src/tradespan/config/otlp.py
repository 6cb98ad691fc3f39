"""Where a signal's telemetry goes: the OTLP settings of all signals and of one, put together.

Source: OpenTelemetry specification, protocol/exporter.md. Of the general and the signal's own
setting the one from the higher layer counts, and within a layer the signal's own: `--endpoint`
outranks OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, which outranks OTEL_EXPORTER_OTLP_ENDPOINT.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

from tradespan.config.entries import Layer, Value
from tradespan.config.kinds import mask_url
from tradespan.config.model import OtlpDestination, OtlpGrpc, OtlpHttp
from tradespan.core.errors import InvalidSetting

HTTP_ADDRESS = "http://localhost:4318"
GRPC_ADDRESS = "http://localhost:4317"


def build_destination(
    signal: str, values: Mapping[str, Value], warnings: list[str]
) -> OtlpDestination | None:
    """The OTLP receiver of a signal (`traces`), or None if nobody named one.

    Args:
        signal: One of `settings.SIGNALS`.
        values: All settings by key.
        warnings: Takes a sentence for each thing that looks like a mistake.

    Raises:
        InvalidSetting: The address does not fit the protocol.
    """
    exporter = values[f"{signal}.exporter"]
    address = pick("endpoint", signal, values)
    if exporter.value == "none" and exporter.layer >= address.layer:
        return None
    if address.value is None and exporter.layer is Layer.DEFAULT:
        return None
    names = ("headers", "timeout", "compression", "certificate", "client_certificate", "client_key")
    shared = {name: pick(name, signal, values).value for name in names}
    own = address is values[f"otlp.{signal}.endpoint"]
    key = f"otlp.{signal}.endpoint" if own else "otlp.endpoint"
    protocol: str = pick("protocol", signal, values).value
    if protocol == "grpc":
        return _build_grpc(key, address, pick("insecure", signal, values).value, shared)
    encoding: Literal["protobuf", "json"] = "json" if protocol == "http/json" else "protobuf"
    url = _complete_url(key, address, None if own else f"v1/{signal}", warnings)
    return OtlpHttp(url=url, encoding=encoding, origin=address.origin, **shared)


def pick(name: str, signal: str, values: Mapping[str, Value]) -> Value:
    """The signal's own value of an OTLP setting, or the general one."""
    general, own = values[f"otlp.{name}"], values[f"otlp.{signal}.{name}"]
    return own if own.layer > Layer.DEFAULT and own.layer >= general.layer else general


def _build_grpc(key: str, address: Value, insecure: bool, shared: dict[str, Any]) -> OtlpGrpc:
    raw: str = address.value or GRPC_ADDRESS
    scheme = raw.partition("://")[0].lower() if "://" in raw else ""
    if scheme not in ("http", "https"):
        # `dns:///host:4317`, `unix:/path`, `host:4317`: gRPC's own forms.
        return OtlpGrpc(target=raw, secure=not insecure, origin=address.origin, **shared)
    target = _split(key, address, raw).netloc.rpartition("@")[2]
    return OtlpGrpc(target=target, secure=scheme == "https", origin=address.origin, **shared)


def _complete_url(key: str, address: Value, suffix: str | None, warnings: list[str]) -> str:
    parts = _split(key, address, address.value or HTTP_ADDRESS)
    if suffix is None:
        return parts._replace(path=parts.path or "/").geturl()
    if parts.path.rstrip("/").endswith(suffix):
        warnings.append(
            f"{mask_url(parts.geturl())} ({address.origin}) ends with {suffix} already, and gets "
            "it once more: give the address without it."
        )
    return parts._replace(path=f"{parts.path.removesuffix('/')}/{suffix}").geturl()


def _split(key: str, address: Value, url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return parts
    except ValueError:  # a port that is none, a bracket too many
        pass
    accepted = "an address that starts with http:// or https://, then host and port"
    raise InvalidSetting(key, address.origin, repr(mask_url(url)), accepted)
