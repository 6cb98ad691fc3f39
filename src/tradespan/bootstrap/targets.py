"""The dry run of patterns: the modules that they name are imported, a program is only read.

Importing runs a module's top-level code. No function is called by us, none is changed, and
`configure()` in such code configures nothing.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import os
import pkgutil
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from tradespan.bootstrap.program import Program, load_module, load_script, near_module
from tradespan.bootstrap.runtime import configure_from
from tradespan.config import Config, override_config
from tradespan.core.errors import TargetNotFound
from tradespan.instrument.auto.survey import Survey
from tradespan.instrument.auto.watcher import WATCHER
from tradespan.instrument.auto.written import Written

_MAIN = "__main__"
_TESTS = {"test", "tests", "conftest"}


@dataclass(slots=True)
class DryRun:
    """What patterns would do, and what was imported to know it."""

    survey: Survey
    modules: list[str] = field(default_factory=list)
    """Names of those that were looked through."""
    failed: dict[str, str] = field(default_factory=dict)
    """Module → what its import raised."""
    missing: dict[str, str | None] = field(default_factory=dict)
    """Package that a pattern begins with and that is not there → one that may be meant."""
    program: str = ""
    """The name of the program that was read, as patterns see it."""


def dry_run(config: Config, modules: Sequence[str] = (), script: str | None = None) -> DryRun:
    """Look at what the patterns of the settings would select.

    Args:
        config: The settings of the run.
        modules: Names of modules to import; packages with all that is in them and may be selected.
            Of a package's `__main__` only the code is read.
        script: Path of a program whose code is read, and whose imports are imported.

    Raises:
        TargetNotFound: There is no such module.
        CannotRun: The script is none.
        SyntaxError: The script's, as Python raises it.
    """
    looking = _Looking(config)
    folder = Path.cwd() if script is None else Path(os.path.realpath(script)).parent
    with _apart(config, str(folder)):
        if script is not None:
            looking.read(load_script(script))
        for name in modules:
            looking.take(name)
        looking.take_named_packages()
        looking.look_through()
    return looking.result


@contextmanager
def _apart(config: Config, folder: str) -> Iterator[None]:
    """Let modules be imported from a folder without a trace: nothing on disk, nothing on stdout,
    nothing configured.
    """
    before = sys.path[:], sys.argv[:], sys.dont_write_bytecode, sys.stdin
    sys.path.insert(0, folder)
    sys.argv = ["tradespan"]
    sys.dont_write_bytecode = True
    collecting = gc.isenabled()
    gc.disable()  # what imports make stays: looking through it again and again takes a third longer
    runtime = configure_from(override_config(config, {"disabled": True}, "targets"), injected=True)
    try:
        with (
            Path(os.devnull).open() as sys.stdin,
            redirect_stdout(sys.stderr),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.path[:], sys.argv, sys.dont_write_bytecode, sys.stdin = before
        if not runtime.enabled:  # else somebody else's
            runtime.shutdown()
        if collecting:
            gc.enable()


class _Looking:
    """One dry run while it goes on."""

    def __init__(self, config: Config) -> None:
        self.result = DryRun(Survey(config))
        self._selection = self.result.survey.selection
        self._before = set(sys.modules)
        self._asked: set[str] = set()
        """Modules whose own subtree is looked through, also where we had imported it before."""

    def read(self, program: Program) -> None:
        """Read a program's code, and import what it would."""
        source = _source_of(program)
        package = str(program.facts.get("__package__") or "")
        written = Written(program.code, source, program.known_as, package)
        self.result.program = program.known_as
        self.result.survey.look_at_program(written, program.known_as)
        for name, parts in written.imports():
            self._import_as_it_would(name, parts)

    def take(self, name: str) -> None:
        """Import a module that was asked for, and what is in it.

        Raises:
            TargetNotFound: There is no such module.
        """
        package = name.removesuffix(f".{_MAIN}")
        module = self._import(package)
        if module is None:
            return
        if hasattr(module, "__path__") and _finds(f"{package}.{_MAIN}"):
            self.read(load_module(package))
        if package == name:
            self._asked.add(package)
            self._walk(module)

    def take_named_packages(self) -> None:
        """Import the packages that the patterns' literal beginnings name."""
        known = {_MAIN, self.result.program.partition(".")[0]}
        for beginning in sorted(self._selection.beginnings):
            package = beginning.partition(".")[0]
            if not package or package in known:
                continue
            known.add(package)
            if not _finds(package):
                self.result.missing[package] = near_module(package)
                continue
            self._asked.add(package)
            if self._selection.may_select_in(package) and (module := self._import(package)):
                self._walk(module)

    def look_through(self) -> None:
        """Judge the functions of all that is imported now, and was not before or is asked for."""
        WATCHER.release()  # what the modules themselves may have asked for
        survey = self.result.survey
        for name, module in list(sys.modules.items()):
            if type(name) is not str or not issubclass(type(module), ModuleType):
                continue
            if name in self._before and not any(
                f"{name}.".startswith(f"{asked}.") for asked in self._asked
            ):
                continue
            if survey.selection.may_select_in(name):
                self.result.modules.append(name)
            survey.look_at_module(module, name)

    def _walk(self, package: ModuleType) -> None:
        """Import what is in a package, as far as a pattern may select in it."""
        with suppress(Exception):  # a module's `__path__` may be anything
            for found in list(pkgutil.iter_modules(package.__path__, f"{package.__name__}.")):
                self._selection.near.add(found.name)
                part = found.name.rpartition(".")[2]
                hidden = part == _MAIN or part in _TESTS or part.startswith("test_")
                if part == _MAIN or (hidden and not self._selection.names(part)):
                    continue
                if self._selection.may_select_in(found.name):
                    module = self._import(found.name)
                    if module is not None and found.ispkg:
                        self._walk(module)

    def _import_as_it_would(self, name: str, parts: Sequence[str]) -> None:
        """Import what an import statement does, as far as a pattern may select in it."""
        if not self._selection.may_select_in(name) or name in self.result.failed:
            return
        module = None
        with suppress(TargetNotFound):  # the statement may be one that is not reached, or caught
            module = self._import(name)
        for part in parts if hasattr(module, "__path__") else ():
            inner = f"{name}.{part}"
            if self._selection.may_select_in(inner) and _finds(inner):
                self._import_as_it_would(inner, ())

    def _import(self, name: str) -> ModuleType | None:
        """A module; None where its import fails, which is noted.

        Raises:
            TargetNotFound: There is none of this name.
        """
        try:
            return importlib.import_module(name)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a module's code raises, SystemExit too
            if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
                missing = error.name or name
                raise TargetNotFound(missing, "module", near_module(missing)) from None
            told = " ".join(str(error).split())
            self.result.failed[name] = f"{type(error).__name__}: {told}" if told else repr(error)
            return None


def _finds(name: str) -> bool:
    try:
        return name in sys.modules or importlib.util.find_spec(name) is not None
    except Exception:  # noqa: BLE001 - finders and parents may raise anything
        return False


def _source_of(program: Program) -> str | None:
    """A program's text, if there is one."""
    loader, spec = program.facts.get("__loader__"), program.facts.get("__spec__")
    with suppress(Exception):
        source: str | None = loader.get_source(_MAIN if spec is None else spec.name)  # type: ignore[union-attr]
        return source
    return None
