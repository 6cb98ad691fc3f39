"""From a destination's name to the courier that serves it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from tradespan.bootstrap.receivers import (
    STORE,
    OtlpKind,
    Protocol,
    read_kind,
    receiver_address,
    sink_name,
)
from tradespan.config import Config, OtlpHttp
from tradespan.config.model import OtlpDestination, OtlpGrpc
from tradespan.core.delivery import Cursor
from tradespan.core.records import Kind
from tradespan.forward.books import Bookkeeper, Books
from tradespan.forward.courier import Courier, Restraint, RetryPolicy
from tradespan.forward.cursors import FileCursors
from tradespan.forward.post import Destination
from tradespan.forward.ration import Ration
from tradespan.forward.sampling import SamplingPolicy
from tradespan.forward.source import BatchLimits
from tradespan.sinks.log_file import LogFileSink
from tradespan.sinks.otlp import OtlpSink, TlsFiles
from tradespan.sinks.otlp_http import OtlpHttpSink
from tradespan.sinks.rotation import Rotation
from tradespan.sinks.store import StoreSink
from tradespan.spool.folder import LOG_FILE, RunFolder
from tradespan.store.store import Store
from tradespan.wire.codec import decode_log, decode_span
from tradespan.wire.signals import SIGNALS, Signal

BY_NAME: dict[str, Signal[Any]] = {signal.name: signal for signal in SIGNALS.values()}
LIMITS: dict[Protocol, BatchLimits] = {
    "": BatchLimits(),
    # Encoded, a record is some times as large as in the spool: a full batch stays below what a
    # request of this protocol may hold, so that few have to be halved.
    "json": BatchLimits(bytes=2 * 1024 * 1024),
    "grpc": BatchLimits(bytes=1024 * 1024),
}


def build_courier(config: Config, destination: Destination) -> Courier[Any] | None:
    """The courier of one destination; None for a kind that this version does not know.

    Raises:
        DeliveryError, StoreError: It cannot be opened.
    """
    retry = RetryPolicy(0.5 * config.agent.retry_scale, 30.0 * config.agent.retry_scale)
    sampling = SamplingPolicy(*config.sampling) if config.sampling.share < 1 else None
    ration = Ration(config.agent.earlier_rate or None)
    if destination.kind == STORE:
        # Spans only: logs and metrics have no tables yet.
        store = StoreSink(Store.open(Path(destination.address)))
        restraint = Restraint(sampling, ration)
        return Courier(store, store, Kind.SPAN, decode_span, retry=retry, restraint=restraint)
    if destination.kind == LOG_FILE:
        file = build_log_file(config, destination.address)
        # All of it: neither sampled, nor left to a receiver.
        restraint = Restraint(None, ration)
        # A batch stands in one file as a whole: small files need small batches.
        limits = BatchLimits(bytes=min(config.logs.file_bytes // 8, LIMITS[""].bytes))
        return Courier(
            file, file, Kind.LOG, decode_log, retry=retry, restraint=restraint, limits=limits
        )
    told = read_kind(destination.kind)
    if told is None:
        return None
    signal = BY_NAME[told.signal]
    sink = build_otlp_sink(config, destination.kind, destination.address)
    return Courier(
        sink,
        FileCursors(sink.name),
        signal.kind,
        signal.decode,
        retry=retry,
        # Readings belong to no trace: they wait for no verdict.
        restraint=Restraint(None if signal.kind == Kind.METRIC else sampling, ration),
        limits=LIMITS[told.protocol],
    )


def build_log_file(config: Config, address: str) -> LogFileSink:
    """The writer of one JSON-lines file."""
    logs = config.logs
    rotation = Rotation(
        logs.file_bytes,
        keep_bytes=logs.keep_bytes or None,
        keep_files=None if logs.keep_bytes else logs.backups,
        keep_age=logs.keep_age,
    )
    name = sink_name(LOG_FILE, address)
    return LogFileSink(name, Path(address), FileCursors(name), rotation)


def build_otlp_sink(config: Config, kind: str, address: str, **given: Any) -> OtlpSink:
    """The sender of one signal to one address.

    Headers and certificates are the settings' own, and for the settings' receiver only: a run that
    named another must not get them. `given`: the sink's arguments that count more.

    Raises:
        DeliveryError: It is by gRPC, which is not installed or cannot be used in this process.
        ValueError: The kind is none of a receiver.
    """
    told = read_kind(kind)
    if told is None:
        raise ValueError(f"{kind} is no receiver of OTLP")
    name, signal = sink_name(kind, address), BY_NAME[told.signal]
    known = _find_known(config, told, address)
    options: dict[str, Any] = {}
    if known is not None:
        options = {
            "headers": known.headers,
            "timeout": known.timeout,
            "compress": known.compression == "gzip",
            "tls": TlsFiles(known.certificate, known.client_certificate, known.client_key),
        }
    options |= given
    if told.protocol == "grpc":
        from tradespan.sinks.otlp_grpc import OtlpGrpcSink  # optional extra: otlp-grpc

        target, secure = _read_target(address)
        if isinstance(known, OtlpGrpc):
            secure = known.secure
        return OtlpGrpcSink(name, target, signal, secure=secure, **options)
    if isinstance(known, OtlpHttp) and known.shown == address:
        address = known.url
    encoding: Literal["protobuf", "json"] = "json" if told.protocol else "protobuf"
    return OtlpHttpSink(name, address, signal, encoding=encoding, **options)


def _find_known(config: Config, told: OtlpKind, address: str) -> OtlpDestination | None:
    """The settings' receiver of a signal on the same host, at best at the same address."""
    way = OtlpGrpc if told.protocol == "grpc" else OtlpHttp
    known = [each for each in config.otlp[told.signal] if isinstance(each, way)]
    same = [each for each in known if receiver_address(each) == address]
    near = [each for each in known if _host(receiver_address(each)) == _host(address)]
    return next(iter([*same, *near]), None)


