"""Runs in every Python process below `tradespan run`, before its program.

This folder stands first on PYTHONPATH. The process's own sitecustomize, if there is one, runs as it
would have without us. It has to be understood by any Python 3.
"""

import os
import sys

_HERE = os.path.dirname(__file__)


def _chain():
    """Run the sitecustomize that would have been found."""
    sys.path[:] = [entry for entry in sys.path if os.path.normpath(entry) != _HERE]
    ours = sys.modules.pop("sitecustomize", None)
    try:
        import sitecustomize  # noqa: F401 # optional extra
    except ImportError as error:
        if error.name != "sitecustomize":
            raise
    finally:
        # The import system looks for a module here when its code has run.
        sys.modules.setdefault("sitecustomize", ours)


def _arm():
    """Begin to record, and let nothing of the program's be imported for it.

    What stands on PYTHONPATH beside us is the user's: a `calendar.py` there is not the one that our
    imports mean.
    """
    before, whole = frozenset(sys.modules), list(sys.path)
    users = [os.path.abspath(entry) for entry in os.environ["PYTHONPATH"].split(os.pathsep) if entry]
    sys.path[:] = [entry for entry in whole if os.path.abspath(entry) not in users]
    try:
        try:
            from tradespan.bootstrap.inject import arm  # optional extra
        except ImportError:
            sys.path[:] = whole  # tradespan itself may stand there
            from tradespan.bootstrap.inject import arm  # optional extra
        arm(before)
    finally:
        sys.path[:] = whole


try:
    _chain()
finally:
    try:
        _arm()
    except Exception:  # another Python, which does not have tradespan
        pass
