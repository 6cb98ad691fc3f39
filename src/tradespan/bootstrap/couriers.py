"""From a destination's name to the courier that serves it."""

from __future__ import annotations

import hashlib
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tradespan.config import Config, OtlpHttp
from tradespan.core.delivery import Cursor
from tradespan.core.records import Kind
from tradespan.forward.books import Books, add_up
from tradespan.forward.courier import Courier, RetryPolicy
from tradespan.forward.cursors import FileCursors
from tradespan.forward.post import Destination
from tradespan.sinks.otlp_http import OtlpHttpSink
from tradespan.sinks.store import StoreSink
from tradespan.spool.folder import RunFolder
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
    """The sender to one address.

    Headers and certificates are the settings' own, and for the settings' receiver only: a run that
    named another must not get them.
    """
    known = config.otlp_traces
    if not isinstance(known, OtlpHttp) or urlsplit(known.shown)[:2] != urlsplit(address)[:2]:
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


def read_books(folder: RunFolder) -> Books:
    """A folder's books from its files, whoever forwards; no line for a store that is not there.

    Raises:
        StoreError: The store cannot be read.
    """
    return add_up(folder, read_cursors(folder))


def read_cursors(folder: RunFolder) -> dict[str, Cursor]:
    """How far each of a folder's sinks has come; a store that is not there has none.

    Raises:
        StoreError: The store cannot be read.
    """
    cursors: dict[str, Cursor] = {}
    for kind, address in folder.description.get("destinations", []):
        if kind == "otlp":
            name = otlp_sink_name(address)
            cursors[name] = FileCursors(name).load(str(folder.path))
        elif kind == "store" and _is_made(Path(address)):
            with closing(Store.open(address, readonly=True)) as store:
                cursors[kind] = store.load(str(folder.path))
    return cursors


def _is_made(store: Path) -> bool:
    """Whether there is a store; an empty file is one that an agent is about to make."""
    return store.exists() and store.stat().st_size > 0
