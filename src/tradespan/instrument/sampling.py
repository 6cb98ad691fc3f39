"""What a sampler of OpenTelemetry's SDK decides about a span, and what becomes of it here.

A span that is dropped is recorded all the same, and written only if it fails: errors are never
sampled out. A strict sampler's word is the specification's: dropped is gone, recorded only is not
exported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanKind,
    TraceState,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace import Span as ApiSpan

from tradespan.core import guard
from tradespan.instrument.begin import drop
from tradespan.instrument.context import Context
from tradespan.instrument.span import SAMPLED, UNKEPT, Span

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.sampling import Sampler


class Beginning(NamedTuple):
    """What is said of a span that begins, beside its ids."""

    name: str
    context: Context | None = None
    """As the caller gave it; None: the current one."""
    kind: SpanKind = SpanKind.INTERNAL
    attributes: Mapping[str, Any] | None = None
    links: Sequence[Link] | None = None
    watched: bool = False
    """A watched function's, whose span has to stand for its call whatever is decided."""


class Answer(NamedTuple):
    """What a sampler's result says."""

    sampled: bool
    recording: bool
    attributes: Mapping[str, Any] | None
    trace_state: TraceState | None


class HeadSampling:
    """A sampler's word in force. `sampler`: None samples what its parent did, and every root."""

    def __init__(self, sampler: Sampler | None = None, *, strict: bool = False) -> None:
        self.sampler = sampler
        self.strict = strict

    def decide(
        self, span: Span, parent: ApiSpan, beginning: Beginning
    ) -> tuple[bool, Mapping[str, Any] | None]:
        """Mark a span that has just begun.

        Returns:
            Whether it is to be recorded, and the attributes it begins with.
        """
        answer = self._ask(span, parent, beginning)
        if answer.trace_state or span.extras is not None:
            span.more().trace_state = answer.trace_state
        if answer.sampled:
            span.flags = span.flags & ~UNKEPT | SAMPLED
            if span.extras is not None:
                span.extras.untold = False
        else:
            drop(span)
            span.more().untold = not answer.recording
            if self.strict:
                span.flags &= ~UNKEPT
                span.more().unwritten = True
        recorded = answer.recording or not self.strict or beginning.watched
        # A sampler that drops a span gives it no attributes; if it fails, they are wanted.
        return recorded, answer.attributes if answer.recording else beginning.attributes

    def _ask(self, span: Span, parent: ApiSpan, beginning: Beginning) -> Answer:
        name, context, kind, attributes, links, _ = beginning
        if self.sampler is not None:
            trace_id = int.from_bytes(span.trace_key, "big")
            try:
                told = _told_context(parent, context)
                result: Any = self.sampler.should_sample(
                    told, trace_id, name, kind, attributes, links or ()
                )
                decision = result.decision
                return Answer(
                    decision.is_sampled(),
                    decision.is_recording(),
                    result.attributes,
                    result.trace_state,
                )
            except Exception as error:  # noqa: BLE001 - the user's sampler may do anything
                guard.report("sampler", error)
        sampled = bool(span.flags & SAMPLED)
        inherited = None if span.extras is None else span.extras.trace_state
        return Answer(sampled, sampled, attributes, inherited)


def _told_context(parent: ApiSpan, context: Context | None) -> Context | None:
    """The parent's context as a sampler is to see it: with this parent, and without a trace.

    A span that is kept only if it takes long is written once somebody asks for its identity.
    """
    if type(parent) is Span and parent.flags & UNKEPT:
        return set_span_in_context(NonRecordingSpan(parent.identity()), context)
    if context is None and type(parent) is not Span and parent is not get_current_span():
        return set_span_in_context(parent)  # what this process was started under
    return context
