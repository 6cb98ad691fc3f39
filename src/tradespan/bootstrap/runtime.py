"""The bot's side, put together: `configure()` and the runtime object it returns."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from opentelemetry import trace

from tradespan.bootstrap.brought import Brought, build_parts
from tradespan.bootstrap.folders import (
    choose_root,
    describe_run,
    open_run_folder,
)
from tradespan.bootstrap.greenlets import follow_patching
from tradespan.bootstrap.lastwords import LAST_WORDS
from tradespan.bootstrap.libraries import Libraries
from tradespan.bootstrap.openorders import build_open_orders
from tradespan.bootstrap.receivers import lacks_grpc
from tradespan.bootstrap.resource import build_resource
from tradespan.bootstrap.signals import Signals
from tradespan.capture.redact import configure_redaction
from tradespan.config import Config, load_config
from tradespan.core import guard
from tradespan.core.errors import AlreadyConfigured, SpoolUnavailable
from tradespan.instrument.auto.governor import GOVERNOR
from tradespan.instrument.auto.watcher import WATCHER
from tradespan.instrument.pen import SpanLimits
from tradespan.instrument.propagation import POOLS, upstream_of
from tradespan.instrument.recorder import SLOT, Recorder
from tradespan.instrument.tracer import TracerProvider
from tradespan.pages.inflight import FlightTable
from tradespan.pages.metrics import MetricPage
from tradespan.pages.ordertable import OrderTable
from tradespan.spool.folder import RunFolder
from tradespan.spool.writer import SpoolLimits, SpoolWriter
from tradespan.wire.codec import encode_record
from tradespan.wire.sites import SITES

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.sdk.trace.id_generator import IdGenerator
    from opentelemetry.sdk.trace.sampling import Sampler

    from tradespan.bootstrap.forwarder import InProcessForwarder
    from tradespan.signals.metrics.provider import MeterProvider

_LEAST_TO_END = 1.0
"""Seconds that span processors have to shut down, however long the delivery took."""
_lock = threading.RLock()
_runtime: Runtime | None = None
_limit_raised = False


class Runtime:
    """What `configure()` put in force. One a process."""

    def __init__(
        self,
        config: Config,
        folder: RunFolder | None,
        *,
        injected: bool,
        brought: Brought | None = None,
    ) -> None:
        self.config = config
        self.brought = brought or Brought()
        """Parts of OpenTelemetry's SDK that code gave."""
        self.folder = folder
        """This run's folder; None while tradespan is disabled."""
        self.injected = injected
        """Whether `tradespan run` configured this process."""
        self.provider: TracerProvider | None = None
        self.watcher = WATCHER
        self.libraries = Libraries(config.libraries)
        self._forwarder: InProcessForwarder | None = None
        self._spool: SpoolWriter | None = None
        self._page: MetricPage | None = None
        self._table: FlightTable | None = None
        self._open_orders: OrderTable | None = None
        self._signals = Signals()

    @property
    def meter_provider(self) -> MeterProvider | None:
        """None while tradespan is disabled, and where metrics are switched off."""
        return self._signals.meter_provider

    @property
    def enabled(self) -> bool:
        """Whether anything is recorded."""
        return self._spool is not None

    def start(self) -> None:
        """Begin to record."""
        if self.config.disabled or self.folder is None:
            return
        configure_redaction(**self.config.redact._asdict())
        self._spool = build_spool(self.config, self.folder)
        self._page = MetricPage(self._spool) if self.config.metrics_enabled else None
        self._table = FlightTable(self._spool, on_new_file=LAST_WORDS.follow)
        recorder = build_recorder(self.config, self._spool, self._page, self._table)
        parts = build_parts(self.config, self.brought)
        if parts:
            recorder.use(parts)
        resource = build_resource(self.config, self._spool.identity)
        self.provider = TracerProvider(SLOT, resource, parts=parts)
        SLOT.recorder = recorder
        self._open_orders = build_open_orders(self.config, self._spool)
        self._signals.start(self.config, self._spool, self._page, self._open_orders)
        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            trace.set_tracer_provider(self.provider)
        GOVERNOR.start(self.config.max_overhead)
        follow_patching(GOVERNOR)
        self.watcher.apply(self.config)
        self.libraries.watch(self.provider)
        POOLS.start()
        make_room_for_wrappers()
        if not self.injected:
            LAST_WORDS.begin(self.folder.path, chained=True)
        if not self.injected and self.config.forwarder == "thread":
            # A bot under `tradespan run` never loads what forwards: store, HTTP client, SQLite.
            rooms = import_module("tradespan.bootstrap.forwarder")
            forwarder: InProcessForwarder = rooms.InProcessForwarder(self.config, self.folder)
            forwarder.start()
            follow_patching(forwarder)
            self._forwarder = forwarder
        atexit.register(self._at_exit)

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until what is recorded so far has been delivered, and passed on by span processors.

        Args:
            timeout: Seconds at most.

        Returns:
            Whether all of it was; always True where another process forwards, for whose reading the
            records are in the page cache already.
        """
        deadline = time.monotonic() + timeout
        delivered = self._forwarder is None or self._forwarder.drain(deadline)
        if self.provider is not None:
            left = max(0.0, deadline - time.monotonic())
            delivered = self.provider.force_flush(int(left * 1_000)) and delivered
        return delivered

    def shutdown(self, timeout: float = 10.0) -> bool:
        """Stop recording, seal the segments, deliver what is left; what stays, stays on disk.

        Args:
            timeout: Seconds at most; one if a receiver does not answer.

        Returns:
            Whether everything was delivered.
        """
        global _runtime  # noqa: PLW0603 - the process's one runtime
        with _lock:
            if _runtime is self:
                _runtime = None
        SLOT.recorder = None
        self._signals.end()
        GOVERNOR.stop()
        self.libraries.remove()
        self.watcher.remove()
        POOLS.stop()
        LAST_WORDS.end()
        atexit.unregister(self._at_exit)
        delivered = self._end(timeout)
        if self._page is not None:
            self._page.leave()
        if self._open_orders is not None:
            self._open_orders.leave()
        return delivered

    def _end(self, timeout: float) -> bool:
        GOVERNOR.stop()
        self._signals.look_last()
        if self._spool is not None:
            self._spool.close()
        if self._page is not None:
            self._page.close()
        if self._table is not None:
            self._table.end()
        if self._open_orders is not None:
            self._open_orders.end()
        LAST_WORDS.tidy()
        deadline = time.monotonic() + timeout
        delivered = self._forwarder is None or self._forwarder.end(timeout)
        self._forwarder = None
        if self.provider is not None:
            left = max(_LEAST_TO_END, deadline - time.monotonic())
            self.provider.end_processors(int(left * 1_000))
        return delivered

    def _at_exit(self) -> None:
        # Functions that are watched may still be called by later handlers: they record on, into
        # segments that the next agent finds.
        with guard.guarded("exit"):
            self._end(self.config.drain)


def build_spool(config: Config, folder: RunFolder) -> SpoolWriter:
    """The writer of this process."""
    limits = SpoolLimits(
        config.spool.segment_first, config.spool.segment_last, config.spool.memory_records
    )
    return SpoolWriter(
        folder.path,
        describe=lambda writer: encode_record(build_resource(config, writer)),
        site_payload=SITES.payload,
        limits=limits,
    )


def build_recorder(
    config: Config, spool: SpoolWriter, page: MetricPage | None, table: FlightTable
) -> Recorder:
    """From finished spans to records."""
    limits = config.limits
    return Recorder(
        spool,
        limits=SpanLimits(
            attributes=limits.span_attribute_count,
            events=limits.span_event_count,
            links=limits.span_link_count,
            event_attributes=limits.event_attribute_count,
            link_attributes=limits.link_attribute_count,
            attribute_length=limits.span_attribute_value_length,
            nested_length=limits.attribute_value_length,
        ),
        anchor_interval=config.clock_anchor_interval,
        upstream=upstream_of(os.environ),
        page=page,
        flights=table.flights,
    )


def make_room_for_wrappers() -> None:
    """Raise the recursion limit by the wrappers' share: a watched call takes up to three frames."""
    global _limit_raised  # noqa: PLW0603 - once a process, however often it is configured
    if not _limit_raised:
        _limit_raised = True
        sys.setrecursionlimit(3 * sys.getrecursionlimit())


