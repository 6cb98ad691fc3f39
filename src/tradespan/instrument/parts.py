"""Parts of OpenTelemetry's SDK that a user brings: a sampler, an id generator, span processors.

The SDK itself is imported only where one of them is in use.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import Span as ApiSpan

from tradespan.core import guard
from tradespan.core.records import Resource
from tradespan.instrument.begin import identity
from tradespan.instrument.sampling import Beginning, HeadSampling
from tradespan.instrument.span import ROOT_FLAGS, SAMPLED, Span

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.sdk.trace.id_generator import IdGenerator

    from tradespan.instrument.processors import Processors

_TRACE, _SPAN = 128, 64


class GeneratedIds:
    """A user's generator in the place of `getrandbits`; where it fails, ours is asked."""

    def __init__(self, generator: IdGenerator, otherwise: Callable[[int], int]) -> None:
        self.generator = generator
        self._otherwise = otherwise

    def __call__(self, bits: int) -> int:
        """An id of so many bits."""
        if bits in {_TRACE, _SPAN}:
            try:
                generator = self.generator
                made: int = operator.index(
                    generator.generate_trace_id()
                    if bits == _TRACE
                    else generator.generate_span_id()
                )
                if 0 < made < 1 << bits:
                    return made
                raise ValueError(f"{made} is no id of {bits} bits")
            except Exception as error:  # noqa: BLE001 - the user's generator may do anything
                guard.report("id generator", error)
        return self._otherwise(bits)

    @property
    def root_flags(self) -> int:
        """Trace flags of a root, in their place among a span's flags."""
        try:
            return ROOT_FLAGS if self.generator.is_trace_id_random() else SAMPLED
        except Exception as error:  # noqa: BLE001 - one made for an older SDK has no such method
            guard.report("id generator", error)
            return SAMPLED


class SdkParts:
    """What a provider's user brought. Shared by the recorders of a process and its children."""

    def __init__(self, describe: Callable[[bytes], Resource]) -> None:
        """`describe` gives the resource of a process generation, by its identity."""
        self.head: HeadSampling | None = None
        self.id_generator: IdGenerator | None = None
        self.processors: Processors | None = None
        self._describe = describe
        self._resource: tuple[bytes, Any] = b"", None
        self._rendering: Any = None

    def __bool__(self) -> bool:
        return not (self.head is None and self.id_generator is None and self.processors is None)

    def add_processor(self, processor: SpanProcessor) -> None:
        """Tell one more of the spans that begin from now on."""
        if self.processors is None:
            self._rendering = import_module("tradespan.instrument.readable")
            rooms = import_module("tradespan.instrument.processors")
            self.processors = rooms.Processors()
        self.processors.add(processor)

    def ids_or(
        self, bits: Callable[[int], int], root_flags: int
    ) -> tuple[Callable[[int], int], int]:
        """Where ids come from, and the trace flags of roots: as given, if no generator is."""
        if self.id_generator is None or isinstance(bits, GeneratedIds):
            return bits, root_flags
        ids = GeneratedIds(self.id_generator, bits)
        return ids, ids.root_flags

    def admit(
        self, span: Span, parent: ApiSpan, beginning: Beginning
    ) -> tuple[bool, Mapping[str, Any] | None]:
        """Decide about a span that has just begun.

        Returns:
            Whether it is to be recorded, and the attributes it begins with.
        """
        if self.processors is not None and span.parent_id:
            same = parent.identity() if type(parent) is Span else identity(parent)
            span.more().parent = same
        if self.head is None:
            return True, beginning.attributes
        return self.head.decide(span, parent, beginning)

    def on_start(self, span: Span, context: Context | None) -> None:
        """Tell the processors of a span that has begun. `context`: as its caller gave it."""
        if self.processors is not None and (span.extras is None or not span.extras.untold):
            self.processors.on_start(span, context)

    def on_end(self, span: Span, writer: bytes) -> None:
        """Tell the processors of a span that has ended, in a process generation."""
        processors = self.processors
        if not processors or (span.extras is not None and span.extras.untold):
            return
        with guard.guarded("span processors"):
            if self._resource[0] != writer:
                described = self._describe(writer)
                self._resource = writer, self._rendering.sdk_resource(described)
            processors.on_end(self._rendering.readable_span(span, self._resource[1]))

    def force_flush(self, timeout_millis: int) -> bool:
        """Whether every processor passed on what it held, in time."""
        return self.processors is None or self.processors.force_flush(timeout_millis)

    def shutdown(self, timeout_millis: int) -> bool:
        """Whether every processor came to an end in time."""
        return self.processors is None or self.processors.shutdown(timeout_millis)
