"""The variables of a frame that an exception passed: `capture={"locals": True}`."""

from __future__ import annotations

from collections.abc import Callable
from inspect import CO_OPTIMIZED
from itertools import islice
from types import FrameType
from typing import Any

from tradespan.capture.names import MARK, Hides, is_sensitive
from tradespan.capture.serialize import smart

MOST_VARIABLES = 24
LONGEST = 200
"""Characters kept of one value."""


def frame_variables(
    show: Callable[[Any, int], Any] = smart, hides: Hides = is_sensitive
) -> Callable[[FrameType], dict[str, str]]:
    """A function that serializes the variables of a frame, in the order of their definition.

    Nothing of a module's or class's body: the one holds all that was imported, the other may be a
    mapping of the user's.
    """

    def variables(frame: FrameType) -> dict[str, str]:
        if not frame.f_code.co_flags & CO_OPTIMIZED:
            return {}
        held = islice(dict(frame.f_locals).items(), MOST_VARIABLES)
        return {name: MARK if hides(name) else str(show(value, LONGEST)) for name, value in held}

    return variables
