"""Runs the bot's script or module as `__main__`, as Python would, its functions watched.

`python -m tradespan.bootstrap.launch (--script PATH | --module NAME) [ARG…]`, started by `tradespan run`.
What the program does not see of this: its traceback, its `sys.argv`, `sys.path` and `__main__` are
those it would have had.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any

from tradespan.core import guard
from tradespan.core.errors import TargetNotFound
from tradespan.instrument.auto.watcher import WATCHER


def main() -> None:
    """Run what the command line names."""
    kind, target, *arguments = sys.argv[1:]
    try:
        if kind == "--module":
            code, module, known_as = load_module(target)
        else:
            code, module, known_as = load_script(target)
    except TargetNotFound as error:
        print(f"tradespan: {error}", file=sys.stderr)
        sys.exit(2)
    sys.argv = [str(module.__file__), *arguments]
    sys.modules["__main__"] = module
    execute(code, module, known_as)


def load_script(path: str) -> tuple[CodeType, ModuleType, str]:
    """The code of a script, its `__main__` and the name it goes by.

    Raises:
        TargetNotFound: There is no such file.
    """
    file = Path(path)
    if file.is_dir():
        sys.path[0] = str(file)
        return load_module("__main__", known_as=file.resolve().name)
    try:
        source = file.read_bytes()
    except OSError as error:
        raise TargetNotFound(path, error.strerror or "it cannot be read") from error
    sys.path[0] = str(file.resolve().parent)
    code = _compiled(source, path)
    module = ModuleType("__main__")
    module.__dict__.update(__file__=path, __cached__=None, __builtins__=__builtins__)
    return code, module, file.stem


def load_module(name: str, known_as: str | None = None) -> tuple[CodeType, ModuleType, str]:
    """As `python -m name`: a module, or a package's `__main__`.

    Raises:
        TargetNotFound: There is no such module, or it has no code to run.
    """
    if known_as is None:
        sys.path[0] = os.getcwd()
    spec = _find(name)
    if spec.submodule_search_locations is not None:
        spec = _find(f"{name}.__main__")
    get_code = getattr(spec.loader, "get_code", None)
    code = None if get_code is None else get_code(spec.name)
    if code is None:
        raise TargetNotFound(name, "it has no code that could be run")
    module = ModuleType("__main__")
    package = spec.name.rpartition(".")[0]
    module.__dict__.update(
        __file__=spec.origin,
        __cached__=spec.cached,
        __package__=package,
        __loader__=spec.loader,
        __spec__=spec,
        __builtins__=__builtins__,
    )
    return code, module, known_as or spec.name


def _find(name: str) -> ModuleSpec:
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        raise TargetNotFound(name, f"there is no module {error.name}") from error
    if spec is None:
        raise TargetNotFound(name, f"there is no module {name}")
    return spec


def _compiled(source: bytes, path: str) -> CodeType:
    try:
        return compile(source, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        leave(error.with_traceback(None))


def execute(code: CodeType, module: ModuleType, known_as: str) -> None:
    """Run the program's code, and end as Python would if it raises."""
    namespace = module.__dict__
    watching: Any = namespace
    with guard.guarded("watching the script"):
        names = known_as.removesuffix(".__main__")
        WATCHER.name_script(known_as)
        watching = WATCHER.script_namespace(namespace, names)
    try:
        exec(code, namespace, watching)  # noqa: S102 - it is the user's program
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - Python's own last handler stands here
        leave(error.with_traceback(own_frames_removed(error.__traceback__)))
    finally:
        _warn_of_unmatched()


def own_frames_removed(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the program's first frame on."""
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return trace


def leave(error: BaseException) -> Any:
    """End by an exception as the interpreter does: its hook, its status, its signal."""
    sys.excepthook(type(error), error, error.__traceback__)
    if isinstance(error, KeyboardInterrupt):
        sys.stderr.flush()
        _end_by_interrupt()
    sys.exit(1)


def _end_by_interrupt() -> None:
    """Die of SIGINT, so that whoever waits sees what happened; exit handlers run first."""
    import atexit

    atexit._run_exitfuncs()  # noqa: SLF001 - as the interpreter would, before the signal
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)


def _warn_of_unmatched() -> None:
    with guard.guarded("patterns"):
        for sentence in WATCHER.warn_of_unmatched():
            print(f"tradespan: {sentence}", file=sys.stderr)


if __name__ == "__main__":
    main()