def configure(
    *,
    service: str | None = None,
    spool: str | Path | None = None,
    store: str | Path | None = "default",
    endpoint: str | None = None,
    forwarder: Literal["thread", "external"] | None = None,
    sampler: Sampler | None = None,
    id_generator: IdGenerator | None = None,
    span_processors: Sequence[SpanProcessor] = (),
    **settings: Any,
) -> Runtime:
    """Begin to record in this process. Calling it again with the same values changes nothing.

    Args:
        service: The service's name; the script's if nobody gives one.
        spool: This run's folder; a new one below the root if left out.
        store: The embedded store's file; None: no store; `<root>/store.db` if left out.
        endpoint: OTLP receiver, such as `http://localhost:4318`; the environment's if left out.
        forwarder: `thread`: a daemon thread of this process forwards. `external`: `tradespan agent`
            does, beside it.
        sampler: One of OpenTelemetry's SDK or your own; that of `OTEL_TRACES_SAMPLER` if left out.
        id_generator: As `sampler`, by `OTEL_PYTHON_ID_GENERATOR`.
        span_processors: Those of OpenTelemetry's SDK, told of all spans; more may be added to
            `Runtime.provider`.
        settings: Any other setting by its argument's name (docs/settings.md), such as `mode`;
            `logs` may be a table, such as `{"level": "debug", "console": "on"}`.

    Returns:
        The process's runtime. Where the spool cannot be used, a warning is logged, and it is not
        `enabled`: the program comes first.

    Raises:
        ConfigurationError: An unknown setting, a value that it does not accept, or, as
            AlreadyConfigured, another value than the one in force.
    """
    given: dict[str, Any] = dict(settings)
    given.update(service=service, spool=spool, endpoint=endpoint, forwarder=forwarder)
    given = {name: value for name, value in given.items() if value is not None}
    if isinstance(given.get("logs"), Mapping):
        table = given.pop("logs").items()
        given.update({f"logs.{name}": "none" if each is None else each for name, each in table})
    if store != "default":
        given["store"] = store
    brought = Brought(sampler, id_generator, tuple(span_processors))
    return configure_from(load_config(given, service_default=default_service()), brought=brought)


