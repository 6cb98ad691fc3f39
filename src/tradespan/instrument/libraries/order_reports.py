"""What a broker reports of an order: spans of their own, linked to the one that placed it.

A report may come days after its order, on a connection that was opened under some other span. So it
is never a child: each report is the root of a trace, with a link to the order's.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from types import TracebackType
from typing import Any, Self

from opentelemetry.context import attach, get_current
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    SpanContext,
    SpanKind,
    StatusCode,
    set_span_in_context,
)

from tradespan.core import guard
from tradespan.instrument.context import leave
from tradespan.instrument.libraries.base import Telemetry
from tradespan.instrument.libraries.operations import Attributes, Operation, Scrub

MAX_ORDERS = 10_000
"""How many orders are remembered; a report on an older one has no link."""


class OrderLinks:
    """Which span placed an order, by the order's key; the oldest are forgotten."""

    def __init__(self, most: int = MAX_ORDERS) -> None:
        self._most = most
        self._spans: OrderedDict[Hashable, SpanContext] = OrderedDict()

    def __len__(self) -> int:
        return len(self._spans)

    def remember(self, key: Hashable, span: SpanContext) -> None:
        """Link later reports of the order to this span."""
        if not span.is_valid:
            return
        self._spans.pop(key, None)
        self._spans[key] = span
        while len(self._spans) > self._most:
            self._spans.popitem(last=False)

    def of(self, *keys: Hashable) -> list[Link]:
        """The link to the first of these keys that is known; none is an empty list."""
        for key in keys:
            span = self._spans.get(key)
            if span is not None:
                return [Link(span)]
        return []

    def clear(self) -> None:
        """Forget all."""
        self._spans.clear()


def outside() -> Any:
    """Have no current span until the token is left (`leave`); None if that failed.

    Baggage and whatever else the context holds stay.
    """
    with guard.guarded("leaving the current span"):
        return attach(set_span_in_context(INVALID_SPAN, get_current()))
    return None


def back(token: Any) -> None:
    """End what `outside` began."""
    if token is not None:
        leave(token)


class Report(Operation):
    """The span of a report, while the program's handlers run: a root, with its order's link."""

    __slots__ = ("_outside",)

    def __init__(
        self,
        telemetry: Telemetry,
        name: str,
        attributes: Attributes,
        links: list[Link],
        *,
        kind: SpanKind = SpanKind.CONSUMER,
        scrub: Scrub = str,
    ) -> None:
        super().__init__(telemetry, name, attributes, kind=kind, links=links, scrub=scrub)
        self._outside: Any = None

    def __enter__(self) -> Self:
        self._outside = outside()
        return super().__enter__()

    def fail(self, message: str) -> None:
        """The report is about something that failed."""
        with guard.guarded("failing a report"):
            self.span.set_status(StatusCode.ERROR, message)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, trace)
        back(self._outside)
