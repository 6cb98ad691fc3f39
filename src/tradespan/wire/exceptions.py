"""The text of a captured exception, in Python's own form but for the source lines.

Source: Python's `traceback` module, `TracebackException.format`; attribute names from
OpenTelemetry's semantic conventions for exceptions on spans.
"""

from __future__ import annotations

from collections.abc import Iterator

from tradespan.core.records import AttributeValue, Failure

_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"
_MOST_NESTED = 16


def exception_attributes(failure: Failure) -> dict[str, AttributeValue]:
    """`exception.type`, `.message`, `.stacktrace`, `.escaped`."""
    return {
        "exception.type": failure.type,
        "exception.message": failure.message,
        "exception.stacktrace": render_stacktrace(failure),
        "exception.escaped": str(failure.escaped),
    }


def render_stacktrace(failure: Failure) -> str:
    """The traceback as text, causes first, as Python prints it."""
    return "".join(_lines(failure, 0))


def _lines(failure: Failure, nested: int) -> Iterator[str]:
    if nested < _MOST_NESTED:
        if failure.cause is not None:
            yield from _lines(failure.cause, nested + 1)
            yield _CAUSE
        elif failure.context is not None:
            yield from _lines(failure.context, nested + 1)
            yield _CONTEXT
    if failure.frames:
        yield "Traceback (most recent call last):\n"
    for frame in failure.frames:
        if frame.line:
            yield f'  File "{frame.file}", line {frame.line}, in {frame.name}\n'
        else:
            yield f"  {frame.file} {frame.name}\n"
    yield f"{failure.type}: {failure.message}\n" if failure.message else f"{failure.type}\n"
    if nested < _MOST_NESTED:
        for number, member in enumerate(failure.members, start=1):
            yield f"  +---------------- {number} ----------------\n"
            for line in "".join(_lines(member, nested + 1)).splitlines(keepends=True):
                yield f"  | {line}"
