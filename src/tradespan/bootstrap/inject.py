"""Arming a process below `tradespan run`: what `configure()` does, by the hand of the environment."""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path
from typing import Any

from tradespan.bootstrap.environment import DIRECT, INJECTION, RUN_FOLDER
from tradespan.core import guard


def arm() -> None:
    """Configure this process as the run says. Never raises: the program runs in any case."""
    folder = os.environ.get(RUN_FOLDER)
    if not folder:
        return
    direct = os.environ.pop(DIRECT, "") == "1"
    with guard.guarded("tradespan could not be armed"):
        from tradespan.bootstrap.runtime import configure_from
        from tradespan.config import load_config

        config = load_config({"spool": folder, "forwarder": "external"})
        if not config.follow:
            _leave_descendants_alone()
        if direct or config.follow:
            configure_from(config, injected=True)
            if not direct:
                watch_spawned_main()


def _leave_descendants_alone() -> None:
    """TRADESPAN_FOLLOW=0: processes that this one starts know nothing of the run."""
    kept = [
        entry
        for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep)
        if entry and Path(entry) != INJECTION
    ]
    if kept:
        os.environ["PYTHONPATH"] = os.pathsep.join(kept)
    else:
        os.environ.pop("PYTHONPATH", None)
    for name in (RUN_FOLDER, "TRADESPAN_EFFECTIVE"):
        os.environ.pop(name, None)


def watch_spawned_main() -> None:
    """In a process that multiprocessing spawned: watch the functions of the parent's script.

    It executes the script anew as `__mp_main__` through `runpy`; its functions are looked at when it
    has run.
    """
    if not any("multiprocessing" in word for word in sys.orig_argv[1:]):
        return
    from tradespan.instrument.auto.watcher import WATCHER

    def watching(run: Any) -> Any:
        def run_and_watch(target: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
            namespace: dict[str, Any] = run(target, *args, **kwargs)
            if kwargs.get("run_name") == "__mp_main__":
                with guard.guarded("watching the script"):
                    _watch_result(namespace, Path(target).stem if "/" in target else target)
            return namespace

        return run_and_watch

    def _watch_result(namespace: dict[str, Any], known_as: str) -> None:
        WATCHER.name_script(known_as)
        WATCHER.watch_namespace(namespace, known_as)
        # `runpy` returns a copy; the functions call each other through the original.
        for value in list(namespace.values()):
            inner = getattr(getattr(value, "__wrapped__", value), "__globals__", None)
            if inner is not None and inner.get("__name__") == "__mp_main__":
                inner.update({k: v for k, v in namespace.items() if k in inner})
                break

    runpy.run_path = watching(runpy.run_path)
    runpy.run_module = watching(runpy.run_module)
