"""What a program brings of OpenTelemetry's SDK: by code, else by the names in the settings."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from tradespan.bootstrap.resource import build_resource
from tradespan.config import Config
from tradespan.instrument.parts import SdkParts
from tradespan.instrument.sampling import HeadSampling

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.sdk.trace.id_generator import IdGenerator
    from opentelemetry.sdk.trace.sampling import Sampler

_SAMPLER, _IDS = "parentbased_always_on", "random"


class Brought(NamedTuple):
    """Objects given to `configure()`."""

    sampler: Sampler | None = None
    id_generator: IdGenerator | None = None
    span_processors: tuple[SpanProcessor, ...] = ()

    def differences(self, other: Brought) -> tuple[tuple[str, str, str], ...]:
        """What the other brings that is not here: (name, ours, theirs), for `AlreadyConfigured`."""
        return tuple(
            (name, repr(ours), repr(theirs))
            for name, ours, theirs in zip(self._fields, self, other, strict=True)
            if theirs and ours != theirs
        )


def build_parts(config: Config, brought: Brought) -> SdkParts:
    """What recorders ask and tell. The SDK is imported only where a name of it is in force."""
    parts = SdkParts(lambda writer: build_resource(config, writer))
    sampler, generator = brought.sampler, brought.id_generator
    if sampler is None and config.traces_sampler != _SAMPLER:
        named = import_module("tradespan.instrument.named")
        sampler = named.sampler_named(config.traces_sampler, config.traces_sampler_argument)
    if generator is None and config.traces_id_generator != _IDS:
        named = import_module("tradespan.instrument.named")
        generator = named.id_generator_named(config.traces_id_generator)
    if sampler is not None or config.traces_strict_sampler:
        parts.head = HeadSampling(sampler, strict=config.traces_strict_sampler)
    parts.id_generator = generator
    for processor in brought.span_processors:
        parts.add_processor(processor)
    return parts
