"""A root that can be none: each command that reads one says so, and who named it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tradespan.cli import main

COMMANDS = [
    ["audit"],
    ["conventions", "live"],
    ["deaths"],
    ["functions"],
    ["logs"],
    ["map", "check"],
    ["traces"],
    ["trace", "abcd"],
    ["ui"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_file_as_a_root_is_told_with_the_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    (tmp_path / "taken").write_text("")
    assert main([*command, "--root", str(tmp_path / "taken")]) == 2
    assert capsys.readouterr().err == (
        f"tradespan: The spool directory {tmp_path / 'taken'} (option --root) cannot be used:"
        " it is a file, not a folder.\n"
    )


def test_variable_that_names_a_file_is_told_by_spool_and_doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("TRADESPAN_ROOT", str(tmp_path / "taken"))
    says = f"{tmp_path / 'taken'} (environment TRADESPAN_ROOT) cannot be used: it is a file, not a"
    assert main(["spool", "status"]) == 2
    assert says in capsys.readouterr().err
    assert main(["doctor"]) == 1
    assert says in capsys.readouterr().out
