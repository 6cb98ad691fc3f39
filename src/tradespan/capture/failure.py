"""An exception, captured without formatting: (file, line, function) of each frame, no text.

Formatting a traceback costs 65 to 310 µs in the bot's process; walking it costs 2. The reader
renders the text (`wire/exceptions.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from tradespan.capture.frames import own_code
from tradespan.capture.redact import redact_and_cut, redact_once
from tradespan.capture.serialize import smart
from tradespan.capture.source import SourceLines
from tradespan.core.interruptions import is_hosts

MOST_FRAMES = 64
MOST_EXCEPTIONS = 24
"""Exceptions kept of one failure: itself, its causes and contexts, members of groups."""
MOST_MESSAGE = 2_000
MOST_NOTES = 16
MOST_DETAILED = 8
"""Frames of one exception, the innermost, whose variables or source lines are kept."""
_MOST_DETAILED_IN_ALL = 16
_LARGE = 1_000

Variables = Callable[[FrameType], dict[str, str]]


def exception_name(error: BaseException) -> str:
    """`module.QualName`; built-in exceptions without the module."""
    kind = type(error)
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def exception_message(error: BaseException) -> str:
    """What `str(error)` says, redacted and bounded; a broken `__str__` is named instead."""
    try:
        args = error.args
        if type(error).__str__ is not BaseException.__str__:
            text = str(error)
        # One plain text, the common case, is read without calling the exception's own code.
        elif len(args) == 1 and type(args[0]) is str:
            text = args[0]
        elif any(type(arg) in _CONTAINERS and len(arg) > _LARGE for arg in args):
            text = str(smart(args if len(args) > 1 else args[0], MOST_MESSAGE))
        else:
            text = str(error)
        return redact_once(text, MOST_MESSAGE)
    except BaseException as broken:
        if is_hosts(broken):
            raise
        return f"<str() raised {type(broken).__name__}>"


_CONTAINERS = frozenset({list, tuple, dict, set, frozenset})


def capture_failure(
    error: BaseException,
    *,
    escaped: bool = True,
    variables: Variables | None = None,
    source: bool = False,
) -> list[Any]:
    """The fields of `core.records.Failure`, with causes and group members.

    Bounded in all: chains may be circular, and groups may hold thousands.

    `variables`: what to keep of a frame (`variables.frame_variables`); None: nothing. `source`:
    whether to keep the lines around each place. Both of the innermost frames only.
    """
    if (
        error.__cause__ is None
        and (error.__context__ is None or error.__suppress_context__)
        and variables is None
        and not source
        and not isinstance(error, BaseExceptionGroup)
    ):
        name, message = exception_name(error), exception_message(error)
        failure = [
            name,
            message,
            own_code.frames(error.__traceback__, MOST_FRAMES),
            None,
            None,
            [],
            escaped,
        ]
        if (notes := getattr(error, "__notes__", None)) is not None:
            failure.append(_notes(notes))
        return failure
    return _Capture(variables, SourceLines() if source else None).capture(error, escaped=escaped)


class _Capture:
    """One failure's: it counts what it keeps, and does not visit an exception twice."""

    def __init__(self, variables: Variables | None, source: SourceLines | None) -> None:
        self._seen: set[int] = set()
        self._variables = variables
        self._source = source
        self._detailed = 0

    def capture(self, error: BaseException, *, escaped: bool = False) -> list[Any]:
        self._seen.add(id(error))
        name, message = exception_name(error), exception_message(error)
        frames = own_code.frames(error.__traceback__, MOST_FRAMES)
        if self._variables is not None or self._source is not None:
            frames = self._with_details(frames, error.__traceback__)
        cause = context = None
        if error.__cause__ is not None:
            cause = self._nested(error.__cause__)
        elif not error.__suppress_context__:
            context = self._nested(error.__context__)
        members = []
        if isinstance(error, BaseExceptionGroup):
            members = [captured for e in error.exceptions if (captured := self._nested(e))]
        failure = [name, message, frames, cause, context, members, escaped]
        if (notes := getattr(error, "__notes__", None)) is not None:
            failure.append(_notes(notes))
        return failure

    def _nested(self, error: BaseException | None) -> list[Any] | None:
        if error is None or id(error) in self._seen or len(self._seen) >= MOST_EXCEPTIONS:
            return None
        return self.capture(error)

    def _with_details(self, frames: list[Any], trace: TracebackType | None) -> list[Any]:
        """The frames, the innermost with variables and source lines."""
        passed = []
        while trace is not None:
            if trace.tb_frame.f_code not in own_code:
                passed.append(trace.tb_frame)
            trace = trace.tb_next
        room = min(MOST_DETAILED, _MOST_DETAILED_IN_ALL - self._detailed, len(frames))
        for back in range(1, room + 1):
            self._detailed += 1
            file, line, name = frames[-back]
            variables = {} if self._variables is None else self._variables(passed[-back])
            in_file = passed[-back].f_code.co_filename
            source = {} if self._source is None else self._source.around(in_file, line)
            frames[-back] = (file, line, name, variables, source)
        return frames


def _notes(notes: Any) -> list[str]:
    """What `add_note` has added."""
    if type(notes) not in (list, tuple):
        return []
    shown = [note if type(note) is str else str(smart(note)) for note in notes[:MOST_NOTES]]
    return [redact_and_cut(note, MOST_MESSAGE) for note in shown]


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
