"""Exceptions that come up in our code and are the host's: Ctrl-C, what its signal handlers raise.

A handler runs between any two instructions of the main thread, ours included. A timeout that it
raises there is meant for the program, which would hang if it were kept.
"""

from __future__ import annotations

import signal
from pathlib import Path
from types import CodeType, TracebackType
from typing import Any

_PACKAGE = str(Path(__file__).parents[1])


def is_hosts(error: BaseException) -> bool:
    """Whether an exception must go on to the program, wherever it came up."""
    if isinstance(error, KeyboardInterrupt):
        return True
    trace = error.__traceback__
    if not isinstance(error, Exception) and _came_up_here(trace):
        return True  # `SystemExit` set for this thread by another; code that we call may raise one
    codes = [] if trace is None else _handlers()
    return bool(codes) and _passes(trace, codes)


def _came_up_here(trace: TracebackType | None) -> bool:
    """Whether the innermost frame is ours."""
    if trace is None:
        return True
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_filename.startswith(_PACKAGE)


def _passes(trace: TracebackType | None, codes: list[CodeType]) -> bool:
    while trace is not None:
        if any(trace.tb_frame.f_code is code for code in codes):
            return True
        trace = trace.tb_next
    return False


def _handlers() -> list[CodeType]:
    """The code of the signal handlers in force that are Python's."""
    found = []
    for number in signal.valid_signals():
        handler: Any = signal.getsignal(number)
        if callable(handler) and handler is not signal.default_int_handler:
            found.append(_code_of(handler))
    return [code for code in found if code is not None]


def _code_of(handler: Any) -> CodeType | None:
    """Of a function, a method, a partial, or an object's `__call__`."""
    for _ in range(8):
        code = getattr(handler, "__code__", None)
        if isinstance(code, CodeType):
            return code
        inner = getattr(handler, "__func__", None) or getattr(handler, "func", None)
        handler = getattr(type(handler), "__call__", None) if inner is None else inner  # noqa: B004
    return None
