"""The bot's script or module, found and compiled as Python does for `__main__`.

Source: CPython 3.11, `Modules/main.c` (scripts, folders, archives) and `runpy` (`-m`).
"""

# ruff: noqa: PTH109, PTH118, PTH120 - paths stay as they were written, as Python leaves them

from __future__ import annotations

import builtins
import difflib
import importlib.util
import marshal
import os
import pkgutil
import sys
import warnings
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader, SourcelessFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NamedTuple

from tradespan.core.errors import TargetNotFound
from tradespan.instrument.auto.finder import real_loader

_PYC_HEADER = 16


class CannotRun(Exception):
    """There is nothing to run; the message is a sentence for the user."""

    def __init__(self, sentence: str, status: int) -> None:
        """`status`: what Python itself would exit with: 1 for modules, 2 for files."""
        self.status = status
        super().__init__(sentence)


class Program(NamedTuple):
    """What to execute, and what it will find around itself."""

    code: CodeType
    facts: dict[str, Any]
    """The names that its module has before it runs."""
    argument: str
    """`sys.argv[0]`."""
    path_entry: str | None
    """`sys.path[0]`; None: as it is."""
    known_as: str
    """The name that its functions go by: the module's, or the file's."""
    in_folder: bool = False
    """Whether `path_entry` is a folder or archive with a `__main__`, which it needs to be found."""

    def set_path(self) -> None:
        """Put the program's folder first, in place of what was first for us."""
        if self.path_entry is not None and not sys.flags.safe_path:
            sys.path[0] = self.path_entry
        elif self.in_folder and self.path_entry is not None:
            sys.path.insert(0, self.path_entry)

    def build_module(self, name: str = "__main__") -> ModuleType:
        """A module that the code can be executed in."""
        module = ModuleType(name)
        module.__dict__.update(self.facts, __annotations__={}, __builtins__=builtins)
        return module


def load_script(path: str) -> Program:
    """A script, a folder or archive with a `__main__`, or compiled code.

    Raises:
        CannotRun: It cannot be read, or has no `__main__`.
        SyntaxError: As Python raises it.
    """
    # As Python sees it: absolute, links kept, and not tidied up.
    file = os.path.join(os.getcwd(), path)
    if pkgutil.get_importer(path) is not None:
        return _load_folder(path, file)
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise CannotRun(f"{path} cannot be read: {error.strerror or error}.", 2) from None
    compiled = content.startswith(importlib.util.MAGIC_NUMBER)
    kind = SourcelessFileLoader if compiled else SourceFileLoader
    facts = {"__file__": file, "__cached__": None, "__loader__": kind("__main__", file)}
    if compiled:
        code = marshal.loads(content[_PYC_HEADER:])  # noqa: S302 - the user's own program
    else:
        code = compile(content, file, "exec", dont_inherit=True)
    folder = os.path.dirname(os.path.realpath(path))
    return Program(code, facts, path, folder, Path(path).stem)


def _load_folder(path: str, file: str) -> Program:
    # Not by `find_spec`: it gives the spec of the `__main__` that runs, which is ours.
    spec = PathFinder.find_spec("__main__", [file])
    if spec is None or spec.loader is None:
        raise CannotRun(f"{path} cannot be run: it has no __main__ module.", 1)
    known_as = Path(os.path.realpath(path)).stem
    return Program(_code_of(spec), _facts_of(spec), path, file, known_as, in_folder=True)


def load_module(name: str) -> Program:
    """As `python -m name`: a module, or a package's `__main__`.

    Raises:
        TargetNotFound: There is no such module.
        CannotRun: It has no code that could be run.
        Exception: Whatever a package on the way raises.
    """
    if name.startswith("."):
        raise CannotRun(f"{name} cannot be run: relative names have no meaning here.", 1)
    spec = _find(name)
    if spec.submodule_search_locations is not None:
        inside = f"{spec.name}.__main__"
        try:
            spec = _find(inside)
        except TargetNotFound:
            raise CannotRun(f"{name} is a package without {inside}: it cannot be run.", 1) from None
    _warn_if_imported(spec.name)
    return Program(_code_of(spec), _facts_of(spec), str(spec.origin), None, spec.name)


def _find(name: str) -> ModuleSpec:
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        # One of the packages in the name, or something that one of them imports?
        missing = error.name or ""
        if not f"{name}.".startswith(f"{missing}."):
            raise
        raise TargetNotFound(missing, "module", near_module(missing)) from None
    except (AttributeError, TypeError, ValueError) as error:
        raise CannotRun(f"{name} cannot be run: {error}.", 1) from error
    if spec is None:
        raise TargetNotFound(name, "module", near_module(name))
    return spec


def near_module(name: str) -> str | None:
    """An existing module that may have been meant."""
    package, _, _ = name.rpartition(".")
    folders = getattr(sys.modules.get(package), "__path__", None) if package else None
    prefix = f"{package}." if package else ""
    names = {found.name for found in pkgutil.iter_modules(folders, prefix)}
    names = names if package else names | sys.stdlib_module_names
    close = difflib.get_close_matches(name, sorted(names), n=1)
    return close[0] if close else None


def _code_of(spec: ModuleSpec) -> CodeType:
    get_code = getattr(real_loader(spec), "get_code", None)
    code: CodeType | None = None if get_code is None else get_code(spec.name)
    if code is None:
        raise CannotRun(f"{spec.name} cannot be run: it has no Python code.", 1)
    return code


def _facts_of(spec: ModuleSpec) -> dict[str, Any]:
    spec.loader = real_loader(spec)
    return {
        "__file__": spec.origin,
        "__cached__": spec.cached,
        "__package__": spec.parent,
        "__loader__": spec.loader,
        "__spec__": spec,
    }


def _warn_if_imported(name: str) -> None:
    package = name.rpartition(".")[0]
    if package and name in sys.modules:
        warnings.warn(
            f"{name!r} found in sys.modules after import of package {package!r}, but prior to "
            f"execution of {name!r}; this may result in unpredictable behaviour",
            RuntimeWarning,
            stacklevel=2,
        )
