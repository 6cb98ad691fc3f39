"""`tradespan agent` as a service: several roots, one agent each, and an end that is on time."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import time
from pathlib import Path
from shutil import which

import pytest

from tests.contract.desk import TRADESPAN, Desk, Program, eventually, ids
from tests.support.faults import Hang, Refuse
from tests.support.receiver import Receiver
from tradespan.bootstrap.inject import is_helper
from tradespan.spool.folder import RunFolder, run_folders

BOT = """
    import sys
    import tradespan
    tradespan.configure(service="bot", root=sys.argv[1], forwarder="external", endpoint=sys.argv[2])

    @tradespan.monitor
    def work(number):
        return number

    for number in range(int(sys.argv[3]), int(sys.argv[4])):
        work(number)
    """
EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "service"


def record(desk: Desk, root: str, endpoint: str, first: int, end: int) -> None:
    """A bot that leaves its records to an agent."""
    script = desk.write("bot.py", BOT)
    ended = desk.python(script, root, endpoint, str(first), str(end))
    assert (ended.status, ended.err) == (0, "")


def start_agent(desk: Desk, *words: str) -> Program:
    return desk.start(TRADESPAN, "agent", *words)


def is_served(root: Path, program: Program) -> bool:
    lock = root / "agent.lock"
    return lock.exists() and lock.read_text().strip() == str(program.pid)


def test_one_agent_serves_the_roots_of_several_bots(desk: Desk, receiver: Receiver) -> None:
    agent = start_agent(desk, "one", "two")
    eventually(lambda: all(is_served(desk.folder / root, agent) for root in ("one", "two")))
    record(desk, "one", receiver.address, 0, 20)
    record(desk, "two", receiver.address, 20, 50)
    receiver.wait_for(lambda spans: len(spans) == 50)
    stores = [desk.folder / root / "store.db" for root in ("one", "two")]
    eventually(lambda: [len(desk.stored(store)) for store in stores] == [20, 30])
    agent.send(signal.SIGTERM)
    assert agent.end().status == 0


def test_root_that_another_agent_holds_is_said_with_process_and_since_when(desk: Desk) -> None:
    first = start_agent(desk, "root")
    eventually((desk.root / "agent.json").exists)
    second = desk.tradespan("agent", "free", "root")
    assert second.status == 1
    year = time.strftime("%Y-")
    assert f"root: process {first.pid} forwards since {year}" in second.err
    once = desk.tradespan("agent", "--once", "root")
    assert once.status == 1
    assert f"process {first.pid} forwards since {year}" in once.err
    third = start_agent(desk, "free")
    eventually(lambda: is_served(desk.folder / "free", third), "the free root to be free still")


def test_folder_that_is_no_root_is_refused(desk: Desk) -> None:
    desk.write("other/file.txt", "a user's")
    for words in (["other"], ["--once", "other"], ["--once", "missing"]):
        ended = desk.tradespan("agent", *words)
        assert ended.status == 2
        assert "cannot be used" in ended.err
    assert sorted(path.name for path in (desk.folder / "other").iterdir()) == ["file.txt"]
    assert not (desk.folder / "missing").exists()


def test_sigterm_ends_it_in_about_a_second_with_a_receiver_that_hangs(
    desk: Desk, receiver: Receiver
) -> None:
    receiver.play(Hang(), times=None)
    record(desk, "root", receiver.address, 0, 10)
    agent = start_agent(desk, "root")
    receiver.wait_for_requests(1)
    began = time.monotonic()
    agent.send(signal.SIGTERM)
    assert agent.end().status == 0
    assert time.monotonic() - began < 1.0 + 1.0, "a second; the rest is a slow machine's"
    receiver.recover()
    assert desk.tradespan("agent", "--once", "root").status == 0
    assert len(set(ids(receiver.spans))) == 10


def test_sighup_is_answered_and_changes_nothing(desk: Desk, receiver: Receiver) -> None:
    agent = start_agent(desk, "root")
    eventually(lambda: is_served(desk.root, agent))
    eventually((desk.root / "agent.json").exists)
    agent.send(signal.SIGHUP)
    agent.wait_for_err("SIGHUP: settings are read at the start only")
    record(desk, "root", receiver.address, 0, 3)
    receiver.wait_for(lambda spans: len(spans) == 3)
    agent.send(signal.SIGTERM)
    assert agent.end().status == 0


def test_service_manager_is_told_of_begin_and_end(desk: Desk, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        variables = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        agent = desk.start(TRADESPAN, "agent", "root", environment=variables)
        assert b"READY=1" in manager.recv(4096).split(b"\n")
        assert is_served(desk.root, agent)
        agent.send(signal.SIGTERM)
        assert manager.recv(4096) == b"STOPPING=1"
    assert agent.end().status == 0


def test_every_endpoint_gets_everything(desk: Desk, receiver: Receiver) -> None:
    with Receiver() as other:
        both = f"{receiver.address} {other.address}"
        record(desk, "root", both, 0, 20)
        ended = desk.tradespan(
            "agent", "root", "--once", "--endpoint", receiver.address, "--endpoint", other.address
        )
        assert ended.status == 0, ended.err
        assert ids(receiver.spans) == ids(other.spans) == ids(desk.stored())
        assert len(receiver.spans) == 20


# ── --once ──────────────────────────────────────────────────────────────────────────────────────


def test_once_tells_what_went_where(desk: Desk, receiver: Receiver) -> None:
    record(desk, "root", receiver.address, 0, 20)
    ended = desk.tradespan("agent", "--once", "root")
    assert ended.status == 0
    assert "tradespan: 20 records delivered to the store /" in ended.err
    assert f"20 records delivered to {receiver.address} (spans)" in ended.err
    again = desk.tradespan("agent", "--once", "root")
    assert (again.status, again.err) == (0, "tradespan: nothing waits\n")


def test_once_tells_what_stays_and_why(desk: Desk, receiver: Receiver) -> None:
    record(desk, "root", receiver.address, 0, 20)
    receiver.stop()
    ended = desk.tradespan("agent", "--once", "--json", "root")
    assert ended.status == 1
    (told,) = json.loads(ended.out)
    lines = {line["name"].rpartition("-")[0] or line["name"]: line for line in told["destinations"]}
    assert (lines["store"]["accepted"], lines["store"]["waiting"]) == (20, 0)
    assert (lines["otlp"]["accepted"], lines["otlp"]["waiting"]) == (0, 20)
    assert "refused" in lines["otlp"]["reason"]
    assert not told["good"]


def test_once_says_no_where_records_were_refused_for_good(desk: Desk, receiver: Receiver) -> None:
    record(desk, "root", receiver.address, 0, 5)
    receiver.play(Refuse(400), times=None)
    ended = desk.tradespan("agent", "--once", "root")
    assert ended.status == 1
    assert "5 refused for good, kept as dead letters (tradespan spool resend" in ended.err
    receiver.recover()
    assert desk.tradespan("spool", "resend", "root").status == 0
    assert len(receiver.spans) == 5


def test_once_for_one_run_leaves_the_others_alone(desk: Desk, receiver: Receiver) -> None:
    record(desk, "root", receiver.address, 0, 5)
    record(desk, "root", receiver.address, 5, 15)
    first, second = run_folders(desk.root)
    assert desk.tradespan("agent", "--once", first.path).status == 0
    assert len(receiver.spans) == 5
    assert first.segments() == []
    assert RunFolder(second.path).segments()
    assert not (first.path / "agent.lock").exists(), "the root's lock is the one"


# ── where runs go ───────────────────────────────────────────────────────────────────────────────


def test_receiver_of_the_agents_command_line_gets_runs_that_do_not_know_it(
    desk: Desk, receiver: Receiver
) -> None:
    with Receiver() as other:
        agent = start_agent(desk, "root", "--no-store", "--endpoint", other.address)
        eventually(lambda: is_served(desk.root, agent))
        record(desk, "root", receiver.address, 0, 20)
        receiver.wait_for(lambda spans: len(spans) == 20)
        other.wait_for(lambda spans: len(spans) == 20)
        eventually(lambda: not desk.folder_of_run.segments(), "segments to be deleted")
        agent.send(signal.SIGTERM)
        assert agent.end().status == 0
    assert not desk.store.exists()
    status = json.loads(desk.tradespan("spool", "status", "root", "--json").out)
    assert status["unaccounted"] == 0
    sinks = status["runs"][0]["books"]["sinks"]
    taken = [sink["accepted"] for name, sink in sinks.items() if "-metrics-" not in name]
    assert sorted(filter(None, taken)) == [20, 20]


def test_receiver_that_comes_too_late_for_a_run_makes_no_false_alarm(
    desk: Desk, receiver: Receiver
) -> None:
    record(desk, "root", receiver.address, 0, 20)
    assert desk.tradespan("agent", "--once", "root").status == 0
    with Receiver() as other:
        once = desk.tradespan("agent", "--once", "root", "--endpoint", other.address)
        assert once.status == 0, once.err
        assert other.spans == []
    assert desk.tradespan("spool", "status", "root").status == 0


# ── what it must not do ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["/usr/bin/python", "-P", "-m", "tradespan", "agent", "--attached", "/r"], True),
        (["/usr/bin/python", "/venv/bin/tradespan", "agent", "--once"], True),
        (["/usr/bin/python", "bot.py", "agent"], False),
        (["/usr/bin/python", "-m", "tradespan", "run", "agent.py"], False),
    ],
)
def test_agent_below_a_bot_is_not_recorded(command: list[str], expected: bool) -> None:
    assert is_helper(command) is expected


# ── the examples ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.skipif(which("systemd-analyze") is None, reason="no systemd here")
def test_unit_file_is_valid() -> None:
    words = ["systemd-analyze", "verify", "--man=no", str(EXAMPLES / "tradespan-agent.service")]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    complaints = [line for line in ended.stderr.splitlines() if "tradespan-agent" in line]
    # Where it is installed differs; all else has to be right.
    assert [line for line in complaints if "is not executable" not in line] == []


@pytest.mark.parametrize("name", ["tradespan-agent.service", "compose.yaml", "Containerfile"])
def test_options_of_the_examples_exist(desk: Desk, name: str) -> None:
    text = (EXAMPLES / name).read_text("utf-8")
    known = desk.tradespan("agent", "--help").out
    ours = re.findall(r"^ *(?:ExecStart=|CMD|command:).*", text, re.MULTILINE)
    options = {option for line in ours for option in re.findall(r"--[a-z-]+", line)}
    assert options
    assert {option for option in options if option not in known} == set()


def test_delivering_once_waits_for_no_verdict_of_a_run_that_goes_on(
    desk: Desk, receiver: Receiver
) -> None:
    script = desk.write("bot.py", BOT + "\n    print('up', flush=True)\n    sys.stdin.read()\n")
    bot = desk.start_python(script, "root", receiver.address, "0", "20")
    assert bot.line() == "up"
    patient = {"TRADESPAN_SAMPLING_SHARE": "0.5", "TRADESPAN_SAMPLING_WAIT": "600"}
    once = desk.tradespan("agent", "--once", "root", environment=patient)
    assert once.status == 0, once.err
    status = json.loads(desk.tradespan("spool", "status", "root", "--json").out)
    (run,) = status["runs"]
    assert run["books"]["sinks"]["store"]["on_disk"] == 0
    assert run["books"]["sinks"]["store"]["sampled"] + len(desk.stored()) == 20
    assert bot.end().status == 0
