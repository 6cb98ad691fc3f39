"""Where this run's files go."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
import time
from pathlib import Path
from typing import Any
from uuid import UUID

from tradespan.bootstrap.receivers import otlp_receivers
from tradespan.config import Config, override_config
from tradespan.core.errors import SpoolUnavailable
from tradespan.core.process import process_start
from tradespan.spool.folder import (
    LOG_FILE,
    RUNS,
    RunFolder,
    private_folder,
    run_folders,
    say_why,
)

_INSTALLED = ("stdlib", "platstdlib", "purelib", "platlib", "scripts")
"""Folders of Python's own and of what is installed, by sysconfig's names."""
_MOST_ROOTS = 64


def choose_root(config: Config) -> Config:
    """`--spool DIR`: the folder is its own root, with its own agent and store, wherever a root is
    named: an agent looks for runs below its root only. One of the root's runs stays below it.
    """
    folder = config.spool.directory
    if folder is None or folder.resolve().parent == (config.root / RUNS).resolve():
        return config
    return override_config(config, {"root": folder}, "the spool's folder")


def open_run_folder(config: Config) -> RunFolder:
    """This run's folder: the one that was named, or a new one below the root.

    Raises:
        SpoolUnavailable: It cannot be made, or belongs to another user; it says who named it.
    """
    try:
        if config.spool.directory is not None:
            return RunFolder(private_folder(config.spool.directory))
        return RunFolder.create(config.root, config.service_name)
    except SpoolUnavailable as error:
        raise SpoolUnavailable(error.directory, error.reason, name_origin(config)) from error


def check_root(config: Config) -> None:
    """Say no if what is named as a root can be none; one that is not there yet is fine.

    Raises:
        SpoolUnavailable: It is a file, or may not be looked into; it says who named it.
    """
    root = config.root
    try:
        os.scandir(root).close()
    except FileNotFoundError:
        return
    except PermissionError as error:
        reason = f"user {os.geteuid()} may not look into it ({error.strerror})"
        raise SpoolUnavailable(root, reason, name_origin(config)) from error
    except OSError as error:
        raise SpoolUnavailable(root, say_why(root, error), name_origin(config)) from error


def name_origin(config: Config) -> str:
    """Who named the folder of this run's files: `option --root`."""
    key = "root" if config.spool.directory is None else "spool.directory"
    origin = config.origin(key)
    return "the default; --root or TRADESPAN_ROOT names another" if origin == "default" else origin


def destinations(config: Config) -> list[tuple[str, str]]:
    """Where the records shall go, as `run.json` keeps it: no secrets in it."""
    found = [] if config.store_path is None else [("store", str(config.store_path))]
    if config.logs.file is not None:
        found.append((LOG_FILE, str(config.logs.file)))
    return found + otlp_receivers(config)


def source_roots(script: str | None = None) -> list[str]:
    """Folders of which the UI may show source, as `run.json` keeps them: absolute, without links.

    The working directory, the script's folder, and what of `sys.path` is neither Python's own nor
    installed. `script`: None for that of this process.
    """
    if script is None:
        script = getattr(sys.modules.get("__main__"), "__file__", None)
    found: list[str] = []
    installed = [os.path.realpath(sysconfig.get_path(name)) for name in _INSTALLED]
    installed += map(os.path.realpath, [*site.getsitepackages(), site.getusersitepackages()])
    for path in ("", str(Path(script or "").parent), *sys.path):
        root = os.path.realpath(path)
        ours = any(root == each or root.startswith(each + os.sep) for each in installed)
        if root != os.sep and not ours and Path(root).is_dir():
            found.append(root)
    return list(dict.fromkeys(found))[:_MOST_ROOTS]


def find_source_roots(root: Path, instance: str) -> list[str] | None:
    """What `source_roots` gave to the run of a process; None: no run below the root is its own.

    `instance`: the process's `service.instance.id`, which names its counter page.
    """
    try:
        page = f"{UUID(instance).hex}.page"
    except ValueError:
        return None
    for folder in run_folders(root):
        if (folder.path / page).exists():
            told = folder.description.get("source_roots")
            return (
                [each for each in told if isinstance(each, str)] if isinstance(told, list) else []
            )
    return None


def describe_run(
    folder: RunFolder, config: Config, *, script: str | None = None, **facts: Any
) -> None:
    """Write `run.json`, so that any agent can deliver what this run leaves.

    `script`: what is going to run; None: this process is the run's own.
    """
    try:
        roots = source_roots(script)
    except OSError:  # the working directory is gone: the UI shows no source, and all else goes on
        roots = []
    folder.describe(
        service=config.service_name,
        mode=config.mode,
        command=sys.orig_argv[:64],
        began=time.time(),
        destinations=destinations(config),
        queue_warning_threshold=config.spool.queue_warning_threshold,
        source_roots=roots,
        resource=dict(config.resource),
        metrics_port=config.metrics_port,
        pid=os.getpid(),
        pid_start=process_start(os.getpid()),
        **facts,
    )
