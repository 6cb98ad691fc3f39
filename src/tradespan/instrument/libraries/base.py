"""What all instrumentors of libraries share: patches that are undone exactly, and telemetry.

An instrumentor names what it replaces (`patches`). None imports its library: what is loaded is
patched at once, the rest when the program imports it, so that a bot pays for no library that it
does not use. Replacements stand on classes, where copies by `from m import C` see them too.

Traces and metrics go through OpenTelemetry's public API: the same instrumentor works with
tradespan's providers, the SDK's, and any other.
"""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Sequence
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any, ClassVar, NamedTuple, Protocol

import wrapt
from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]
    BaseInstrumentor,
)
from opentelemetry.metrics import (
    CallbackOptions,
    Counter,
    Histogram,
    Meter,
    MeterProvider,
    Observation,
    get_meter,
)
from opentelemetry.trace import Tracer, TracerProvider, get_tracer

from tradespan.capture.frames import own_code
from tradespan.core import guard
from tradespan.core.clock import Clock, SystemClock
from tradespan.core.version import __version__
from tradespan.declare.instruments import Instrument
from tradespan.instrument.auto.finder import WatchingFinder

_ABSENT: Any = object()
_OBSERVABLE = {
    "counter": "create_observable_counter",
    "updowncounter": "create_observable_up_down_counter",
    "gauge": "create_observable_gauge",
}


class Gauge(Protocol):
    """What the API's synchronous gauge can do; its class has no public name."""

    def set(self, amount: float, attributes: Any = None) -> None:
        """The value from now on."""
        ...


class Telemetry(NamedTuple):
    """What an instrumentor records with."""

    tracer: Tracer
    meter: Meter
    clock: Clock
    """Durations and silences go by its monotonic side; tests inject a stepping one."""

    def counter(self, declared: Instrument) -> Counter:
        """The live counter of a declaration (`declare/instruments.py`)."""
        return self.meter.create_counter(declared.name, declared.unit)

    def gauge(self, declared: Instrument) -> Gauge:
        """The live gauge of a declaration."""
        return self.meter.create_gauge(declared.name, declared.unit)

    def histogram(self, declared: Instrument) -> Histogram:
        """The live histogram of a declaration, with its bounds."""
        return self.meter.create_histogram(
            declared.name, declared.unit, explicit_bucket_boundaries_advisory=declared.bounds
        )

    def observe(self, declared: Instrument, read: Callable[[], Iterable[Observation]]) -> None:
        """An instrument of the declared kind that asks `read` when metrics are collected."""
        create = getattr(self.meter, _OBSERVABLE[declared.kind])

        def callback(_: CallbackOptions) -> Iterable[Observation]:
            with guard.guarded(f"reading {declared.name}"):
                return list(read())
            return ()

        create(declared.name, [callback], declared.unit)


class Patch(NamedTuple):
    """One name of a library, and what stands there instead."""

    module: str
    """The module that defines it, such as `websockets.asyncio.client`."""
    name: str
    """Dotted below the module, such as `connect.connect`."""
    replace: Callable[[Any], Any]
    """Given the original, as it stands in the class's dict; returns what replaces it."""


class LibraryInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # the API's class has no types
    """Base of an instrumentor; one instance a class, as OpenTelemetry has it.

    `instrument(tracer_provider=…, meter_provider=…, clock=…)`: each is the global one if left out.
    Where the library is not installed, or too old, `instrument` logs so and changes nothing
    (OpenTelemetry's own check of `requirement`; `skip_dep_check=True` passes over it).
    """

    requirement: ClassVar[str]
    """The library as pip names it, with the versions that are known to work."""
    scope: ClassVar[str]
    """The instrumentation scope, such as `tradespan.ccxt`: it stands before the spans' names."""

    _telemetry: Telemetry | None = None
    _patcher: Patcher | None = None

    @abstractmethod
    def patches(self, telemetry: Telemetry) -> Iterable[Patch]:
        """What to replace; called once per `instrument`. Instruments are made here."""

    def forget(self) -> None:
        """Let go of what `patches` made; called once all is put back.

        Observable instruments cannot be unregistered: what their callbacks read is emptied here.
        """

    def instrumentation_dependencies(self) -> Collection[str]:
        """As OpenTelemetry asks for it: the requirement."""
        return (self.requirement,)

    @property
    def patched(self) -> Sequence[str]:
        """What is replaced now, as `module:name`: nothing of a library that is not loaded."""
        return () if self._patcher is None else self._patcher.names

    def _instrument(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        clock: Clock | None = None,
        **_: Any,
    ) -> None:
        with guard.guarded(f"instrumenting {self.requirement}"):
            telemetry = Telemetry(
                get_tracer(self.scope, __version__, tracer_provider),
                get_meter(self.scope, __version__, meter_provider),
                clock or SystemClock(),
            )
            self._patcher = Patcher(self.patches(telemetry))
            self._patcher.begin()

    def _uninstrument(self, **_: Any) -> None:
        with guard.guarded(f"uninstrumenting {self.requirement}"):
            if self._patcher is not None:
                self._patcher.undo()
            self._patcher = None
            self.forget()


class Patcher:
    """Patches of one instrumentor: made when their modules are there, remembered, undone."""

    def __init__(self, patches: Iterable[Patch]) -> None:
        self._waiting: dict[str, list[Patch]] = {}
        for patch in patches:
            self._waiting.setdefault(patch.module, []).append(patch)
        self._done: list[_Done] = []
        self._finder = WatchingFinder(self._waiting.__contains__, self._imported)

    @property
    def names(self) -> list[str]:
        """What is replaced now, in the order in which it was."""
        return [done.label for done in self._done]

    def begin(self) -> None:
        """Patch what is loaded; wait for the rest to be imported."""
        for name in list(self._waiting):
            if name in sys.modules:
                self._apply(import_module(name))  # waits where another thread is loading it
        if self._waiting:
            sys.meta_path.insert(0, self._finder)

    def undo(self) -> None:
        """Put back what stood there, the latest first, and wait for nothing any more."""
        self._waiting.clear()
        self._stop_waiting()
        while self._done:
            done = self._done.pop()
            with guard.guarded(f"restoring {done.label}"):
                done.undo()

    def _imported(self, module: ModuleType) -> None:
        self._apply(module)
        if not self._waiting:
            self._stop_waiting()

    def _apply(self, module: ModuleType) -> None:
        # One that fails leaves the others: a release of the library may have moved it.
        for patch in self._waiting.pop(module.__name__, ()):
            with guard.guarded(f"patching {patch.module}:{patch.name}"):
                self._done.append(_replace(module, patch))

    def _stop_waiting(self) -> None:
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)


class _Done(NamedTuple):
    """One place that was changed."""

    label: str
    owner: Any
    attribute: str
    before: Any
    """What its own dict held; `_ABSENT` where it was inherited."""
    replacement: Any

    def undo(self) -> None:
        if vars(self.owner).get(self.attribute, _ABSENT) is not self.replacement:
            raise RuntimeError("replaced by somebody else since: left as it is")
        if self.before is _ABSENT:
            delattr(self.owner, self.attribute)
        else:
            setattr(self.owner, self.attribute, self.before)


def _replace(module: ModuleType, patch: Patch) -> _Done:
    owner, attribute, original = wrapt.resolve_path(module, patch.name)
    before = vars(owner).get(attribute, _ABSENT)
    replacement = patch.replace(original)
    if type(replacement) is FunctionType:
        own_code.add(replacement.__code__)  # no frame of ours in recorded tracebacks
    wrapt.apply_patch(owner, attribute, replacement)
    return _Done(f"{patch.module}:{patch.name}", owner, attribute, before, replacement)
