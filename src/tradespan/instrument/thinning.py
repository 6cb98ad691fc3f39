"""Calls that sampling passes over: no span and no context, two clock readings and a count.

What fails or is slow is written all the same, after the fact, as a leaf.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from inspect import CO_VARARGS, CO_VARKEYWORDS
from typing import Any

from tradespan.core import guard
from tradespan.core.coin import Coin
from tradespan.declare.names import TRADESPAN_LATE
from tradespan.instrument.begin import identity
from tradespan.instrument.closing import count_raised, is_good
from tradespan.instrument.context import span_in
from tradespan.instrument.opening import opener
from tradespan.instrument.plan import Plan
from tradespan.instrument.recorder import Recorder
from tradespan.instrument.span import SAMPLED, UNKEPT, Span

toss = random.Random().random
"""From 0 to below 1. An own generator: bots seed the global one."""
Call = tuple[tuple[Any, ...], dict[str, Any]]
_UNKNOWN: Call = (), {}


def is_kept(recorder: Recorder, outer: Any, coin: Coin) -> bool:
    """Whether a call below what is current is to have a span."""
    parent = outer if type(outer) is Span else span_in(outer)
    if type(parent) is Span:
        return coin.keeps(parent.trace_key)
    context = identity(recorder.upstream if parent is None else parent)
    if context.is_valid:
        return coin.keeps(context.trace_id.to_bytes(16, "big"))
    return toss() < coin.rate


class PassedOver:
    """What becomes of one function's calls that have no span."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._begin = opener(plan)

    def clock(self, recorder: Recorder) -> Callable[[int], int]:
        """A function of a good call's beginning: counts the call, and gives its nanoseconds."""
        plan, cells, monotonic = self._plan, recorder.cells_of(self._plan), recorder.monotonic
        if cells is None:
            return lambda began: monotonic() - began
        if plan.objective is None and not recorder.own_clock:
            finish: Callable[[int], int] = cells.finish
            return finish

        def clock(began: int) -> int:
            duration = monotonic() - began
            cells.record(duration)
            if is_good(plan, duration):
                cells.good()
            return duration

        return clock

    def raised(
        self, recorder: Recorder, outer: Any, call: Call | None, began: int, error: BaseException
    ) -> None:
        """Count a call that raised; write it if that was an error. `call`: None if it was handed
        over: then the arguments are those that its frame has.
        """
        with guard.guarded("watching"):
            failed, ended = isinstance(error, Exception), recorder.monotonic()
            count_raised(recorder.cells_of(self._plan), ended - began, failed)
            if failed:
                self.write(recorder, outer, call or left_in_frame(error), began, ended, error)

    def write(
        self,
        recorder: Recorder,
        outer: Any,
        call: Call | None,
        began: int,
        ended: int,
        error: BaseException | None = None,
    ) -> None:
        """The span of a call that is over. It took as long as was counted: by the same readings.

        `call`: None if nobody has its arguments any more.
        """
        with guard.guarded("a late span"):
            span = self._begin(recorder, outer, *(call or _UNKNOWN))
            if span is None:
                return
            span.began = began
            span.set_attribute(TRADESPAN_LATE, True)
            if span.flags & SAMPLED:  # what a sampler has dropped is written only if it fails
                span.flags &= ~UNKEPT
            if error is not None:
                span.record_failure(error, ended, self._plan.capture_failure)
            recorder.finish(span, ended)


def left_in_frame(error: BaseException) -> Call:
    """The arguments of a call that raised through its wrapper, as the call left them.

    What it has deleted is missing.
    """
    trace = error.__traceback__
    inner = None if trace is None else trace.tb_next
    if inner is None:  # it has never begun: no depth left
        return _UNKNOWN
    code, variables = inner.tb_frame.f_code, inner.tb_frame.f_locals
    positional, count = code.co_argcount, code.co_argcount + code.co_kwonlyargcount
    names = code.co_varnames
    here = [name in variables for name in names[:positional]]
    whole = here.index(False) if False in here else positional
    args = tuple(variables[name] for name in names[:whole])
    by_name = names[max(whole, code.co_posonlyargcount) : count]
    kwargs = {name: variables[name] for name in by_name if name in variables}
    following = iter(names[count:])
    if code.co_flags & CO_VARARGS:
        rest = variables.get(next(following))
        args += rest if type(rest) is tuple and whole == positional else ()
    if code.co_flags & CO_VARKEYWORDS:
        keywords = variables.get(next(following))
        kwargs |= keywords if type(keywords) is dict else {}
    return args, kwargs
