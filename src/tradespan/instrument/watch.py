"""The wrapper of a watched function: the hot path.

All that does not change from call to call is in the closure. A wrapper made before tradespan is
configured, or while it is off, passes through.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import WRAPPER_ASSIGNMENTS, update_wrapper
from pathlib import Path
from types import FunctionType
from typing import Any

from opentelemetry.trace import INVALID_SPAN

from tradespan.core.records import AttributeValue
from tradespan.core.version import SCOPE
from tradespan.declare.names import TRADESPAN_ENDED_BY, TRADESPAN_PROCESS_GROUP
from tradespan.instrument.capture.arguments import Signature, argument_capture
from tradespan.instrument.capture.failure import own_code
from tradespan.instrument.capture.serialize import smart
from tradespan.instrument.context import CURRENT, SPAN_KEY, Context, leave, span_in
from tradespan.instrument.fields import FieldCapture
from tradespan.instrument.options import Watch
from tradespan.instrument.recorder import Recorder, RecorderSlot
from tradespan.instrument.span import KEPT_BITS, KIND_SHIFT, ROOT_FLAGS, Span
from tradespan.instrument.tracer import start
from tradespan.wire.sites import SITES

MARKER = "__tradespan_watched__"
"""Attribute of a wrapper that names the function it watches."""


def function_name(function: FunctionType) -> str:
    """`module.qualname` of where the function was defined; a script goes by its file's name."""
    module = function.__module__
    if module in {"__main__", "__mp_main__"}:
        spec = getattr(sys.modules.get("__main__"), "__spec__", None)
        module = Path(function.__code__.co_filename).stem if spec is None else spec.name
    return f"{module}.{function.__qualname__}"


def can_watch(function: Any) -> str | None:
    """Why an object cannot be watched; None if it can."""
    if not isinstance(function, FunctionType):
        return f"a {type(function).__name__}, not a Python function"
    if function.__code__ in own_code:
        return "watched already"
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return "a generator (not supported yet)"
    return None


class Plan:
    """What is known of a watched function before it is called."""

    def __init__(self, function: FunctionType, watch: Watch, alias: str | None = None) -> None:
        name = alias or function_name(function)
        code = function.__code__
        attributes: dict[str, AttributeValue] = {
            "code.function.name": name,
            "code.file.path": code.co_filename,
            "code.line.number": code.co_firstlineno,
        }
        if watch.process_group:
            attributes[TRADESPAN_PROCESS_GROUP] = watch.process_group
        attributes.update(watch.attributes)
        signature = Signature(function)
        parameters = signature.names if watch.capture.args else ()
        self.site = SITES.declare(
            SCOPE, name=watch.name or name, attributes=attributes, parameters=parameters
        )
        self.flags = watch.kind.value << KIND_SHIFT
        self.length = watch.max_repr
        self.arguments = argument_capture(signature, watch.max_repr) if parameters else None
        self.result = watch.capture.result
        self.fields = FieldCapture(watch.fields, signature) if watch.fields else None
        self.after = (
            self.fields.after if self.fields is not None and self.fields.reads_result else None
        )
        """What else is to be taken from a result; None if nothing is."""


