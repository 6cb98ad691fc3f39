"""One run through a generator, of either kind: its span if it has one, and what it gave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tradespan.core import guard
from tradespan.instrument.closing import on_raise, on_return
from tradespan.instrument.context import CURRENT
from tradespan.instrument.opening import opener
from tradespan.instrument.plan import Plan
from tradespan.instrument.recorder import Recorder
from tradespan.instrument.span import Span
from tradespan.instrument.thinning import PassedOver, is_kept


class Unwatched:
    """A generator that is not recorded."""

    span: Span | None = None

    def add(self, item: Any) -> None:
        """Count an item."""

    def returned(self) -> None:
        """The generator is exhausted."""

    def raised(self, error: BaseException) -> None:
        """It raised, or was closed."""


class Watched(Unwatched):
    """One that has a span. Its result is the first item, shown as it was when it was given."""

    span: Span

    def __init__(self, iterations: Iterations, span: Span) -> None:
        self._iterations = iterations
        self.span = span
        self._count = 0

    def add(self, item: Any) -> None:
        self._count += 1
        if self._count == 1:
            self._iterations.show_first(self.span, item)

    def returned(self) -> None:
        self._iterations.on_return(self.span, None, self._count)

    def raised(self, error: BaseException) -> None:
        self._iterations.on_raise(self.span, error, self._count)


class PassedBy(Unwatched):
    """One that sampling passed over: counted, and written if it fails.

    How long one takes is its consumer's doing, so that none is written for being slow.
    """

    def __init__(self, passed: PassedOver, recorder: Recorder, outer: Any, call: Any) -> None:
        self._passed = passed
        self._recorder = recorder
        self._began = recorder.monotonic()
        self._outer = outer
        self._call = call

    def returned(self) -> None:
        with guard.guarded("watching"):
            self._passed.clock(self._recorder)(self._began)

    def raised(self, error: BaseException) -> None:
        self._passed.raised(self._recorder, self._outer, self._call, self._began, error)


class Iterations:
    """What the iterations of one generator function share."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._begin = opener(plan)
        self._passed = PassedOver(plan)
        self.on_return = on_return(plan)
        self.on_raise = on_raise(plan)

    def begin(
        self, recorder: Recorder | None, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Unwatched:
        """At the first step of a generator."""
        if recorder is None:
            return _UNWATCHED
        outer, coin = CURRENT.get(), self._plan.coin
        if coin is not None and not is_kept(recorder, outer, coin):
            return PassedBy(self._passed, recorder, outer, (args, kwargs))
        span = self._begin(recorder, outer, args, kwargs)
        return _UNWATCHED if span is None else Watched(self, span)

    def show_first(self, span: Span, item: Any) -> None:
        """The first item is what a generator's result is."""
        if self._plan.keeps_result and span.ended is None:
            span.result = "None" if item is None else self._plan.show(item, self._plan.length)


_UNWATCHED = Unwatched()


def unwatched(recorder: Any, args: Any, kwargs: Any) -> Unwatched:
    """A `begin` for a generator that is not to be recorded."""
    return _UNWATCHED


def iterations(
    plan: Plan,
) -> Callable[[Recorder | None, tuple[Any, ...], dict[str, Any]], Unwatched]:
    """A function `begin(recorder, args, kwargs)`: one run through a generator of the function."""
    return Iterations(plan).begin
