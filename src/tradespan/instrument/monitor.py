"""`@monitor`: watch one function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, TypeVar, overload

from opentelemetry.trace import SpanKind

from tradespan.instrument.options import Capture, Watch
from tradespan.instrument.recorder import SLOT
from tradespan.instrument.watch import can_watch, watch_function

F = TypeVar("F", bound=Callable[..., Any])


@overload
def monitor(function: F, /) -> F: ...


@overload
def monitor(
    *,
    process_group: str = "",
    name: str | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Mapping[str, Any] | None = None,
    capture: Mapping[str, bool] | str | None = None,
    max_repr: int = 1_000,
) -> Callable[[F], F]: ...


def monitor(
    function: F | None = None,
    /,
    *,
    process_group: str = "",
    name: str | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Mapping[str, Any] | None = None,
    capture: Mapping[str, bool] | str | None = None,
    max_repr: int = 1_000,
) -> F | Callable[[F], F]:
    """Record each call of a function as a span; bare or with arguments.

    Until `tradespan.configure()` (or `tradespan run`) the function runs as if it were not there.

    Args:
        function: The function, plain or `async`.
        process_group: Groups functions in the UI, such as `"risk"`.
        name: The span's name; `module.qualname` if left out.
        kind: OpenTelemetry's span kind.
        attributes: Set on every span of the function.
        capture: `{"args": bool, "result": bool}` or `"none"`; both are kept by default.
        max_repr: Characters kept of one value.

    Raises:
        TypeError: The object is not a Python function.
        ValueError: `capture` has an unknown key.
    """
    watch = Watch(
        name=name,
        process_group=process_group,
        kind=kind,
        attributes=dict(attributes or {}),
        capture=Capture.parse(capture),
        max_repr=max_repr,
    )

    def decorate(target: F) -> F:
        watched: F = _decorate(target, watch)
        return watched

    return decorate if function is None else decorate(function)


def _decorate(target: Any, watch: Watch) -> Any:
    if isinstance(target, staticmethod | classmethod):
        return type(target)(_decorate(target.__func__, watch))
    reason = can_watch(target)
    if reason is None:
        return watch_function(target, watch, SLOT)
    if isinstance(target, FunctionType):  # a generator, or watched already: left as it is
        return target
    raise TypeError(f"@monitor: {target!r} is {reason}")