def configure_from(
    config: Config, *, injected: bool = False, brought: Brought | None = None
) -> Runtime:
    """`configure` with settings already decided."""
    global _runtime  # noqa: PLW0603 - the process's one runtime
    with _lock:
        if _runtime is not None:
            return _join(_runtime, config, brought or Brought())
        config = choose_root(config)
        folder = None if config.disabled else _begin_run(config, injected=injected)
        if folder is not None and not injected:
            for sentence in filter(None, [*config.warnings, lacks_grpc(config)]):
                guard.logger.warning("%s", sentence)
        runtime = Runtime(config, folder, injected=injected, brought=brought)
        _runtime = runtime
        runtime.start()
        return runtime


def _begin_run(config: Config, *, injected: bool) -> RunFolder | None:
    """This run's folder; None, and one warning, where there is no place to record in."""
    try:
        folder = open_run_folder(config)
        if not injected:
            describe_run(folder, config)
    except (OSError, SpoolUnavailable) as error:
        guard.logger.warning("%s The program runs, unrecorded.", error)
        return None
    return folder


def _join(runtime: Runtime, config: Config, brought: Brought) -> Runtime:
    differences = runtime.config.differences(choose_root(config))
    differences += runtime.brought.differences(brought)
    if differences and runtime.injected:
        told = "; ".join(f"{key}: {ours}, here {theirs}" for key, ours, theirs in differences)
        guard.logger.warning("tradespan run has configured this process already (%s)", told)
    elif differences:
        raise AlreadyConfigured(differences)
    return runtime


def default_service() -> str:
    """The script's name: what a user would call the bot."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name:
        return str(spec.name).removesuffix(".__main__")
    path = getattr(main, "__file__", None)
    return Path(path).stem if path else "python"


def flush(timeout: float = 10.0) -> bool:
    """`Runtime.flush` of what is configured; True if nothing is."""
    return True if _runtime is None else _runtime.flush(timeout)


def shutdown(timeout: float = 10.0) -> bool:
    """`Runtime.shutdown` of what is configured; True if nothing is."""
    return True if _runtime is None else _runtime.shutdown(timeout)
