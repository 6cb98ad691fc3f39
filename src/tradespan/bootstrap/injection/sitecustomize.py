"""Runs in every Python process below `tradespan run`, before its program.

This folder stands first on PYTHONPATH. The process's own sitecustomize, if there is one, runs as it
would have without us. Any Python 3 has to understand this file, and what it imports is imported for
every process: so it has neither type annotations nor `pathlib`.
"""
# ruff: noqa: INP001, PTH100, PTH120 - see above; the folder is found by path, and is no package
# mypy: allow-untyped-defs, allow-untyped-calls

import os
import sys

_HERE = os.path.dirname(__file__)


def _chain():
    """Run the sitecustomize that would have been found."""
    sys.path[:] = [entry for entry in sys.path if os.path.normpath(entry) != _HERE]
    ours = sys.modules.pop("sitecustomize")
    try:
        import sitecustomize  # type: ignore[import-not-found]  # noqa: F401 # optional extra
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
    entries = os.environ["PYTHONPATH"].split(os.pathsep)
    users = [os.path.abspath(entry) for entry in entries if entry]
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
    except Exception:  # noqa: BLE001, S110 - another Python, which does not have tradespan
        pass
