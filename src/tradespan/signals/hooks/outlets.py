"""Where the hooks tell what they are told: the sets, the bus, and OpenTelemetry's tracer."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from time import perf_counter_ns
from typing import Any, Concatenate, Final, ParamSpec

from opentelemetry.trace import ProxyTracer, Tracer, get_tracer

from tradespan.core import guard
from tradespan.core.version import __version__
from tradespan.signals.events.bus import EventBus, events
from tradespan.signals.sets.switch import Sets, sets
from tradespan.signals.slot import SIGNALS, SignalSlot

SCOPE: Final = "tradespan.engine_hooks"
P = ParamSpec("P")


class Outlets:
    """Where to; the process's own by default, others for tests."""

    def __init__(
        self,
        slot: SignalSlot = SIGNALS,
        into: Sets = sets,
        bus: EventBus = events,
        clock: Callable[[], int] = perf_counter_ns,
        tracers: Callable[[str, str], Tracer] = get_tracer,
    ) -> None:
        """`clock`: nanoseconds, monotonic. `tracers`: gives one by scope and version."""
        self.slot = slot
        self.sets = into
        self.bus = bus
        self.clock = clock
        self._tracers = tracers
        self._tracer: Tracer | None = None
        slot.follow(self._look_anew)

    @property
    def tracer(self) -> Tracer | None:
        """Who makes spans; None until tradespan is configured."""
        if self.slot.spool is None:
            return None
        tracer = self._tracer
        if tracer is None:
            tracer = self._tracers(SCOPE, __version__)
            if not isinstance(tracer, ProxyTracer):  # which asks each time who provides
                self._tracer = tracer
        return tracer

    def _look_anew(self) -> None:
        """Somebody configured, or shut down."""
        self._tracer = None


def hook(verb: Callable[Concatenate[Any, P], None]) -> Callable[Concatenate[Any, P], None]:
    """A method that does nothing while nobody listens, and from which nothing of ours comes.

    A call that is wrong is logged, sparingly, like any mistake of ours.
    """

    @wraps(verb)
    def told(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> None:
        outlets = self.outlets
        if outlets.slot.spool is None and not outlets.bus.heard:
            return
        try:
            verb(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - the host comes first
            guard.report(f"engine_hooks: {verb.__name__}", error)

    return told
