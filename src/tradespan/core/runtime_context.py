"""A context runtime whose current value may be a span of ours, by OpenTelemetry's entry point.

The API's context is an immutable dict that is copied for each span: 0.4 µs to make, attach and
detach it. Here a span itself stands in the context variable, and the dict is made only when
somebody asks for it (`get_current`). Chosen by `OTEL_PYTHON_CONTEXT=tradespan`, as the API
provides; nothing private is touched. Loaded while `opentelemetry.context` is being imported: it
must import little.

Source: opentelemetry-api 1.45, `opentelemetry/context/__init__.py`, entry point group
`opentelemetry_context`.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Protocol

from opentelemetry.context.context import Context


class HasContext(Protocol):
    """What may stand in the variable instead of a context."""

    def as_context(self) -> Context:
        """The context in which this is the current span."""
        ...


class RuntimeContext:
    """The API's runtime context; `attach` and `detach` are the variable's own methods."""

    installed: RuntimeContext | None = None
    """The one that the API uses, once it has loaded it."""

    def __init__(self) -> None:
        self.outside = Context()
        """What is current where nothing was made current."""
        self.variable: ContextVar[Context | HasContext] = ContextVar(
            "tradespan_context", default=self.outside
        )
        self.attach = self.variable.set
        self.detach = self.variable.reset
        RuntimeContext.installed = self

    def get_current(self) -> Context:
        """The current context, made now if a span stands for it."""
        value = self.variable.get()
        return value if isinstance(value, Context) else value.as_context()
