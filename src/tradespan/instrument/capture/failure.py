"""An exception, captured without formatting: (file, line, function) of each frame, no text.

Formatting a traceback costs 65 to 310 µs in the bot's process; walking it costs 4. The reader
renders the text (`wire/exceptions.py`).
"""

from __future__ import annotations

from types import CodeType, TracebackType
from typing import Any

from tradespan.instrument.capture.redact import redact_text

MOST_FRAMES = 64
MOST_LINKS = 8
MOST_MESSAGE = 2_000
_PLAIN = (str, int, float, bool, type(None))

own_code: set[CodeType] = set()
"""Code of our wrappers: their frames are left out of what is captured."""


def exception_name(error: BaseException) -> str:
    """`module.QualName`; built-in exceptions without the module."""
    kind = type(error)
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def exception_message(error: BaseException) -> str:
    """What `str(error)` says, redacted and bounded; a broken `__str__` is named instead."""
    args = error.args
    try:
        # One plain text, the common case, is read without calling the exception's own code.
        if type(error).__str__ is BaseException.__str__ and len(args) == 1 and type(args[0]) is str:
            text = args[0]
        else:
            text = str(error)
    except Exception as broken:  # noqa: BLE001 - user code inside an exception
        return f"<str() raised {type(broken).__name__}>"
    if len(text) > MOST_MESSAGE:
        text = text[:MOST_MESSAGE] + "…"
    return redact_text(text)


def capture_failure(error: BaseException, *, escaped: bool = True, depth: int = 0) -> list[Any]:
    """The fields of `core.records.Failure`, with causes and group members."""
    frames = _frames(error.__traceback__)
    cause = context = None
    members: list[Any] = []
    if depth < MOST_LINKS:
        if error.__cause__ is not None:
            cause = capture_failure(error.__cause__, escaped=False, depth=depth + 1)
        elif error.__context__ is not None and not error.__suppress_context__:
            context = capture_failure(error.__context__, escaped=False, depth=depth + 1)
        if isinstance(error, BaseExceptionGroup):
            members = [
                capture_failure(member, escaped=False, depth=depth + 1)
                for member in error.exceptions[:MOST_LINKS]
            ]
    name, message = exception_name(error), exception_message(error)
    return [name, message, frames, cause, context, members, escaped]


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