def starter(plan: Plan) -> Callable[[Recorder, Any, tuple[Any, ...], dict[str, Any]], Span | None]:
    """How a call's span begins, arguments captured; None where the caller decided not to sample.

    The span of a call inside another watched call, and that of a root, are filled here and not by
    `begin_span`: the call saved is a twentieth of the price.
    """
    site, flags, arguments, fields = plan.site, plan.flags, plan.arguments, plan.fields
    root_flags = flags | ROOT_FLAGS

    def begin(
        recorder: Recorder, outer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Span | None:
        kind = type(outer)
        base = outer
        if kind is Span:
            parent = outer
            # Not the span itself: each would hold the one before, where tasks start tasks.
            base = outer.outer
        else:
            parent = outer.get(SPAN_KEY) if kind is Context else span_in(outer)
        began = recorder.monotonic()
        if type(parent) is Span and parent.extras is None:
            span = Span()
            span.trace_key = parent.trace_key
            span.parent_id = parent.span_id
            span.offset = parent.offset
            span.flags = flags | parent.flags & KEPT_BITS
        elif parent is None and began < recorder.anchor_until:
            span = Span()
            span.trace_key = recorder.bits(128).to_bytes(16, "big")
            span.parent_id = 0
            span.offset = recorder.offset
            span.flags = root_flags
        else:
            begun = INVALID_SPAN if parent is None else parent
            foreign = start(recorder, site, flags, begun)
            if type(foreign) is not Span:
                return None
            span = foreign
        span.recorder = recorder
        span.site = site
        span.outer = base
        span.span_id = recorder.bits(64) or 1
        span.ended = span.name_set = span.held = span.arguments = span.result = span.extras = None
        if fields is not None:
            fields.before(span, args, kwargs)
        if arguments is not None:
            span.arguments = arguments(args, kwargs)
            began = recorder.monotonic()
        span.began = began
        return span

    return begin


def fail(span: Span, error: BaseException) -> None:
    """Record what a call raised. Ends that are no errors (cancellation, exit) are only named."""
    if isinstance(error, Exception):
        span.record_exception(error, escaped=True)
        span.fail(error)
    else:
        span.set_attribute(TRADESPAN_ENDED_BY, type(error).__name__)


def watch_function(
    function: FunctionType, watch: Watch, slot: RecorderSlot, *, alias: str | None = None
) -> FunctionType:
    """A function that does what `function` does, and records each call.

    `alias`: the name to record where it is not the function's own (a script's `__main__`).
    """
    plan = Plan(function, watch, alias)
    wrap = _watch_async if inspect.iscoroutinefunction(function) else _watch_sync
    watched = wrap(function, plan, slot)
    own_code.add(watched.__code__)
    update_wrapper(watched, function, WRAPPER_ASSIGNMENTS)
    setattr(watched, MARKER, function)
    return watched  # type: ignore[return-value]


def _watch_sync(function: Callable[..., Any], plan: Plan, slot: RecorderSlot) -> Callable[..., Any]:
    def watched(*args: Any, **kwargs: Any) -> Any:
        recorder = slot.recorder
        if recorder is None:
            return function(*args, **kwargs)
        span = begin(recorder, get_current(), args, kwargs)
        if span is None:
            return function(*args, **kwargs)
        token = set_current(span)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            fail(span, error)
            raise
        else:
            if keeps_result:
                span.result = "None" if result is None else smart(result, length)
            if after is not None:
                after(span, result)
            return result
        finally:
            reset_current(token)
            if span.ended is None:  # the body may have ended it: `get_current_span().end()`
                recorder.finish(span, recorder.monotonic())

    begin, keeps_result, length, after = starter(plan), plan.result, plan.length, plan.after
    get_current, set_current, reset_current = CURRENT.get, CURRENT.set, CURRENT.reset
    return watched


def _watch_async(
    function: Callable[..., Any], plan: Plan, slot: RecorderSlot
) -> Callable[..., Any]:
    async def watched(*args: Any, **kwargs: Any) -> Any:
        recorder = slot.recorder
        if recorder is None:
            return await function(*args, **kwargs)
        span = begin(recorder, get_current(), args, kwargs)
        if span is None:
            return await function(*args, **kwargs)
        token = set_current(span)
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            fail(span, error)
            raise
        else:
            if keeps_result:
                span.result = "None" if result is None else smart(result, length)
            if after is not None:
                after(span, result)
            return result
        finally:
            # A coroutine may end in another context: closed by the collector, or driven by hand.
            leave(token)
            if span.ended is None:
                recorder.finish(span, recorder.monotonic())

    begin, keeps_result, length, after = starter(plan), plan.result, plan.length, plan.after
    get_current, set_current = CURRENT.get, CURRENT.set
    return watched
