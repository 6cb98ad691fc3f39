"""What several commands take, and how they refuse the rest."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tradespan.cli import main
from tradespan.cli.arguments import one_or_many
from tradespan.cli.demo import name_command


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("demo --for x", "expected a duration such as 30s, 10m, 2h or 1d"),
        ("demo --seed x", "argument --seed: invalid int value: 'x'"),
        ("traces --since 3x", "expected a duration"),
        ("spool purge --older-than x", "expected a duration"),
        ("deaths --limit 0", "'0' is no whole number from 1 up"),
        ("spool list --limit x", "'x' is no whole number from 1 up"),
    ],
)
def test_a_value_that_is_none_is_refused_in_one_voice(
    words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words.split())
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--json", "--drain 1s"])
def test_an_agent_that_serves_refuses_what_goes_with_once(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["agent", *option.split(), str(tmp_path)]) == 2
    assert capsys.readouterr().err.endswith(f"{option.split(maxsplit=1)[0]} goes with --once\n")


@pytest.mark.parametrize("command", ["run", "agent", "demo", "doctor"])
def test_receivers_may_be_named_again_wherever_they_are_named(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert "given again" in " ".join(capsys.readouterr().out.split("--endpoint")[-1].split())


def test_one_receiver_is_an_address_and_several_are_a_list() -> None:
    assert one_or_many(None) is None
    assert one_or_many(["a", "a"]) == "a"
    assert one_or_many(["a", "b", "a"]) == ["a", "b"]


def test_what_the_demo_says_to_type_is_there_to_be_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [".venv/bin/tradespan", "demo"])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert name_command() == ".venv/bin/tradespan"
    (tmp_path / "tradespan").touch(mode=0o755)
    assert name_command() == "tradespan"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("rnu bot.py", "tradespan: there is no command rnu; did you mean run?"),
        ("log", "tradespan: there is no command log; did you mean logs?"),
        ("bot.py", "tradespan: there is no command bot.py; did you mean tradespan run bot.py?"),
        ("xyzzy", "tradespan: there is no command xyzzy (tradespan --help lists them)"),
        (
            "demo --metric-port 1",
            "tradespan demo: there is no option --metric-port (tradespan demo --help says more)",
        ),
        (
            "functions bot.tick",
            "tradespan functions: bot.tick is too much (tradespan functions --help says more)",
        ),
        ("--nonsense", "tradespan: there is no option --nonsense (tradespan --help says more)"),
    ],
)
def test_a_word_that_is_none_of_ours_is_told_in_one_line(
    words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 2
    assert capsys.readouterr().err == f"{said}\n"
