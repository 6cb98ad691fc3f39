"""The one registry of what has to happen in a forked child.

Nobody else calls `os.register_at_fork`: handlers run in the order of their registration, each
guarded, and hold what they belong to weakly, so that a writer that was closed is not kept alive by
its hook.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

from tradespan.core.guard import report

_in_child: dict[weakref.ref[Any], Callable[[Any], Any]] = {}
"""Object → what to call with it. A plain reference, removed by the dict's own `pop`: a `WeakMethod`
complains at the interpreter's end."""
_remove: Callable[[weakref.ref[Any]], Any] = _in_child.pop
_generation = 0
_turn = 0
"""Which registration with the interpreter counts: the last one."""
_forked = False


def process_generation() -> int:
    """How many forks lie between this process and the one that imported tradespan."""
    return _generation


def has_forked() -> bool:
    """Whether this process has forked, by Python's own means: children of it may record."""
    return _forked


def after_fork_in_child(method: Callable[[], Any]) -> None:
    """Call a bound method in each forked child, as long as its object lives; one an object."""
    # Each change is one call that holds the GIL: nothing here takes a lock that a child inherits.
    owner, function = method.__self__, method.__func__  # type: ignore[attr-defined]
    _in_child[weakref.ref(owner, _remove)] = function


def run_last() -> None:
    """Let handlers run after those that others have registered by now with the interpreter."""
    global _turn  # noqa: PLW0603 - one number for the process, changed only here
    _turn += 1
    os.register_at_fork(after_in_child=partial(_run_in_child, _turn))


def _run_in_child(turn: int) -> None:
    global _generation, _forked  # noqa: PLW0603 - of the process, changed only here and below
    if turn != _turn:  # registered anew since
        return
    _generation += 1
    _forked = False
    failed: list[BaseException] = []
    # A copy, made in one step: a list of pairs would be many objects, the collector might run, and
    # what it collects leaves the dict that is being walked.
    for reference, function in _in_child.copy().items():
        owner = reference()
        if owner is not None:
            try:
                function(owner)
            except BaseException as error:  # noqa: BLE001 - told once all have run
                failed.append(error)
    for each in failed:
        report("fork", each)


def _note_in_parent() -> None:
    global _forked  # noqa: PLW0603 - see above
    _forked = True


if hasattr(os, "register_at_fork"):
    run_last()
    os.register_at_fork(after_in_parent=_note_in_parent)
