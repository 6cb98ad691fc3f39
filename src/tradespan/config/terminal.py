"""Whether colours are wished for, as `NO_COLOR` and `FORCE_COLOR` say it.

Source: no-color.org, force-color.org: any value but an empty one; the former counts more.
"""

from __future__ import annotations

import os
from typing import TextIO


def wants_colours(stream: TextIO) -> bool:
    """Whether what is written there may have colours."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def is_terminal(stream: TextIO) -> bool:
    """Whether somebody looks at it; False for what has no answer."""
    try:
        return bool(stream.isatty())
    except (AttributeError, OSError, ValueError):
        return False
