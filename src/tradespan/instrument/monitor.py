"""`@monitor`: watch one function."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, overload

from opentelemetry.trace import SpanKind

from tradespan.instrument.objects import watch_any
from tradespan.instrument.options import (
    Capture,
    CaptureOption,
    Objective,
    SerializerOption,
    Watch,
)
from tradespan.instrument.recorder import SLOT

F = TypeVar("F", bound=Callable[..., Any])
_ABSENT: Any = object()
_SWITCHES = {"OTEL_SDK_DISABLED": {"true"}, "TRADESPAN_DISABLED": {"true", "1", "yes", "on"}}
"""Variable → what switches everything off, as the setting `disabled` takes it."""


@overload
def monitor(function: F, /) -> F: ...


@overload
def monitor(
    *,
    process_group: str = "",
    name: str | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Mapping[str, Any] | None = None,
    sample_rate: float = 1.0,
    min_duration: float | None = None,
    slow: float | None = None,
    capture: CaptureOption | None = None,
    serializer: SerializerOption = "smart",
    max_repr: int = 1_000,
    sensitive_fields: Iterable[str] = (),
    queue_warning_threshold: int | None = None,
    durable: bool = False,
    objective: Objective | Mapping[str, float] | None = None,
    metrics: bool = True,
) -> Callable[[F], F]: ...


def monitor(  # noqa: PLR0913 - the options of issue 004, each by name
    function: F = _ABSENT,
    /,
    *,
    process_group: str = "",
    name: str | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Mapping[str, Any] | None = None,
    sample_rate: float = 1.0,
    min_duration: float | None = None,
    slow: float | None = None,
    capture: CaptureOption | None = None,
    serializer: SerializerOption = "smart",
    max_repr: int = 1_000,
    sensitive_fields: Iterable[str] = (),
    queue_warning_threshold: int | None = None,
    durable: bool = False,
    objective: Objective | Mapping[str, float] | None = None,
    metrics: bool = True,
) -> F | Callable[[F], F]:
    """Record each call of a function as a span; bare or with arguments.

    Until `tradespan.configure()` (or `tradespan run`) the function runs as if it were not there.
    Errors are always recorded, whatever `sample_rate` and `min_duration` say.

    Args:
        function: A function, plain, `async`, or a generator of either kind; a method, also above or
            below `classmethod`, `staticmethod` and `property`; a `partial`; any object that can be
            called.
        process_group: Groups functions in the UI, such as `"risk"`.
        name: The span's name; `module.qualname` if left out.
        kind: OpenTelemetry's span kind.
        attributes: Set on every span of the function.
        sample_rate: Share of calls that get a span, 0 to 1, decided by the trace id. The others are
            counted; those that fail or are slow are written after the fact.
        min_duration: Seconds; shorter calls are not written, unless a span below them is.
        slow: Seconds from which a call is written though sampling passed it over; by default the
            objective's latency, else 1.
        capture: What is kept of a call: `{"args": True, "result": True, "locals": False, "source":
            False}` (the default), `"none"`, or `"all"`. `locals` (the frames' variables) and
            `source` (the lines around) come with errors.
        serializer: How values are shown: `"smart"` (short, calls no code of yours), `"repr"`,
            `"json"`, or a function of the value.
        max_repr: Characters kept of one value.
        sensitive_fields: Names whose values are hidden, beside those that are hidden everywhere.
        queue_warning_threshold: Undelivered records from which on the process is warned; 8,000 if
            neither this nor the settings say.
        durable: Also write a record when a call begins, so that it is seen if the process dies in
            it. For orders.
        objective: What the function promises, such as `{"success": 0.999, "latency": 0.05}` (share
            of calls; seconds).
        metrics: Whether calls, errors and durations are counted.

    Raises:
        TypeError: The object cannot be called, or is a class.
        ValueError: An option is out of range, or has an unknown key.
    """
    watch = Watch(
        name=name,
        process_group=process_group,
        kind=kind,
        attributes=dict(attributes or {}),
        sample_rate=sample_rate,
        min_duration=min_duration,
        slow=slow,
        capture=Capture.parse(capture),
        serializer=serializer,
        max_repr=max_repr,
        sensitive_fields=tuple(sensitive_fields),
        queue_warning_threshold=queue_warning_threshold,
        durable=durable,
        objective=Objective.parse(objective),
        metrics=metrics,
    )

    def decorate(target: F) -> F:
        watched: F = target if _is_off() else watch_any(target, watch, SLOT)
        return watched

    return decorate if function is _ABSENT else decorate(function)


def _is_off() -> bool:
    """Whether the environment says that nothing will ever be recorded in this process."""
    said = {name: os.environ.get(name, "").strip().lower() for name in _SWITCHES}
    return any(said[name] in words for name, words in _SWITCHES.items())
