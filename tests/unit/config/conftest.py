"""Settings are decided in a home directory of the test's own, with no variable of the machine's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tradespan.config import Config, resolve_config

Resolve = Callable[..., Config]
WriteFile = Callable[[str], Path]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    directory = tmp_path / "home"
    directory.mkdir()
    return directory


@pytest.fixture
def project(home: Path) -> Path:
    """The working directory, below the home directory."""
    directory = home / "project"
    directory.mkdir()
    return directory


@pytest.fixture
def write_file(project: Path) -> WriteFile:
    """Write the project's tradespan.toml."""

    def write(text: str) -> Path:
        path = project / "tradespan.toml"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def resolve(home: Path, project: Path) -> Resolve:
    """`resolve(environ, **arguments)` as a program in the project would have it."""

    def run(
        environ: Mapping[str, str] | None = None,
        *,
        options: Mapping[str, Any] | None = None,
        **arguments: object,
    ) -> Config:
        return resolve_config(
            arguments,
            environ={"HOME": str(home), **(environ or {})},
            directory=project,
            **(options or {}),
        )

    return run