def _host(address: str) -> tuple[str, str]:
    """Scheme and host with port; of gRPC's own forms all of it."""
    parts = urlsplit(address)
    return (parts.scheme, parts.netloc) if parts.netloc else ("", address)


def _read_target(address: str) -> tuple[str, bool]:
    """The target of gRPC, and whether it is secure."""
    parts = urlsplit(address)
    if parts.scheme in ("http", "https"):
        return parts.netloc, parts.scheme == "https"
    return address, True


def read_books(folder: RunFolder) -> Books:
    """A folder's books from its files, whoever forwards; no line for a store that is not there.

    Raises:
        StoreError: The store cannot be read.
    """
    return look_at_books(folder)[0]


def look_at_books(folder: RunFolder) -> tuple[Books, dict[str, Cursor]]:
    """The same, and the cursors that they stand for.

    Raises:
        StoreError: The store cannot be read.
    """
    return Bookkeeper(folder).settle(lambda: read_cursors(folder))


def read_cursors(folder: RunFolder) -> dict[str, Cursor]:
    """How far each of a folder's sinks has come; a store that is not there has none.

    Raises:
        StoreError: The store cannot be read.
    """
    cursors: dict[str, Cursor] = {}
    for kind, address in folder.description.get("destinations", []):
        told = read_kind(kind)
        if told is not None:
            name = sink_name(kind, address)
            cursor = FileCursors(name).load(str(folder.path))
            cursors[name] = replace(cursor, kind=BY_NAME[told.signal].kind)
        elif kind == LOG_FILE:
            name = sink_name(kind, address)
            cursor = FileCursors(name).load(str(folder.path))
            cursors[name] = replace(cursor, kind=Kind.LOG)
        elif kind == STORE and _is_made(Path(address)):
            with closing(Store.open(address, readonly=True)) as store:
                cursors[kind] = store.load(str(folder.path))
    return cursors


def _is_made(store: Path) -> bool:
    """Whether there is a store; an empty file is one that an agent is about to make."""
    return store.exists() and store.stat().st_size > 0
