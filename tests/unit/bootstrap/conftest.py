"""Programs are run twice: by Python alone, and as `tradespan run` starts them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

from tests.support.captured import CapturedSpan, read_spans
from tradespan.bootstrap.environment import bot_environment
from tradespan.config import resolve_config
from tradespan.spool.folder import RunFolder

TIMEOUT = 60.0


@dataclass(frozen=True)
class End:
    """How a process ended."""

    status: int
    out: str
    err: str


class Project:
    """A folder with a program, and the root that its spans go to."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.folder = folder
        self.root = root
        kept = ("PATH", "LANG", "LC_ALL", "TMPDIR")
        self.environment = {name: os.environ[name] for name in kept if name in os.environ}
        self.environment |= {"HOME": str(folder.parent), "PYTHONDONTWRITEBYTECODE": "1"}

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text))

    def bare(self, *command: str, variables: Mapping[str, str] | None = None) -> End:
        """`python COMMAND…`, without us."""
        return self.execute([sys.executable, *command], variables)

    def launch(
        self,
        *command: str,
        include: tuple[str, ...] = (),
        stdin: str = "",
        variables: Mapping[str, str] | None = None,
    ) -> End:
        """`COMMAND…` as `tradespan run` starts it, without supervisor and agent."""
        given = self.environment | dict(variables or {})
        arguments = {"include": list(include), "root": str(self.root)}
        config = resolve_config(arguments, environ=given, directory=self.folder)
        run = RunFolder.create(self.root, "test")
        run.describe(service="test")
        kind, rest = ("--module", command[1:]) if command[0] == "-m" else ("--script", command)
        launch = [sys.executable, "-m", "tradespan.bootstrap.launch", kind, *rest]
        return self.execute(launch, bot_environment(config, run, given), stdin)

    def run(
        self, *command: str, stdin: str = "", variables: Mapping[str, str] | None = None
    ) -> End:
        """`tradespan run OPTION… COMMAND…`: the whole of it, but for a store."""
        tradespan = str(Path(sys.executable).with_name("tradespan"))
        options = ["run", "--root", str(self.root), "--no-store", "--no-ui"]
        return self.execute([tradespan, *options, *command], variables, stdin)

    def execute(
        self, command: list[str], variables: Mapping[str, str] | None = None, stdin: str = ""
    ) -> End:
        """A command, in the project's folder and environment."""
        end = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment | dict(variables or {}),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        return End(end.returncode, end.stdout, end.stderr)

    @property
    def spans(self) -> list[CapturedSpan]:
        return read_spans(self.root)

    @property
    def names(self) -> list[str]:
        return [span.name for span in self.spans]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "project"
    folder.mkdir()
    return Project(folder, tmp_path / "root")
