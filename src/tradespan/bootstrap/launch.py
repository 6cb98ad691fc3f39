"""Runs the bot's script or module as `__main__`, as Python would, its functions watched.

`python -m tradespan.bootstrap.launch (--script PATH | --module NAME) [ARG…]`, started by
`tradespan run`. What the program does not see of this: its traceback, its `sys.argv`, `sys.path`
and `__main__` are those it would have had. How it ends is Python's affair: an exception goes up to
the interpreter, so that its hook, threads, exit handlers, buffers and the signal of a Ctrl-C have
their usual order.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import MutableMapping
from types import CodeType, TracebackType
from typing import Any, NoReturn

from tradespan.bootstrap import inject
from tradespan.bootstrap.lastwords import LAST_WORDS
from tradespan.bootstrap.program import CannotRun, Program, load_module, load_script
from tradespan.capture.failure import hide_own_frames
from tradespan.core import guard
from tradespan.core.errors import TargetNotFound
from tradespan.instrument.auto.watcher import WATCHER


def main() -> None:
    """Run what the command line names."""
    kind, target, *arguments = sys.argv[1:]
    inject.give_way([*inject.folders_of_users(os.environ), *sys.path[:1]])
    try:
        program = load_module(target) if kind == "--module" else load_script(target)
    except TargetNotFound as error:
        refuse(str(error), 1)
    except CannotRun as error:
        refuse(str(error), error.status)
    except BaseException:
        hide_our_frames(None)
        raise
    sys.argv = [program.argument, *arguments]
    program.set_path()
    inject.give_way(sys.path[:1])
    execute(program)


def refuse(sentence: str, status: int) -> NoReturn:
    """Say why there is nothing to run."""
    print(f"tradespan: {sentence}", file=sys.stderr)
    sys.exit(status)


def execute(program: Program) -> None:
    """Run the program's code."""
    module = program.build_module()
    sys.modules["__main__"] = module
    namespace = module.__dict__
    watching: MutableMapping[str, Any] = namespace
    with guard.guarded("watching the script"):
        watching = WATCHER.script_namespace(namespace, program.known_as)
    atexit.register(_tell_remarks, os.getpid())
    try:
        exec(program.code, namespace, watching)  # noqa: S102 - it is the user's program
    except BaseException:
        hide_our_frames(program.code)
        raise


def hide_our_frames(code: CodeType | None) -> None:
    """Let the exception that goes up be shown from the program's first frame on.

    `code`: the program's; None if it was not reached: a module on the way to it may have failed.
    """
    hook = sys.excepthook

    def without_ours(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        sys.excepthook = hook
        while trace is not None and _is_ours(trace.tb_frame.f_code, code):
            trace = trace.tb_next
        with guard.guarded("showing an exception"):
            hide_own_frames(error.with_traceback(trace))
        sys.last_traceback = error.__traceback__
        LAST_WORDS.record(error)
        hook(kind, error, error.__traceback__)

    sys.excepthook = without_ours


_OURS = (__file__, inject.__file__, load_script.__code__.co_filename)


def _is_ours(frame: CodeType, program: CodeType | None) -> bool:
    if program is not None:
        return frame is not program
    return frame.co_filename in _OURS or frame.co_filename.startswith("<frozen ")


def _tell_remarks(process: int) -> None:
    if os.getpid() != process:  # a forked child that ends like its parent
        return
    with guard.guarded("patterns"):
        for sentence in WATCHER.remarks():
            print(f"tradespan: {sentence}", file=sys.stderr)


if __name__ == "__main__":
    main()
