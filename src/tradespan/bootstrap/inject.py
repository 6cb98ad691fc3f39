"""Arming a process below `tradespan run`: what `configure()` does, by hand of the environment."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

from tradespan.bootstrap.environment import DIRECT, INJECTION, RUN_FOLDER
from tradespan.bootstrap.lastwords import LAST_WORDS
from tradespan.bootstrap.program import Program, load_module, load_script
from tradespan.bootstrap.runtime import configure_from
from tradespan.config import load_config
from tradespan.core import guard
from tradespan.instrument.auto.watcher import WATCHER

_SPAWNED_MAIN = "__mp_main__"
_early: frozenset[str] = frozenset()
"""Top-level modules of Python's library that are imported because of us alone."""


def arm(before: Iterable[str]) -> None:
    """Configure this process as the run says. Never raises: the program runs in any case.

    `before`: the modules that were imported before ours.
    """
    global _early  # noqa: PLW0603 - one set for the process, filled once
    folder = os.environ.get(RUN_FOLDER)
    direct = os.environ.pop(DIRECT, "") == "1"
    if not folder or is_helper(sys.orig_argv):
        return
    with guard.guarded("tradespan could not be armed"):
        config = load_config({"spool": folder, "forwarder": "external"})
        if not config.follow:
            leave_descendants_alone(os.environ)
        if direct or config.follow:
            runtime = configure_from(config, injected=True)
            if runtime.enabled:
                # The bot's own exception goes by `launch`: `sys.excepthook` stays as it is.
                LAST_WORDS.begin(Path(folder), chained=not direct)
            if not direct:
                watch_spawned_main()
    _early = frozenset(sys.modules).difference(before) & sys.stdlib_module_names
    if not direct:  # else `launch` does when it has all that it needs
        give_way([*folders_of_users(os.environ), *program_folders(sys.argv)])


def is_helper(command: list[str]) -> bool:
    """Whether the process is one of Python's own that runs no code of the program's."""
    return is_agent(command) or any("multiprocessing.resource_tracker" in w for w in command)


def is_agent(command: list[str]) -> bool:
    """Whether the process is `tradespan agent`, which delivers records and must make none: each
    would have another one delivered.
    """
    words = pairwise(command)
    return any(Path(word).name == "tradespan" and verb == "agent" for word, verb in words)


def leave_descendants_alone(environment: os._Environ[str]) -> None:
    """TRADESPAN_FOLLOW=0: processes that this one starts know nothing of the run."""
    kept = [entry for entry in folders_of_users(environment) if entry]
    if kept:
        environment["PYTHONPATH"] = os.pathsep.join(kept)
    else:
        environment.pop("PYTHONPATH", None)
    for name in (RUN_FOLDER, "TRADESPAN_EFFECTIVE"):
        environment.pop(name, None)


def folders_of_users(environment: os._Environ[str]) -> list[str]:
    """The entries of PYTHONPATH but for ours."""
    entries = environment.get("PYTHONPATH", "").split(os.pathsep)
    return [entry for entry in entries if entry and Path(entry) != INJECTION]


def program_folders(arguments: list[str]) -> list[str]:
    """What Python will put first on `sys.path` for the program that this process is started for."""
    if sys.flags.safe_path or not arguments:
        return []
    path = Path(arguments[0])
    return [str(path.resolve().parent) if path.is_file() else os.curdir]


def give_way(folders: Iterable[str]) -> None:
    """Let the program import its own module where one of Python's library is in the way.

    A `calendar.py` beside the script is what `import calendar` finds, unless Python's own has been
    imported before, which without us it would not have been. Ours keep what they have.
    """
    with guard.guarded("giving way"):
        for folder in map(Path, folders):
            for entry in folder.iterdir() if folder.is_dir() else ():
                name = entry.name.partition(".")[0]
                if name in _early and _is_module(entry):
                    for loaded in [m for m in sys.modules if f"{m}.".startswith(f"{name}.")]:
                        del sys.modules[loaded]


def _is_module(entry: Path) -> bool:
    return entry.suffix in (".py", ".pyc", ".so") or (entry / "__init__.py").is_file()


def watch_spawned_main() -> None:
    """In a process that multiprocessing started: watch the functions of the parent's script.

    Such a process executes the script anew, as `__mp_main__`, by `runpy`.
    """
    if any("multiprocessing" in word for word in sys.orig_argv[1:]):
        runpy.run_path = _running(load_script, runpy.run_path)
        runpy.run_module = _running(load_module, runpy.run_module)


def _running(load: Callable[[str], Program], bare: Callable[..., Any]) -> Callable[..., Any]:
    def run(target: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        program = None
        if kwargs.get("run_name") == _SPAWNED_MAIN:
            with guard.guarded("watching the script"):
                program = load(target)
        if program is None:
            namespace: dict[str, Any] = bare(target, *args, **kwargs)
            return namespace
        module = program.build_module(_SPAWNED_MAIN)
        sys.modules[_SPAWNED_MAIN] = module
        names = module.__dict__
        exec(program.code, names, WATCHER.script_namespace(names, program.known_as))  # noqa: S102
        return names

    return run
