"""`tradespan doctor`: each hop between a bot and its destinations; its status says no."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.receiver import Receiver
from tests.unit.forward.builders import Bot
from tradespan.cli import main
from tradespan.spool.folder import RootLock, replace_json


@pytest.fixture
def root(tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRADESPAN_ROOT", str(tmp_path / "root"))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.address)
    return tmp_path / "root"


@pytest.fixture
def doctor(root: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Calls the command; returns hop → whether it is good, and what is said."""

    def call(status: int) -> dict[str, tuple[bool, str]]:
        assert main(["doctor", "--json"]) == status
        hops = json.loads(capsys.readouterr().out)["hops"]
        found: dict[str, tuple[bool, str]] = {}
        for hop in hops:
            good, says = found.get(hop["hop"], (True, ""))
            found[hop["hop"]] = good and hop["good"], f"{says} {hop['says']}".strip()
        return found

    return call


@pytest.fixture
def agent(root: Path) -> Iterator[dict[str, Any]]:
    """This process holds the root's lock; what it says of itself is written by the test."""
    root.mkdir(mode=0o700)
    lock = RootLock(root)
    assert lock.try_acquire()
    yield {"pid": os.getpid(), "started": time.time(), "time": time.time(), "sinks": {}}
    lock.release()


def test_all_is_well_without_a_run(doctor: Any, receiver: Receiver) -> None:
    found = doctor(0)
    assert [hop for hop, (good, _) in found.items() if not good] == []
    assert "is writable" in found["spool"][1]
    assert "none runs now" in found["agent"][1]
    assert receiver.address in found["receiver"][1]


def test_receiver_that_does_not_answer_is_said(doctor: Any, receiver: Receiver) -> None:
    receiver.stop()
    assert doctor(1)["receiver"][0] is False


def test_agent_at_work_is_named(doctor: Any, root: Path, agent: dict[str, Any]) -> None:
    replace_json(root / "agent.json", agent)
    good, says = doctor(0)["agent"]
    assert good
    assert says.startswith(f"process {os.getpid()} forwards since 2")


def test_agent_that_says_nothing_any_more_is_stuck(
    doctor: Any, root: Path, agent: dict[str, Any]
) -> None:
    replace_json(root / "agent.json", agent | {"time": time.time() - 60})
    good, says = doctor(1)["agent"]
    assert not good
    assert "it has said nothing for 6" in says


def test_destination_that_the_agent_cannot_reach_is_said(
    doctor: Any, root: Path, agent: dict[str, Any]
) -> None:
    sink = {"address": "http://far/v1/traces", "failing": True, "last_error": "HTTP 503"}
    problems = {"/elsewhere/store.db": "no space"}
    replace_json(root / "agent.json", agent | {"sinks": {"otlp-1": sink}, "problems": problems})
    good, says = doctor(1)["agent"]
    assert not good
    assert "http://far (spans) does not accept: HTTP 503" in says
    assert "/elsewhere/store.db cannot be opened: no space" in says


def test_books_that_do_not_balance_are_said(doctor: Any, root: Path, receiver: Receiver) -> None:
    bot = Bot(root / "runs" / "one")
    bot.folder.path.mkdir(parents=True)
    root.chmod(0o700)
    bot.folder.describe(destinations=[["otlp", receiver.url]])
    bot.record(200)
    assert doctor(0)["run one"][0]
    bot.close()
    (lost, *_) = bot.folder.segments()
    (bot.folder.path / str(lost)).unlink()
    good, says = doctor(1)["run one"]
    assert not good
    assert "UNACCOUNTED" in says
    assert f"{receiver.address} (spans): delivered 0" in says
    assert "otlp-" not in says


def test_place_in_brackets_is_printed_as_it_is(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Bot(root / "runs" / "one").folder
    folder.path.mkdir(parents=True)
    root.chmod(0o700)
    folder.describe(destinations=[["logfile", "/logs/[bot].log"]])
    assert main(["doctor"]) == 0
    assert "/logs/[bot].log (log lines): delivered 0" in capsys.readouterr().out


def test_root_that_cannot_be_written_is_said(doctor: Any, root: Path) -> None:
    root.write_text("a file")
    good, says = doctor(1)["spool"]
    assert not good
    assert f"{root} (environment TRADESPAN_ROOT) cannot be used: it is a file" in says
