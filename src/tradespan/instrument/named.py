"""Samplers and id generators by name, as `OTEL_TRACES_SAMPLER` and `OTEL_PYTHON_ID_GENERATOR` say.

Names that are not OpenTelemetry's own are looked up among the entry points that its SDK reads. A
name that leads nowhere is said once, and the default takes its place: the program comes first.

Source: OpenTelemetry specification, SDK environment variables; the SDK's `_configuration`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_OFF,
    ParentBasedTraceIdRatio,
    Sampler,
    TraceIdRatioBased,
)

from tradespan.core import guard

SAMPLERS = "opentelemetry_traces_sampler"
ID_GENERATORS = "opentelemetry_id_generator"

_FIXED: dict[str, Sampler | None] = {
    "": None,
    "always_on": ALWAYS_ON,
    "always_off": ALWAYS_OFF,
    "parentbased_always_on": None,  # what a recorder does that asks nobody
    "parentbased_always_off": DEFAULT_OFF,
}
_BY_RATIO: dict[str, Callable[[float], Sampler]] = {
    "traceidratio": TraceIdRatioBased,
    "parentbased_traceidratio": ParentBasedTraceIdRatio,
}


def sampler_named(name: str, argument: str | None = None) -> Sampler | None:
    """A sampler; None for the default, `parentbased_always_on`."""
    known = name.strip().lower()
    if known in _FIXED:
        return _FIXED[known]
    if known in _BY_RATIO:
        return _BY_RATIO[known](_ratio(argument))
    try:
        made = _load(SAMPLERS, name)(argument)
        if not isinstance(made, Sampler):
            raise TypeError(f"it made a {type(made).__name__}, not a Sampler")
    except Exception as error:  # noqa: BLE001 - somebody else's entry point
        names = ", ".join([*filter(None, _FIXED), *_BY_RATIO])
        guard.logger.warning(
            "OTEL_TRACES_SAMPLER=%s: %s. Spans are sampled by parentbased_always_on. "
            "Known are %s, and the entry points of %s.",
            *(name, error, names, SAMPLERS),
        )
        return None
    return made


def _ratio(argument: str | None) -> float:
    """A share from 0 to 1; 1 if none is given."""
    if argument is None or not argument.strip():
        return 1.0
    try:
        ratio = float(argument)
        if 0 <= ratio <= 1:
            return ratio
    except ValueError:
        pass
    guard.logger.warning(
        "OTEL_TRACES_SAMPLER_ARG=%s is not a number from 0 to 1: every trace is sampled.", argument
    )
    return 1.0


def id_generator_named(name: str) -> IdGenerator | None:
    """An id generator; None for ours, which is as random as the SDK's."""
    if name.strip() in {"", "random"}:
        return None
    try:
        kind = _load(ID_GENERATORS, name)
        made = kind()
        if not isinstance(made, IdGenerator):
            raise TypeError(f"it made a {type(made).__name__}, not an IdGenerator")
    except Exception as error:  # noqa: BLE001 - somebody else's entry point
        guard.logger.warning(
            "OTEL_PYTHON_ID_GENERATOR=%s: %s. Ids are random ones of tradespan's.", name, error
        )
        return None
    return made


def _load(group: str, name: str) -> Any:
    for entry in entry_points(group=group, name=name.strip()):
        return entry.load()
    raise LookupError(f"nothing installed has an entry point of this name in {group}")
