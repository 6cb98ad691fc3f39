"""Our `Tracer` and `TracerProvider`, on OpenTelemetry's public API classes.

Whatever an OpenTelemetry user has, third-party instrumentations included, gets the lean span by
this provider; nothing in it is known to the SDK.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from inspect import iscoroutinefunction
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from opentelemetry.context import Context
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    NonRecordingSpan,
    NoOpTracer,
    SpanKind,
)
from opentelemetry.trace import Span as ApiSpan
from opentelemetry.trace import Tracer as ApiTracer
from opentelemetry.trace import TracerProvider as ApiTracerProvider

from tradespan.capture.attributes import (
    as_nanoseconds,
    as_text,
    clean_attribute,
    clean_attributes,
)
from tradespan.capture.frames import own_code
from tradespan.capture.names import verdicts
from tradespan.capture.redact import plain
from tradespan.core import guard
from tradespan.core.records import Resource
from tradespan.instrument.begin import add_links, begin_span, identity
from tradespan.instrument.context import (
    CURRENT,
    attach,
    context_with,
    get_current,
    get_current_span,
)
from tradespan.instrument.parts import SdkParts
from tradespan.instrument.recorder import Recorder, RecorderSlot
from tradespan.instrument.sampling import Beginning, HeadSampling
from tradespan.instrument.span import KIND_SHIFT, Span
from tradespan.wire.sites import SITES

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.sdk.trace.id_generator import IdGenerator
    from opentelemetry.sdk.trace.sampling import Sampler

F = TypeVar("F", bound=Callable[..., Any])
_NOOP = NoOpTracer()
_INTERNAL = SpanKind.INTERNAL
_LEAST, _MOST = -1 << 63, 1 << 63
_get_current, _set_current, _reset_current = CURRENT.get, CURRENT.set, CURRENT.reset


def start(recorder: Recorder, site: int, flags: int, parent: ApiSpan) -> Span:
    """A watched call's span under `parent`, which may be foreign, or invalid for a root."""
    span = begin_span(recorder, site, flags, parent if type(parent) is Span else identity(parent))
    parts = recorder.parts
    if parts is not None:
        facts = SITES.site(site)
        beginning = Beginning(facts.name, None, span.kind, facts.attributes, watched=True)
        _, attributes = parts.admit(span, parent, beginning)
        if attributes is not facts.attributes:
            known = facts.attributes.items()
            span.set_attributes(
                dict(item for item in (attributes or {}).items() if item not in known)
            )
        parts.on_start(span, None)
    return span


def give_attributes(span: Span, attributes: Mapping[str, Any]) -> None:
    """The attributes that a span begins with; those of a dict in one go."""
    limits = span.recorder.limits
    most = limits.attributes
    if (
        type(attributes) is dict
        and limits.attribute_length is None
        and (most is None or len(attributes) <= most)
    ):
        hides, texts = verdicts, plain
        held = attributes.copy()
        for key, value in held.items():
            if type(key) is not str or not key:
                break
            # As `clean_attribute`, whose call is saved where a readable name has a plain value.
            try:
                hidden = hides[key]
            except KeyError:
                hidden = True
            if not hidden:
                kind = type(value)
                if kind is str:
                    if value in texts:
                        continue
                elif kind is float or kind is bool or (kind is int and _LEAST <= value < _MOST):
                    continue
            held[key] = clean_attribute(key, value, None)
        else:
            span.held = held
            return
    span.set_attributes(attributes)


def kind_bits(kind: Any) -> int:
    """A span kind's bits; those of INTERNAL for what is none."""
    return kind.value << KIND_SHIFT if isinstance(kind, SpanKind) else 0


class SpanScope:
    """What `start_as_current_span` returns: a context manager that is a decorator, too."""

    __slots__ = ("attributes", "end_on_exit", "name", "others", "span", "token", "tracer")

    # What is set is set by `start_as_current_span`: a constructor would cost a call more.
    tracer: Tracer
    name: str
    attributes: Mapping[str, Any] | None
    others: tuple[Any, ...] | None
    """The rarer arguments of `start_span`, in its order; None: as they are by default."""
    end_on_exit: bool
    span: ApiSpan
    token: Any

    def __enter__(self) -> ApiSpan:
        tracer = self.tracer
        outer = _get_current()
        recorder = tracer.slot.recorder
        if self.others is not None or recorder is None:
            return self._enter_otherwise(outer)
        name = self.name if type(self.name) is str else as_text(self.name)
        span = recorder.begin(tracer.site, 0, outer, None, name)
        if span is None:
            return self._enter_otherwise(outer)
        if self.attributes:
            give_attributes(span, self.attributes)
        self.span = span
        self.token = _set_current(span)
        return span

    def _enter_otherwise(self, outer: Any) -> ApiSpan:
        context, kind, links, *rest = self.others or (None, _INTERNAL, None)
        span = self.span = self.tracer.start_span(
            self.name, context, kind, self.attributes, links, *rest
        )
        if type(span) is Span:
            span.outer = outer.outer if type(outer) is Span else outer
            self.token = _set_current(span)
        else:
            self.token = attach(context_with(span, get_current()))
        return span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        # As `leave`, whose call is saved.
        try:
            _reset_current(self.token)
        except (ValueError, RuntimeError):
            pass
        span = self.span
        if error is None and type(span) is Span and span.ended is None and self.end_on_exit:
            try:
                recorder = span.recorder
                ended = recorder.finish_plain(span, None, None)
                if ended is not None:
                    recorder.finish(span, ended)
            except Exception as broken:  # noqa: BLE001 - the host comes first
                guard.report("ending a span", broken)
            return
        # BaseExceptions that are no errors (GeneratorExit, cancellation) are not recorded:
        # opentelemetry-python#4484.
        if error is not None and isinstance(error, Exception) and type(span) is Span:
            extras = span.extras
            if span.is_recording():
                if extras is None or extras.record_errors:
                    span.record_exception(error)
                if extras is None or extras.fail_on_error:
                    span.fail(error)
        if self.end_on_exit:
            span.end()

    def __call__(self, function: F) -> F:
        """Watch each call of a function by a span of its own."""
        if iscoroutinefunction(function):

            @wraps(function)
            async def in_span(*args: Any, **kwargs: Any) -> Any:
                with self.again():
                    return await function(*args, **kwargs)

        else:

            @wraps(function)
            def in_span(*args: Any, **kwargs: Any) -> Any:
                with self.again():
                    return function(*args, **kwargs)

        watched: Any = in_span
        own_code.add(watched.__code__)
        return watched  # type: ignore[no-any-return]

    def again(self) -> SpanScope:
        """A scope of the same arguments, not entered."""
        scope = SpanScope()
        for name in ("attributes", "end_on_exit", "name", "others", "tracer"):
            setattr(scope, name, getattr(self, name))
        return scope


