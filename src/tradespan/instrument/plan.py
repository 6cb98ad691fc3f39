"""What is known of a watched function before it is called."""

from __future__ import annotations

import sys
from collections.abc import Callable
from copy import copy
from functools import partial
from inspect import CO_VARARGS, CO_VARKEYWORDS, unwrap
from pathlib import Path
from types import FunctionType
from typing import Any

from tradespan.capture.arguments import Signature, argument_capture
from tradespan.capture.attributes import clean_attributes
from tradespan.capture.failure import capture_failure
from tradespan.capture.names import hiding
from tradespan.capture.serializers import serializer
from tradespan.capture.variables import frame_variables
from tradespan.core.coin import Coin
from tradespan.core.records import AttributeValue
from tradespan.core.sourcefiles import describe_source
from tradespan.core.version import SCOPE
from tradespan.declare.names import (
    TRADESPAN_PROCESS_GROUP,
    TRADESPAN_SAMPLE_RATE,
    TRADESPAN_SIGNAL,
)
from tradespan.instrument.cases import CasePlan
from tradespan.instrument.fields import FieldCapture
from tradespan.instrument.options import Watch
from tradespan.instrument.span import KIND_SHIFT
from tradespan.wire.sites import SITES

_SCRIPTS = ("__main__", "__mp_main__")


def function_name(function: FunctionType) -> str:
    """`module.qualname` of where the function was defined; a script goes by its file's name."""
    module = function.__module__
    if module in _SCRIPTS:
        spec = getattr(sys.modules.get("__main__"), "__spec__", None)
        module = Path(function.__code__.co_filename).stem if spec is None else spec.name
    return f"{module}.{function.__qualname__}"


class Plan:
    """The facts of one watched function; its wrapper binds what it needs of them."""

    def __init__(self, function: FunctionType, watch: Watch, alias: str | None = None) -> None:
        name = alias or function_name(function)
        signature = Signature(_declared(function))
        parameters = signature.names if watch.capture.args else ()
        self.function = name
        self.name = watch.name or name
        self.group = watch.process_group
        self.site = SITES.declare(
            SCOPE,
            name=self.name,
            attributes=_static_attributes(function, watch, name),
            parameters=parameters,
            queue_warning_threshold=watch.queue_warning_threshold or 0,
            source=describe_source(function.__code__.co_filename),
        )
        self.flags = watch.kind.value << KIND_SHIFT
        self.length = watch.max_repr
        self.show: Callable[[Any, int], Any] = serializer(watch.serializer, watch.sensitive_fields)
        self.arguments = (
            argument_capture(signature, watch.max_repr, self.show, watch.sensitive_fields)
            if parameters
            else None
        )
        self.keeps_result = watch.capture.result
        self.fields = FieldCapture(watch.fields, signature) if watch.fields else None
        self.after = (
            self.fields.after if self.fields is not None and self.fields.reads_result else None
        )
        """What else is to be taken from a result; None if nothing is."""
        self.coin = Coin(watch.sample_rate) if watch.sample_rate < 1 else None
        self.shortest = _nanoseconds(watch.min_duration)
        self.slow = _nanoseconds(watch.slow_after) or 0
        self.metrics = watch.metrics
        self.objective = watch.objective
        self.latency = _nanoseconds(watch.objective.latency) if watch.objective else None
        target = None if watch.objective is None else watch.objective.success
        self.series = (self.site, self.latency, target)
        """What tells its counts from another function's."""
        self.durable = watch.durable
        self.signal = str(watch.attributes.get(TRADESPAN_SIGNAL, ""))
        self.cases = tuple(CasePlan(case, watch.fields, signature) for case in watch.cases)
        """What calls mean where that differs from call to call; then `signal` is empty."""
        self.mapped = bool(self.signal or self.cases)
        """Whether a `[[map]]` table says what a call means."""
        self.events = watch.events
        self.capture_failure = _failure_capture(watch)

    def counting(self) -> Plan:
        """The same for a function whose calls are counted: none has a span, unless it fails."""
        plan = copy(self)
        plan.coin = Coin(0)
        return plan


def _declared(function: FunctionType) -> FunctionType:
    """Whose parameters a call's arguments go by: below a decorator that passes all on, the inner's.

    So says `inspect.signature`, too, where the decorator used `functools.wraps`.
    """
    code = function.__code__
    takes_anything = code.co_flags & CO_VARARGS and code.co_flags & CO_VARKEYWORDS
    if not takes_anything or code.co_argcount or code.co_kwonlyargcount:
        return function
    try:
        inner = unwrap(function)
    except ValueError:  # in a circle
        return function
    return inner if isinstance(inner, FunctionType) else function


def _static_attributes(
    function: FunctionType, watch: Watch, name: str
) -> dict[str, AttributeValue]:
    code = function.__code__
    attributes: dict[str, AttributeValue] = {
        "code.function.name": name,
        "code.file.path": code.co_filename,
        "code.line.number": code.co_firstlineno,
    }
    if watch.process_group:
        attributes[TRADESPAN_PROCESS_GROUP] = watch.process_group
    if watch.sample_rate < 1:
        attributes[TRADESPAN_SAMPLE_RATE] = float(watch.sample_rate)
    given, _ = clean_attributes(watch.attributes, None, None)
    return attributes | given


def _failure_capture(watch: Watch) -> Callable[[BaseException], list[Any]]:
    """What takes an exception down, with what the function wants to see of its frames."""
    if not watch.capture.locals and not watch.capture.source:
        return capture_failure
    variables = None
    if watch.capture.locals:
        sensitive = watch.sensitive_fields
        variables = frame_variables(serializer(watch.serializer, sensitive), hiding(sensitive))
    return partial(capture_failure, variables=variables, source=watch.capture.source)


def _nanoseconds(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1e9)
