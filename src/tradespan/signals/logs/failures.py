"""The exception of a line, by OpenTelemetry's semantic conventions."""

from __future__ import annotations

from typing import Any

import msgspec

from tradespan.capture.failure import capture_failure
from tradespan.core.records import Failure
from tradespan.wire.exceptions import render_stacktrace


def failure_attributes(information: Any, text: str | None, stack: str | None) -> dict[str, Any]:
    """`exception.type`, `.message` and `.stacktrace`; `code.stacktrace` where it was asked for.

    Args:
        information: As `sys.exc_info()` gives it, or whatever else is there.
        text: The traceback as somebody else formatted it, taken where there is no exception.
        stack: Of `stack_info=True`.
    """
    told: dict[str, Any] = {}
    error = information[1] if isinstance(information, tuple) and len(information) == 3 else None
    if isinstance(error, BaseException):
        failure = msgspec.convert(capture_failure(error, escaped=False), Failure)
        told["exception.type"] = failure.type
        told["exception.message"] = failure.message
        told["exception.stacktrace"] = render_stacktrace(failure)
    elif text:
        told["exception.stacktrace"] = text
    if stack:
        told["code.stacktrace"] = stack
    return told
