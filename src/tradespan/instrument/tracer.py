"""Our `Tracer` and `TracerProvider`, on OpenTelemetry's public API classes.

Whatever an OpenTelemetry user has, third-party instrumentations included, gets the lean span by
this provider; nothing in it is known to the SDK.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from inspect import iscoroutinefunction
from types import TracebackType
from typing import Any, TypeVar

from opentelemetry.context import Context
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    NonRecordingSpan,
    NoOpTracer,
    SpanContext,
    SpanKind,
)
from opentelemetry.trace import Span as ApiSpan
from opentelemetry.trace import Tracer as ApiTracer
from opentelemetry.trace import TracerProvider as ApiTracerProvider

from tradespan.core.records import Resource
from tradespan.instrument.begin import add_links, begin_span, identity
from tradespan.instrument.capture.attributes import as_nanoseconds, as_text, clean_attributes
from tradespan.instrument.capture.failure import own_code
from tradespan.instrument.context import (
    CURRENT,
    attach,
    context_with,
    get_current,
    get_current_span,
    leave,
)
from tradespan.instrument.recorder import Recorder, RecorderSlot
from tradespan.instrument.span import KIND_SHIFT, Span
from tradespan.wire.sites import SITES

F = TypeVar("F", bound=Callable[..., Any])
_NOOP = NoOpTracer()


def start(recorder: Recorder, site: int, flags: int, parent: ApiSpan) -> Span | NonRecordingSpan:
    """A span under `parent`; what another process decided not to sample is not recorded here."""
    if type(parent) is Span:
        return begin_span(recorder, site, flags, parent)
    context = identity(parent)
    if context.is_valid and not context.trace_flags.sampled:
        unsampled = SpanContext(
            context.trace_id,
            recorder.bits(64) or 1,
            is_remote=False,
            trace_flags=context.trace_flags,
            trace_state=context.trace_state,
        )
        return NonRecordingSpan(unsampled)
    return begin_span(recorder, site, flags, context)


class SpanScope:
    """What `start_as_current_span` returns: a context manager that is a decorator, too."""

    __slots__ = ("_arguments", "_end_on_exit", "_span", "_token", "_tracer")

    def __init__(self, tracer: Tracer, arguments: tuple[Any, ...], end_on_exit: bool) -> None:
        self._tracer = tracer
        self._arguments = arguments
        self._end_on_exit = end_on_exit

    def __enter__(self) -> ApiSpan:
        span = self._span = self._tracer.start_span(*self._arguments)
        if type(span) is Span:
            outer = CURRENT.get()
            span.outer = outer.outer if type(outer) is Span else outer
            self._token = CURRENT.set(span)
        else:
            self._token = attach(context_with(span, get_current()))
        return span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        leave(self._token)
        span = self._span
        # BaseExceptions that are no errors (GeneratorExit, cancellation) are not recorded:
        # opentelemetry-python#4484.
        if error is not None and isinstance(error, Exception) and type(span) is Span:
            extras = span.extras
            if span.is_recording():
                if extras is None or extras.record_errors:
                    span.record_exception(error)
                if extras is None or extras.fail_on_error:
                    span.fail(error)
        if self._end_on_exit:
            span.end()

    def __call__(self, function: F) -> F:
        """Watch each call of a function by a span of its own."""
        if iscoroutinefunction(function):

            @wraps(function)
            async def in_span(*args: Any, **kwargs: Any) -> Any:
                with SpanScope(self._tracer, self._arguments, self._end_on_exit):
                    return await function(*args, **kwargs)

        else:

            @wraps(function)
            def in_span(*args: Any, **kwargs: Any) -> Any:
                with SpanScope(self._tracer, self._arguments, self._end_on_exit):
                    return function(*args, **kwargs)

        watched: Any = in_span
        own_code.add(watched.__code__)
        return watched  # type: ignore[no-any-return]


class Tracer(ApiTracer):
    """Makes spans of one instrumentation scope."""

    def __init__(self, slot: RecorderSlot, site: int) -> None:
        self._slot = slot
        self._site = site

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> ApiSpan:
        """Start a span. `start_time`: nanoseconds, UTC; now if left out."""
        recorder = self._slot.recorder
        if recorder is None:
            return _NOOP.start_span(name, context, kind, attributes, links)
        parent = get_current_span(context)
        if context is None and parent is INVALID_SPAN:
            parent = recorder.upstream
        span = start(recorder, self._site, kind.value << KIND_SHIFT, parent)
        if type(span) is not Span:
            return span
        span.name_set = as_text(name)
        if attributes:
            span.set_attributes(attributes)
        if links:
            add_links(span, links)
        if (started := as_nanoseconds(start_time)) is not None:
            span.began = started - span.offset
        if not record_exception:
            span.more().record_errors = False
        if not set_status_on_exception:
            span.more().fail_on_error = False
        return span

    # The API's returns the context manager of a generator, and has as many parameters.
    def start_as_current_span(  # type: ignore[override]  # noqa: PLR0913, PLR0917
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
    ) -> SpanScope:
        """Start a span and make it the current one, inside a `with` or around a function."""
        arguments = (
            name,
            context,
            kind,
            attributes,
            links,
            start_time,
            record_exception,
            set_status_on_exception,
        )
        return SpanScope(self, arguments, end_on_exit)


class TracerProvider(ApiTracerProvider):
    """Gives tracers that record into a spool."""

    def __init__(self, slot: RecorderSlot, resource: Resource) -> None:
        self._slot = slot
        self.resource = resource

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Tracer:
        """A tracer of one instrumentation scope."""
        scope = (
            as_text(instrumenting_module_name or ""),
            as_text(instrumenting_library_version or ""),
            as_text(schema_url or ""),
        )
        facts, _ = clean_attributes(attributes, None, None)
        return Tracer(self._slot, SITES.declare(scope, scope_attributes=facts))

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """True: a record is in the page cache when its span has ended; nothing is held back."""
        return True

    def shutdown(self) -> None:
        """Stop recording and seal the segments."""
        recorder, self._slot.recorder = self._slot.recorder, None
        if recorder is not None:
            recorder.spool.close()
