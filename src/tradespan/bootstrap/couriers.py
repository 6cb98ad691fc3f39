"""From a destination's name to the courier that serves it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from tradespan.config import Config, OtlpHttp
from tradespan.core.records import Kind
from tradespan.forward.agent import Destination
from tradespan.forward.courier import Courier, RetryPolicy
from tradespan.forward.cursors import FileCursors
from tradespan.sinks.otlp_http import OtlpHttpSink
from tradespan.sinks.store import StoreSink
from tradespan.store.store import Store
from tradespan.wire.codec import decode_span


def build_courier(config: Config, destination: Destination) -> Courier[Any] | None:
    """The courier of one destination; None for a kind that this version does not know."""
    retry = RetryPolicy(0.5 * config.agent.retry_scale, 30.0 * config.agent.retry_scale)
    if destination.kind == "store":
        sink = StoreSink(Store.open(Path(destination.address)))
        return Courier(sink, sink, Kind.SPAN, decode_span, retry=retry)
    if destination.kind == "otlp":
        otlp = build_otlp_sink(config, destination.address)
        return Courier(otlp, FileCursors(otlp.name), Kind.SPAN, decode_span, retry=retry)
    return None


def otlp_sink_name(address: str) -> str:
    """A stable, short name for a receiver: it names the cursor's file."""
    return f"otlp-{hashlib.sha256(address.encode()).hexdigest()[:8]}"


def build_otlp_sink(config: Config, address: str) -> OtlpHttpSink:
    """The sender to one address; headers and certificates are the settings' own."""
    known = config.otlp_traces
    if not isinstance(known, OtlpHttp):
        return OtlpHttpSink(otlp_sink_name(address), address)
    return OtlpHttpSink(
        otlp_sink_name(address),
        known.url if known.shown == address else address,
        headers=known.headers,
        timeout=known.timeout,
        compress=known.compression == "gzip",
        certificate=known.certificate,
        client_certificate=known.client_certificate,
        client_key=known.client_key,
    )
