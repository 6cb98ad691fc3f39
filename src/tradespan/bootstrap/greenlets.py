"""gevent's `monkey.patch_all()`: what forwards in the program's process ends before it, and begins
anew after it, as greenlets.

A thread that had begun before would stay a thread, and from then on find gevent's locks and sockets
in the standard library. What the program's greenlets then wait for, and a thread holds, gevent
takes for a deadlock: an `import` of the program failed with `LoopExit`, or never ended, in 3 of 24
runs.

gevent tells of its patching through `zope.event`, which comes with it: nothing of gevent is loaded,
or patched, here.
"""

from __future__ import annotations

import threading
import time
import weakref
from importlib import import_module
from typing import Any, Protocol

from tradespan.core.forks import run_last
from tradespan.core.guard import guarded

_WILL_PATCH = "GeventWillPatchAllEvent"
_DID_PATCH = "GeventDidPatchAllEvent"
_LONGEST_WAIT = 5.0
"""Seconds. A thread that is still there is let go: it may then say `KeyError` on stderr."""
_followers: weakref.WeakSet[Pausable] = weakref.WeakSet()
_paused: list[Pausable] = []
_listening = False


class Pausable(Protocol):
    """What has threads of its own in the program's process."""

    def pause(self) -> bool:
        """End them. Returns whether there were any."""
        ...

    def resume(self) -> None:
        """Begin them anew."""
        ...


def follow_patching(follower: Pausable) -> None:
    """Pause something while gevent patches; nothing where gevent is not installed."""
    global _listening  # noqa: PLW0603 - the process's one subscription
    try:
        events: Any = import_module("zope.event")
    except ImportError:
        return
    _followers.add(follower)
    if not _listening:
        _listening = True
        events.subscribers.append(_hear)


def _wait_for_threads() -> None:
    """Wait for threads that were asked to end: one that opens a store may take a while."""
    end = time.monotonic() + _LONGEST_WAIT
    for thread in threading.enumerate():
        if thread.name.startswith("tradespan-"):
            thread.join(max(end - time.monotonic(), 0.0))


def _hear(event: object) -> None:
    """Told of every event in the process. An exception from here would end the patching."""
    told = type(event).__name__
    if told == _WILL_PATCH:
        for follower in list(_followers):
            with guarded("gevent begins to patch"):
                if follower.pause():
                    _paused.append(follower)
                    _wait_for_threads()
    elif told == _DID_PATCH:
        # In a child gevent's own handler counts the threads: ours begin after it.
        run_last()
        while _paused:
            with guarded("gevent has patched"):
                _paused.pop().resume()