class Tracer(ApiTracer):
    """Makes spans of one instrumentation scope."""

    def __init__(self, slot: RecorderSlot, site: int) -> None:
        self.slot = slot
        self.site = site

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = _INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> ApiSpan:
        """Start a span. `start_time`: nanoseconds, UTC; now if left out."""
        recorder = self.slot.recorder
        if recorder is None:
            return _NOOP.start_span(name, context, kind, attributes, links)
        flags = 0 if kind is _INTERNAL else kind_bits(kind)
        span = (
            recorder.begin(self.site, flags, _get_current(), None, as_text(name))
            if context is None
            else None
        )
        if span is None:
            beginning = Beginning(name, context, kind, attributes, links)
            span, recorded, attributes = self._begin_otherwise(recorder, flags, beginning)
            if not recorded:
                return NonRecordingSpan(span.identity())
        if attributes:
            give_attributes(span, attributes)
        if links:
            add_links(span, links)
        if (started := as_nanoseconds(start_time)) is not None:
            span.began = started - span.offset
        if not record_exception:
            span.more().record_errors = False
        if not set_status_on_exception:
            span.more().fail_on_error = False
        if recorder.parts is not None:
            recorder.parts.on_start(span, context)
        return span

    def _begin_otherwise(
        self, recorder: Recorder, flags: int, beginning: Beginning
    ) -> tuple[Span, bool, Mapping[str, Any] | None]:
        """A span, whether it is to be recorded, and the attributes it begins with."""
        parent = get_current_span(beginning.context)
        if beginning.context is None and parent is INVALID_SPAN:
            parent = recorder.upstream
        begun = parent if type(parent) is Span else identity(parent)
        span = begin_span(recorder, self.site, flags, begun)
        span.name_set = as_text(beginning.name)
        recorded, attributes = True, beginning.attributes
        if recorder.parts is not None:
            recorded, attributes = recorder.parts.admit(span, parent, beginning)
        if recorded:
            recorder.tell(span, parent)
        return span, recorded, attributes

    # The API's returns the context manager of a generator, and has as many parameters.
    def start_as_current_span(  # type: ignore[override]  # noqa: PLR0913, PLR0917
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = _INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
    ) -> SpanScope:
        """Start a span and make it the current one, inside a `with` or around a function."""
        scope = SpanScope()
        scope.tracer = self
        scope.name = name
        scope.attributes = attributes
        scope.end_on_exit = end_on_exit
        if (
            context is None
            and kind is _INTERNAL
            and not links
            and start_time is None
            and record_exception
            and set_status_on_exception
        ):
            scope.others = None
        else:
            scope.others = (
                *(context, kind, links, start_time),
                *(record_exception, set_status_on_exception),
            )
        return scope


class TracerProvider(ApiTracerProvider):
    """Gives tracers that record into a spool.

    A sampler and an id generator of OpenTelemetry's SDK hold for watched functions, too.
    """

    def __init__(
        self,
        slot: RecorderSlot,
        resource: Resource,
        *,
        sampler: Sampler | None = None,
        strict_sampler: bool = False,
        id_generator: IdGenerator | None = None,
        parts: SdkParts | None = None,
    ) -> None:
        """`sampler`: None is `parentbased_always_on`. `strict_sampler`: what it drops is gone, also
        if it fails. `parts`: what the slot's recorder asks and tells, if that is decided.
        """
        self._slot = slot
        self.resource = resource
        if parts is None and slot.recorder is not None:
            parts = slot.recorder.parts
        self._parts = SdkParts(lambda _: resource) if parts is None else parts
        if sampler is not None or strict_sampler:
            self._parts.head = HeadSampling(sampler, strict=strict_sampler)
        if id_generator is not None:
            self._parts.id_generator = id_generator
        self._use_parts()

    def _use_parts(self) -> None:
        if self._slot.recorder is not None and self._parts:
            self._slot.recorder.use(self._parts)

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

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """Tell one of the SDK's span processors of the spans that begin from now on."""
        self._parts.add_processor(span_processor)
        self._use_parts()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Whether all span processors passed on what they held, in time.

        Our own records are in the page cache when their spans have ended: nothing is held back.
        """
        return self._parts.force_flush(timeout_millis)

    def end_processors(self, timeout_millis: int) -> bool:
        """Shut down the span processors alone. Whether all came to an end in time."""
        return self._parts.shutdown(timeout_millis)

    def shutdown(self, timeout_millis: int = 30_000) -> None:
        """Stop recording and seal the segments; then the span processors are shut down."""
        recorder, self._slot.recorder = self._slot.recorder, None
        if recorder is not None:
            recorder.spool.close()
        self.end_processors(timeout_millis)
