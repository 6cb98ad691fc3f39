"""What people see: aligned, safe, coloured where it is wished; nothing unless it is asked for."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.signals.logs.builders import logged, make_logger

LINE = re.compile(r"\d\d:\d\d:\d\d\.\d{3}  WARNING   bot                   sold  quantity=5\n")
PROGRAM = """
import pathlib, sys, logging
from tradespan.config import resolve_config
from tests.support.captured import capture
from tradespan.signals.logs.capture import LOGS
context = capture(pathlib.Path(sys.argv[1])); context.__enter__()
given = {"logs.console": sys.argv[2]}
LOGS.start(resolve_config(given, environ={"HOME": "/"}, directory=pathlib.Path("/")).logs)
if sys.argv[3:]: logging.basicConfig(format="own %(message)s")
logging.getLogger("bot").warning("sold", extra={"quantity": 5})
"""


def show(folder: Path, *words: str, terminal: bool = False, **environ: str) -> str:
    """What a program that logs one line shows on standard error."""
    plain = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "TERM")}
    environment = {**plain, "TERM": "xterm", **environ}
    command = [sys.executable, "-c", PROGRAM, str(folder), *words]
    if not terminal:
        ended = subprocess.run(command, env=environment, capture_output=True, check=True)
        return ended.stderr.decode()
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as reader:
        subprocess.run(command, env=environment, stderr=theirs, check=True)
        os.close(theirs)
        return reader.read(65536).decode().replace("\r\n", "\n")


def test_nothing_is_shown_by_default_but_what_python_shows(tmp_path: Path) -> None:
    assert show(tmp_path, "off") == "sold\n"


def test_a_line_for_people_stands_in_for_pythons_bare_one(tmp_path: Path) -> None:
    assert LINE.fullmatch(show(tmp_path, "on"))


def test_a_line_for_people_comes_beside_what_the_programs_own_handlers_show(
    tmp_path: Path,
) -> None:
    first, second = show(tmp_path, "on", "own").splitlines(keepends=True)
    assert LINE.fullmatch(first)
    assert second == "own sold\n"


def test_auto_shows_lines_at_a_terminal_only(tmp_path: Path) -> None:
    assert show(tmp_path, "auto") == "sold\n"
    assert "bot" in show(tmp_path, "auto", terminal=True)


def test_auto_leaves_a_program_with_handlers_of_its_own_alone(tmp_path: Path) -> None:
    assert show(tmp_path, "auto", "own", terminal=True) == "own sold\n"


def test_colours_are_for_terminals_and_as_the_environment_wishes(tmp_path: Path) -> None:
    assert "\x1b[" in show(tmp_path, "on", terminal=True)
    assert "\x1b[" in show(tmp_path, "on", FORCE_COLOR="1")
    assert "\x1b[" not in show(tmp_path, "on", terminal=True, NO_COLOR="1")
    assert "\x1b[" not in show(tmp_path, "on", terminal=True, TERM="dumb")
    assert "\x1b[" not in show(tmp_path, "plain", terminal=True)
    assert "\x1b[" not in show(tmp_path, "plain", FORCE_COLOR="1")


def test_what_is_shown_is_safe_and_without_secrets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = make_logger("bot")
    with logged(tmp_path, console="plain"):
        log.warning("a\n2026 forged \x1b[31m", extra={"password": "hunter2"})
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert "a\\n2026 forged \\x1b[31m" in shown
    assert "hunter2" not in shown
    assert "password=***" in shown


def test_a_stream_that_fails_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = make_logger("bot")
    with logged(tmp_path, console="on", strict=False) as seen:
        for stream in (None, (tmp_path / "closed").open("w")):
            if stream is not None:
                stream.close()
            monkeypatch.setattr(sys, "stderr", stream)
            log.warning("x")
        monkeypatch.undo()
    assert seen.messages == ["x", "x"]
