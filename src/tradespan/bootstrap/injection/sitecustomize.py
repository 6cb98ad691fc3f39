"""Runs in every Python process below `tradespan run`, before its program.

This folder stands first on PYTHONPATH. The process's own sitecustomize, if there is one, runs as it
would have without us.
"""

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))


def _chain() -> None:
    """Run the sitecustomize that would have been found."""
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != _HERE]
    ours = sys.modules.pop("sitecustomize", None)
    try:
        import sitecustomize  # noqa: F401
    except ImportError as error:
        if error.name != "sitecustomize":
            raise
        if ours is not None:
            sys.modules["sitecustomize"] = ours


def _arm() -> None:
    try:
        from tradespan.bootstrap.inject import arm
    except ImportError:  # another interpreter, which does not have tradespan
        return
    arm()


try:
    _chain()
finally:
    _arm()
