"""The audit log in a terminal, and for programs."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.captured import capture
from tradespan.cli import main
from tradespan.signals.audit.log import AUDIT, FOLDER, audit
from tradespan.signals.slot import SIGNALS


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A root with three entries."""
    with capture(tmp_path / "run"):
        assert SIGNALS.spool is not None
        AUDIT.begin(tmp_path, SIGNALS.spool, service="bot", age=0, without_orders=False)
        audit("raise_limit", actor="ada", reason="new venue", before=5, after=10, symbol="AAPL")
        audit("halt", actor="bob\x1b[31m", category="safety")
        audit("TRADE_FILLED", category="order", legs={"qty": 5})
        AUDIT.end()
        yield tmp_path


def test_the_table_says_who_did_what_why_and_what_changed(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "--root", str(root)]) == 0
    heading, first, second, _ = capsys.readouterr().out.splitlines()
    assert heading.split()[2:] == ["category", "action", "actor", "service", "what"]
    assert "ada" in first
    assert first.endswith("new venue; 5 → 10; symbol=AAPL")
    assert "\x1b" not in second


def test_entries_are_chosen_by_category_action_and_number(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for options, expected in [
        (["--category", "order"], ["TRADE_FILLED"]),
        (["--action", "halt"], ["halt"]),
        (["-n", "1"], ["TRADE_FILLED"]),
        (["--since", "1h"], ["raise_limit", "halt", "TRADE_FILLED"]),
        (["--since", "0s"], []),
    ]:
        status = 0 if expected else 1
        assert main(["audit", "--root", str(root), "--json", *options]) == status
        printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [entry["action"] for entry in printed] == expected


def test_a_log_that_was_touched_is_told_of_and_is_exit_status_1(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = (root / FOLDER).iterdir()
    path.write_bytes(path.read_bytes().replace(b'"before":5', b'"before":9'))
    assert main(["audit", "--root", str(root)]) == 1
    captured = capsys.readouterr()
    assert "9 → 10" in captured.out
    assert f"{path.name}:1: it was changed after it was written" in captured.err


def test_a_root_without_entries_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "--root", str(tmp_path)]) == 0
    assert capsys.readouterr().err == f"tradespan: the audit log of {tmp_path} has no entry yet\n"


@pytest.mark.parametrize("json", [[], ["--json"]])
def test_entries_that_no_filter_leaves_are_a_no(
    root: Path, capsys: pytest.CaptureFixture[str], json: list[str]
) -> None:
    for words in (["--category", "none"], ["--action", "NONE"], ["--since", "0s"]):
        assert main(["audit", "--root", str(root), *words, *json]) == 1
        captured = capsys.readouterr()
        assert (captured.out, "has no entry that satisfies this" in captured.err) == ("", True)


def test_configure_writes_how_it_differs_from_the_defaults_without_secrets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = f"""
        import tradespan
        tradespan.configure(
            service="bot", root={str(tmp_path)!r}, store=None, max_overhead=0.1,
            otlp_headers="authorization=s3cr3t-token",
        )
        tradespan.events.emit_kill_switch("daily loss", -1200, -1000)
        """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert main(["audit", "--root", str(tmp_path), "--json"]) == 0
    printed = capsys.readouterr().out
    configured, stopped = map(json.loads, printed.splitlines())
    assert (configured["category"], configured["action"]) == ("configuration", "configure")
    assert configured["after"]["max_overhead"] == "0.1 (argument max_overhead)"
    assert "metrics.enabled" not in configured["after"]
    assert "s3cr3t" not in printed
    assert (stopped["action"], stopped["reason"]) == ("KILL_SWITCH_TRIGGERED", "daily loss")
