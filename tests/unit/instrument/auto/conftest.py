"""Modules are written into a folder of the test's own, imported, watched, and forgotten again."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import pytest

from tradespan.config import Config, resolve_config
from tradespan.instrument.auto.watcher import Watcher

Write = Callable[..., Path]
Configure = Callable[..., Config]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on `sys.path`; what is imported from it is forgotten after the test."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)
    yield folder
    ours = {path.stem for path in folder.iterdir()}
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ours:
            del sys.modules[name]
    importlib.invalidate_caches()


@pytest.fixture
def write(project: Path) -> Write:
    """`write(bot="…", **{"desk.risk": "…"})`: modules by dotted name, packages as needed."""

    def write(**modules: str) -> Path:
        for name, code in modules.items():
            path = project.joinpath(*name.split("."))
            for parent in reversed(path.relative_to(project).parents[:-1]):
                (project / parent).mkdir(exist_ok=True)
                (project / parent / "__init__.py").touch()
            (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).write_text(
                dedent(code)
            )
        importlib.invalidate_caches()
        return project

    return write


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    watcher = Watcher()
    yield watcher
    watcher.remove()


@pytest.fixture
def config(tmp_path: Path) -> Configure:
    """`config(include=[…], exclude=[…], file="…")`: settings as a program would have them."""

    def decide(file: str = "", **arguments: object) -> Config:
        (tmp_path / "tradespan.toml").write_text(dedent(file))
        environ = {"HOME": str(tmp_path)}
        return resolve_config(arguments, environ=environ, directory=tmp_path)

    return decide


@pytest.fixture
def watch(watcher: Watcher, config: Configure) -> Callable[..., Watcher]:
    """Watch what the patterns name."""

    def watch(*include: str, exclude: tuple[str, ...] = (), file: str = "") -> Watcher:
        watcher.apply(config(file, include=list(include), exclude=list(exclude)))
        return watcher

    return watch


@pytest.fixture
def load(project: Path) -> Callable[[str], ModuleType]:
    return importlib.import_module


@pytest.fixture
def desk(write: Write, load: Callable[[str], ModuleType]) -> Callable[[str], ModuleType]:
    """A module of the given code, imported before anything is watched."""

    def make(code: str) -> ModuleType:
        write(desk=code)
        return load("desk")

    return make


@pytest.fixture(autouse=True)
def no_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that is written twice in one second is compiled twice."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
