"""How a watched call's span begins.

The span of a call inside another watched call, and that of a root, are filled here and not by
`begin_span`: the call saved is a twentieth of the price.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tradespan.core import guard
from tradespan.instrument.context import SPAN_KEY, Context, span_in
from tradespan.instrument.plan import Plan
from tradespan.instrument.recorder import Recorder
from tradespan.instrument.span import KEPT_BITS, ROOT_FLAGS, UNKEPT, Span
from tradespan.instrument.tracer import start

Begin = Callable[[Recorder, Any, tuple[Any, ...], dict[str, Any]], Span | None]


def opener(plan: Plan) -> Begin:
    """A function `begin(recorder, outer, args, kwargs)`: a call's span, arguments captured.

    `outer`: what is current. None where nothing is to be recorded: a strict sampler said so, or
    recording failed. Never raises.
    """
    site, arguments, coin = plan.site, plan.arguments, plan.coin
    flags, root_flags = plan.flags, plan.flags | ROOT_FLAGS
    special = plan.shortest is not None or plan.fields is not None

    def begin(
        recorder: Recorder, outer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Span | None:
        try:
            kind = type(outer)
            base = outer
            if kind is Span:
                parent = outer
                # Not the span itself: each would hold the one before, where tasks start tasks.
                base = outer.outer
            else:
                parent = outer.get(SPAN_KEY) if kind is Context else span_in(outer)
            began = recorder.monotonic()
            if type(parent) is Span and parent.extras is None and recorder.plain:
                span = Span()
                span.trace_key = parent.trace_key
                span.parent_id = parent.span_id
                span.offset = parent.offset
                span.flags = flags | parent.flags & KEPT_BITS
            elif parent is None and began < recorder.anchor_until and recorder.plain_roots:
                span = Span()
                bits = recorder.bits
                span.trace_key = (
                    bits(128).to_bytes(16, "big") if coin is None else coin.trace_key(bits)
                )
                span.parent_id = 0
                span.offset = recorder.offset
                span.flags = root_flags
            else:
                return begin_otherwise(plan, recorder, parent, base, (args, kwargs))
            span.recorder = recorder
            span.site = site
            span.outer = base
            span.span_id = recorder.bits(64) or 1
            span.ended = span.name_set = span.held = None
            span.arguments = span.result = span.extras = None
            if special:
                return complete(plan, span, (args, kwargs))
            if arguments is not None:
                span.arguments = arguments(args, kwargs)
                began = recorder.monotonic()
            span.began = began
        except Exception as error:  # noqa: BLE001 - the host comes first
            # Where there is no depth left for a report, the call itself will say so.
            if not isinstance(error, RecursionError):
                guard.report("watching", error)
            return None
        return span

    return begin


Call = tuple[tuple[Any, ...], dict[str, Any]]


def begin_otherwise(
    plan: Plan, recorder: Recorder, parent: Any, base: Any, call: Call
) -> Span | None:
    """Where the parent is foreign, or has more to hand down than its ids; or somebody is asked."""
    span = start(recorder, plan.site, plan.flags, recorder.upstream if parent is None else parent)
    if type(span) is not Span:
        return None
    span.outer = base
    return complete(plan, span, call)


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
    return span
