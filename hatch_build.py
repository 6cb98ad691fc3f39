"""Compiles `tradespan._native` for wheels and editable installs, where that is possible.

Without a compiler, on another interpreter or system, the wheel is pure Python and says so: the
hot path has the same in Python. `CC` names another compiler. Run as a program, it checks only that
the sources compile without a warning.
"""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
SOURCES = ROOT / "src" / "tradespan" / "native"
FLAGS = ("-std=c11", "-O2", "-DNDEBUG", "-fwrapv", "-fPIC", "-fvisibility=hidden", "-Wall")


class CannotCompile(Exception):
    """Why there will be no C module."""


def module_name() -> str:
    """The file's name, by interpreter and platform."""
    return f"_native{sysconfig.get_config_var('EXT_SUFFIX')}"


def compile_module(target: Path, *, flags: tuple[str, ...] = ()) -> None:
    """Compile and link in one call.

    Raises:
        CannotCompile: Not here.
    """
    if platform.python_implementation() != "CPython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise CannotCompile("it is written for CPython with a GIL")
    if sys.platform != "linux" or sys.byteorder != "little":
        raise CannotCompile("it is written for Linux on little-endian machines")
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    include = sysconfig.get_path("include")
    sources = map(str, sorted(SOURCES.glob("*.c")))
    # Beside the target, then renamed: a process that has the old file mapped keeps it whole.
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    command = [*compiler, *FLAGS, *flags, "-shared", f"-I{include}", *sources]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [*command, "-o", str(unfinished)],
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        unfinished.replace(target)
    except OSError as error:
        raise CannotCompile(f"{compiler[0]}: {error.strerror}") from error
    except subprocess.CalledProcessError as error:
        raise CannotCompile(f"{compiler[0]} says: {error.stdout.strip()}") from error
    finally:
        unfinished.unlink(missing_ok=True)


class NativeBuildHook(BuildHookInterface[Any]):
    """Called by hatchling for each wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile; put the module into the wheel, or into `src` if the install is editable."""
        editable = version == "editable"
        folder = ROOT / "src" / "tradespan" if editable else ROOT / "build" / "native"
        target = folder / module_name()
        # What an earlier build left must not stand for this one.
        target.unlink(missing_ok=True)
        try:
            compile_module(target)
        except CannotCompile as reason:
            self.app.display_warning(f"tradespan stays pure Python: {reason}")
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        if not editable:
            build_data["force_include"][str(target)] = f"tradespan/{target.name}"


def check() -> int:
    """Compile with every warning an error, for `make check`; nothing is kept."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            compile_module(Path(folder) / module_name(), flags=("-Wextra", "-Werror"))
        except CannotCompile as reason:
            print(reason)
            # A machine without a compiler has nothing to check with.
            return int(" says: " in str(reason))
    print("the C module compiles without a warning")
    return 0


if __name__ == "__main__":
    sys.exit(check())
