"""Differences that are known and explained; each is one of a frame's identity.

A watched function runs one frame further from its caller, and as a clone of its code. Whoever walks
frames, or compares code objects, can see that; nobody else may. All other differences are bugs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Expected:
    """One difference, or several that have the same reason."""

    subject: str
    name: str
    """Pattern of the test, or of the warning."""
    reason: str

    def explains(self, subject: str, name: str) -> bool:
        """Whether a difference is of this kind."""
        return subject == self.subject and re.fullmatch(self.name, name) is not None


EXPECTED: tuple[Expected, ...] = (
    Expected(
        "jinja2",
        r"tests/test_debug\.py::TestDebug::test_runtime_error",
        "jinja2 hides its own frames from tracebacks by a set of code objects; the one that a"
        " watched function shows is none of them, and `Context.call` stays in the traceback",
    ),
)


def reason_of(subject: str, name: str) -> str | None:
    """Why a test or a warning differs; None: nobody knows, and it is a bug of ours."""
    return next((each.reason for each in EXPECTED if each.explains(subject, name)), None)
