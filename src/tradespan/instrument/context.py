"""The current span, read and set at the least price that the public API allows.

`CURRENT` is the context variable of our runtime (`core/runtime_context.py`) where the API uses it,
else an adapter with the same three methods over the API's functions.
"""

from __future__ import annotations

import os
import sys
from contextvars import ContextVar, Token
from typing import Any

_CHOICE = "OTEL_PYTHON_CONTEXT"


def _import_api() -> None:
    """Import the API's context with our runtime, unless it is there or another one was chosen.

    The variable is set for the import only: a child process may not have tradespan.
    """
    chosen = os.environ.get(_CHOICE)
    if "opentelemetry.context" in sys.modules or chosen:
        return
    os.environ[_CHOICE] = "tradespan"
    try:
        import opentelemetry.context  # noqa: F401 # optional extra
    finally:
        if chosen is None:
            del os.environ[_CHOICE]
        else:  # empty, which is as good as not set
            os.environ[_CHOICE] = chosen


_import_api()

from opentelemetry.context import Context, attach, detach, get_current  # noqa: E402
from opentelemetry.trace import (  # noqa: E402
    INVALID_SPAN,
    Span,
    get_current_span,
    set_span_in_context,
)

from tradespan.core.runtime_context import HasContext, RuntimeContext  # noqa: E402

SPAN_KEY: str = next(iter(set_span_in_context(INVALID_SPAN, Context())))
"""Under which the API keeps the current span, learnt from a context that it made."""

_set_item = dict.__setitem__


def context_with(span: Any, outer: Context | HasContext) -> Context:
    """A context that is `outer` but for its current span."""
    context = Context(outer if isinstance(outer, Context) else outer.as_context())
    _set_item(context, SPAN_KEY, span)
    return context


def span_in(value: Any) -> Span | None:
    """The current span of what `CURRENT.get()` gave: a context, or a span itself."""
    if isinstance(value, Context):
        return value.get(SPAN_KEY)  # type: ignore[return-value]
    return value  # type: ignore[no-any-return]


class _PublicCurrent:
    """The same three methods over the public functions, where another runtime is in force."""

    get = staticmethod(get_current)

    @staticmethod
    def set(span: Any) -> Any:
        return attach(context_with(span, get_current()))

    @staticmethod
    def reset(token: Any) -> None:
        """As a context variable's: `ValueError` in another context, where `detach` would log."""
        if isinstance(token, Token):
            token.var.reset(token)
        else:
            detach(token)


def _current() -> ContextVar[Any] | _PublicCurrent:
    runtime = RuntimeContext.installed
    return _PublicCurrent() if runtime is None else runtime.variable


CURRENT = _current()
NOTHING: Any = RuntimeContext.installed.outside if RuntimeContext.installed else object()
"""What `CURRENT.get()` gives where nothing was ever made current, if that is known."""


def leave(token: Any) -> None:
    """Make current what was current before; nothing where another context is in force by now.

    So it is when a coroutine or generator is closed elsewhere, by the collector or from another
    task: there is nothing to restore then, and nothing to complain about.
    """
    try:
        CURRENT.reset(token)
    except (ValueError, RuntimeError):
        pass


__all__ = [
    "CURRENT",
    "NOTHING",
    "SPAN_KEY",
    "Context",
    "attach",
    "context_with",
    "detach",
    "get_current",
    "get_current_span",
    "leave",
    "span_in",
]
