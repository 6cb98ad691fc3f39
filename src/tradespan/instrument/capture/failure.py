"""An exception, captured without formatting: (file, line, function) of each frame, no text.

Formatting a traceback costs 65 to 310 µs in the bot's process; walking it costs 4. The reader
renders the text (`wire/exceptions.py`).
"""

from __future__ import annotations

from types import CodeType, TracebackType
from typing import Any

from tradespan.instrument.capture.redact import redact_and_cut

MOST_FRAMES = 64
MOST_EXCEPTIONS = 24
"""Exceptions kept of one failure: itself, its causes and contexts, members of groups."""
MOST_MESSAGE = 2_000

own_code: set[CodeType] = set()
"""Code of our wrappers: their frames are left out of what is captured."""


def exception_name(error: BaseException) -> str:
    """`module.QualName`; built-in exceptions without the module."""
    kind = type(error)
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def exception_message(error: BaseException) -> str:
    """What `str(error)` says, redacted and bounded; a broken `__str__` is named instead."""
    try:
        args = error.args
        # One plain text, the common case, is read without calling the exception's own code.
        if type(error).__str__ is BaseException.__str__ and len(args) == 1 and type(args[0]) is str:
            text = args[0]
        else:
            text = str(error)
        return redact_and_cut(text, MOST_MESSAGE)
    except Exception as broken:  # noqa: BLE001 - user code inside an exception
        return f"<str() raised {type(broken).__name__}>"


def capture_failure(error: BaseException, *, escaped: bool = True) -> list[Any]:
    """The fields of `core.records.Failure`, with causes and group members.

    Bounded in all: chains may be circular, and groups may hold thousands.
    """
    return _Capture().capture(error, escaped=escaped)


class _Capture:
    """One failure's: it counts what it keeps, and does not visit an exception twice."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def capture(self, error: BaseException, *, escaped: bool = False) -> list[Any]:
        self._seen.add(id(error))
        cause = context = None
        if error.__cause__ is not None:
            cause = self._nested(error.__cause__)
        elif not error.__suppress_context__:
            context = self._nested(error.__context__)
        members = []
        if isinstance(error, BaseExceptionGroup):
            members = [captured for e in error.exceptions if (captured := self._nested(e))]
        name, message = exception_name(error), exception_message(error)
        return [name, message, _frames(error.__traceback__), cause, context, members, escaped]

    def _nested(self, error: BaseException | None) -> list[Any] | None:
        if error is None or id(error) in self._seen or len(self._seen) >= MOST_EXCEPTIONS:
            return None
        return self.capture(error)


def hide_own_frames(error: BaseException) -> None:
    """Take our wrappers out of the tracebacks of an exception, its causes and its members."""
    waiting, seen = [error], set()
    while waiting:
        error = waiting.pop()
        if id(error) in seen:
            continue
        seen.add(id(error))
        error.__traceback__ = _next_foreign(error.__traceback__)
        place = error.__traceback__
        while place is not None:
            following = _next_foreign(place.tb_next)
            place.tb_next = following
            place = following
        waiting += [linked for linked in (error.__cause__, error.__context__) if linked]
        if isinstance(error, BaseExceptionGroup):
            waiting += error.exceptions


def _next_foreign(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and trace.tb_frame.f_code in own_code:
        trace = trace.tb_next
    return trace


def _frames(trace: TracebackType | None) -> list[tuple[str, int, str]]:
    frames = []
    while trace is not None:
        code = trace.tb_frame.f_code
        if code not in own_code:
            frames.append((code.co_filename, trace.tb_lineno, code.co_qualname))
        trace = trace.tb_next
    if len(frames) > MOST_FRAMES:
        half = MOST_FRAMES // 2
        left_out = len(frames) - MOST_FRAMES
        frames[half:-half] = [("…", 0, f"{left_out} more frames")]
    return frames
