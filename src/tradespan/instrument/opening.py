"""How a watched call's span begins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tradespan.core import guard
from tradespan.instrument.context import SPAN_KEY, Context, span_in
from tradespan.instrument.plan import Plan
from tradespan.instrument.recorder import Recorder
from tradespan.instrument.span import UNKEPT, Span
from tradespan.instrument.tracer import start

Call = tuple[tuple[Any, ...], dict[str, Any]]
Begin = Callable[[Recorder, Any, tuple[Any, ...], dict[str, Any]], Span | None]


def opener(plan: Plan) -> Begin:
    """A function `begin(recorder, outer, args, kwargs)`: a call's span, arguments captured.

    `outer`: what is current. None where nothing is to be recorded: a strict sampler said so, or
    recording failed. Never raises.
    """
    site, flags, arguments, coin = plan.site, plan.flags, plan.arguments, plan.coin
    special = plan.shortest is not None or plan.fields is not None or plan.durable

    def begin(
        recorder: Recorder, outer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Span | None:
        span = None
        try:
            trace_key = None if coin is None else coin.trace_key(recorder.bits)
            span = recorder.begin(site, flags, outer, trace_key)
            if span is None:
                span = begin_otherwise(plan, recorder, outer, trace_key)
                if span is None:
                    return None
            if special:
                return complete(plan, span, (args, kwargs))
            if arguments is not None:
                span.arguments = arguments(args, kwargs)
                span.began = recorder.monotonic()
        except Exception as error:  # noqa: BLE001 - the host comes first
            # Where there is no depth left for a report, the call itself will say so.
            if not isinstance(error, RecursionError):
                guard.report("watching", error)
            if span is not None and span.flights is not None:
                span.flights.leave(span)
            return None
        return span

    return begin


def begin_otherwise(
    plan: Plan, recorder: Recorder, outer: Any, trace_key: bytes | None
) -> Span | None:
    """Where the parent is foreign, or has more to hand down than its ids; or somebody is asked."""
    parent: Any = outer
    base = outer
    if type(outer) is Span:
        base = outer.outer
    else:
        parent = outer.get(SPAN_KEY) if type(outer) is Context else span_in(outer)
    begun = start(recorder, plan.site, plan.flags, recorder.upstream if parent is None else parent)
    if type(begun) is not Span:
        return None
    begun.outer = base
    if trace_key is not None and not begun.parent_id and recorder.parts is None:
        begun.trace_key = trace_key
    recorder.tell(begun, parent)
    return begun


def complete(plan: Plan, span: Span, call: Call) -> Span:
    """What few functions want before the body runs."""
    if plan.shortest is not None:
        span.more()
        span.flags |= UNKEPT
    if plan.fields is not None:
        plan.fields.before(span, *call)
    if plan.arguments is not None:
        span.arguments = plan.arguments(*call)
    span.began = span.recorder.monotonic()
    if plan.durable:
        span.recorder.announce(span)
    return span
