"""What a process leaves for whoever tells of its death: a fault's traceback, an exception.

faulthandler writes the first, into `<pid>.fault` of the run's folder, unless the program uses it
itself; whoever enables it later has it for himself. The second is written when Python would print
it, into `exception-<pid>.json`. Neither changes how the process ends.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from tradespan.capture.failure import capture_failure
from tradespan.core import guard
from tradespan.core.forks import after_fork_in_child
from tradespan.spool.folder import replace_json

MOST_FRAMES = 40
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW

Hook = Callable[[type[BaseException], BaseException, TracebackType | None], Any]


class LastWords:
    """One process's. Its descriptor is faulthandler's for good: what it names can be exchanged."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._descriptor = -1
        self._named: tuple[int, int] = (0, 0)
        """Device and inode of what the descriptor names."""
        self._path: Path | None = None
        self._tidies = True
        self._previous: Hook | None = None
        self._hook: Hook = self._on_exception
        self._threads_previous: Callable[[Any], Any] | None = None
        self._threads_hook: Callable[[Any], Any] = self._on_thread_exception
        after_fork_in_child(self._after_fork)

    def begin(self, folder: Path, *, chained: bool) -> None:
        """Leave words in a run's folder from now on.

        `chained`: by `sys.excepthook`, too; and there is no supervisor who looks after the file.
        """
        self._folder, self._tidies = folder, chained
        with guard.guarded("fault handler"):
            if self._descriptor >= 0 or not faulthandler.is_enabled():
                self.use_file()
        if chained and sys.excepthook is not self._hook:
            self._previous, sys.excepthook = sys.excepthook, self._hook
        if threading.excepthook is not self._threads_hook:
            self._threads_previous = threading.excepthook
            threading.excepthook = self._threads_hook

    def tidy(self) -> None:
        """The process ends in order: take an empty file away, unless somebody else does."""
        path, self._path = self._path, None
        if path is not None and self._tidies:
            with guard.guarded("last words"):
                if path.exists() and path.stat().st_size == 0:
                    path.unlink()

    def end(self) -> None:
        """Leave none any more; hooks that others have put before ours stay, and find us silent."""
        self._folder = None
        if sys.excepthook is self._hook and self._previous is not None:
            sys.excepthook = self._previous
        if threading.excepthook is self._threads_hook and self._threads_previous is not None:
            threading.excepthook = self._threads_previous

    def use_file(self) -> None:
        """Let faulthandler's descriptor name this process's file.

        Raises:
            OSError: It cannot be made.
        """
        if self._folder is None:
            return
        path = self._folder / f"{os.getpid()}.fault"
        fresh = os.open(path, _FLAGS, 0o600)
        self._path = path
        if self._descriptor < 0:
            self._descriptor, self._named = fresh, _identify(fresh)
            faulthandler.enable(file=fresh, all_threads=True)
        else:
            self._exchange(fresh)

    def follow(self) -> None:
        """A forked child has begun to record: it has a file of its own from now on."""
        with guard.guarded("fault handler"):
            if self._descriptor >= 0:
                self.use_file()

    def record(self, error: BaseException, thread: str = "") -> None:
        """Write down an exception that nobody caught. `thread`: where; empty: the main one."""
        folder = self._folder
        if folder is None or isinstance(error, KeyboardInterrupt):
            return
        with guard.guarded("last words"):
            kind, message, frames, *_ = capture_failure(error)
            content = {
                "pid": os.getpid(),
                "time": time.time(),
                "thread": thread,
                "type": kind,
                "message": message,
                "frames": _whole(frames)[-MOST_FRAMES:],
            }
            replace_json(folder / f"exception-{os.getpid()}.json", content)

    def _exchange(self, fresh: int) -> None:
        try:
            # Who becomes a daemon closes all descriptors: the number may be somebody else's now.
            if _identify(self._descriptor) == self._named:
                os.dup2(fresh, self._descriptor, inheritable=False)
                self._named = _identify(fresh)
            else:
                self._descriptor = -1
        finally:
            os.close(fresh)

    def _after_fork(self) -> None:
        # The parent's file is not ours; our own is made when there is something to tell.
        self._path, self._tidies = None, True
        if self._descriptor >= 0:
            self._exchange(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC))

    def _on_exception(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        self.record(error)
        if self._previous is not None:
            self._previous(kind, error, trace)

    def _on_thread_exception(self, told: Any) -> None:
        error, thread = told.exc_value, told.thread
        if error is not None:
            self.record(error, "" if thread is None else thread.name)
        if self._threads_previous is not None:
            self._threads_previous(told)


def _identify(descriptor: int) -> tuple[int, int]:
    try:
        status = os.fstat(descriptor)
    except OSError:
        return -1, -1
    return status.st_dev, status.st_ino


def _whole(frames: Iterable[Sequence[Any]]) -> list[list[Any]]:
    """(file, line, function) of each; one without a file is in that of the frame before."""
    whole: list[list[Any]] = []
    for file, line, name, *_ in frames:
        whole.append([file or (whole[-1][0] if whole else ""), line, name])
    return whole


LAST_WORDS = LastWords()
"""The process's own."""
