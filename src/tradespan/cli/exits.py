"""Exit statuses of the commands, in one place.

A command that lists something (traces, logs, functions, audit, deaths, conventions list, spool
list) and shows nothing says why on standard error, and its status is grep's: 1 if a filter was
given that nothing matched; 0 if there simply is nothing yet. A limit is no filter.
"""

from __future__ import annotations

import sys

OK = 0
FAILED = 1
"""The command ran and says no: no match, books that do not balance, data that waits."""
USAGE = 2
"""The command could not run as it was called."""
INTERRUPTED = 130


def tell_nothing(sentence: str, *, filtered: bool) -> int:
    """Say why a list is empty; returns the exit status.

    Args:
        sentence: Without a point: `no program has logged below …`.
        filtered: Whether the command was asked for less than all.
    """
    print(f"tradespan: {sentence}", file=sys.stderr)
    return FAILED if filtered else OK
