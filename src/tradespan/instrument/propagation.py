"""The current span where it would be lost: in a pool's threads, and in child processes.

A thread of its own begins anew: a feed that `main()` starts must not hang below `main` for its
life. Work that is handed to a pool belongs to who handed it over.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry.trace import INVALID_SPAN, Span, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tradespan.instrument.auto.finder import WatchingFinder
from tradespan.instrument.context import CURRENT, NOTHING, Context, attach, leave
from tradespan.instrument.recorder import SLOT

_PARENT, _STATE = "traceparent", "tracestate"
_POOLS = "concurrent.futures.thread"
_propagator = TraceContextTextMapPropagator()


def upstream_of(environment: Mapping[str, str]) -> Span:
    """The span that this process was started under; an invalid one if there is none.

    Source: OpenTelemetry specification, environment variables as context carriers.
    """
    carrier = {name: environment.get(name.upper(), "") for name in (_PARENT, _STATE)}
    return get_current_span(_propagator.extract(carrier, Context()))


def child_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Variables for a child process, so that its root spans hang below the current span.

    Args:
        environment: What to start from; this process's own if left out.

    Returns:
        A copy with `TRACEPARENT` and `TRACESTATE` of the current span, else of what this process
        was started under.
    """
    copied = dict(os.environ if environment is None else environment)
    span = get_current_span()
    if not span.get_span_context().is_valid:
        recorder = SLOT.recorder
        span = INVALID_SPAN if recorder is None else recorder.upstream
    if span.get_span_context().is_valid:
        carrier: dict[str, str] = {}
        _propagator.inject(carrier, set_span_in_context(span, Context()))
        copied.pop(_STATE.upper(), None)  # another trace's
        copied.update({name.upper(): value for name, value in carrier.items()})
    return copied


class PoolFollower:
    """Makes thread pools hand the current span over with the work."""

    def __init__(self) -> None:
        self._original: Any = None
        self._finder = WatchingFinder(lambda module: module == _POOLS, self._patch)

    def start(self) -> None:
        """From now on, or from when somebody imports thread pools."""
        if _POOLS in sys.modules:
            self._patch(sys.modules[_POOLS])
        else:
            self._finder.stand_first()

    def stop(self) -> None:
        """Put Python's own method back, unless somebody else has put one there since."""
        self._finder.step_back()
        pool: Any = getattr(sys.modules.get(_POOLS), "ThreadPoolExecutor", None)
        if self._original is not None and getattr(pool.submit, "_self_wrapper", None) is _submit:
            pool.submit = self._original
        self._original = None

    def _patch(self, module: Any) -> None:
        import wrapt  # optional extra: brings asyncio and ssl, which not every program needs

        self._finder.step_back()
        pool = module.ThreadPoolExecutor
        if self._original is None:
            self._original = pool.submit
            pool.submit = wrapt.FunctionWrapper(pool.submit, _submit)


def _submit(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    outer = CURRENT.get()
    if outer is NOTHING or not args or SLOT.recorder is None:
        return wrapped(*args, **kwargs)
    return wrapped(_run_below, outer, *args, **kwargs)


def _run_below(outer: Any, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    token = attach(outer)
    try:
        return function(*args, **kwargs)
    finally:
        leave(token)


POOLS = PoolFollower()
"""The process's own."""
