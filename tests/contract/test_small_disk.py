"""A real file system of four MiB and a receiver that is away: the bot fills it and runs on.

The receiver comes back when records were discarded. What was recorded is delivered then, or counted
with its reason, to the record.
"""

from __future__ import annotations

import itertools
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from tests.contract.desk import TRADESPAN, Desk, Program, eventually
from tests.support.faults import Refuse
from tests.support.receiver import Receiver
from tradespan.spool.discarded import DiscardedSegment

CALLS, MORE = 60_000, 2_000
BOT = f"""
    import sys

    def work(number, text):
        if number % 50 == 0:
            raise ValueError(number)

    def call(number):
        try:
            work(number, "." * 100)
        except ValueError:
            pass

    def beat(error):
        return 1 / (1 - error)

    for number in range({CALLS}):
        call(number)
    print("filled", flush=True)
    sys.stdin.readline()
    for number in range({CALLS}, {CALLS + MORE}):
        call(number)
    print("done", flush=True)
    while sys.stdin.readline() == "again\\n":
        beat(0)
        try:
            beat(1)
        except ZeroDivisionError:
            pass
    """
SETTINGS = {
    "TRADESPAN_METRICS": "false",  # their readings are records too
    "TRADESPAN_SEGMENT_FIRST": "64KiB",
    "TRADESPAN_SEGMENT_LAST": "256KiB",
    "TRADESPAN_MEMORY_RECORDS": "3000",
    "TRADESPAN_RETRY_SCALE": "0.05",
    "TRADESPAN_DRAIN": "25s",
    "TRADESPAN_MAX_OVERHEAD": "0",  # every call is to be a record
}


def start_on_small_disk(desk: Desk, command: str) -> Program:
    """A shell command with a tmpfs of 4 MiB at the root, that nobody else sees."""
    if sys.platform != "linux" or shutil.which("unshare") is None:
        pytest.skip("needs Linux and unshare, to mount a file system of its own")
    desk.root.mkdir()
    mount = f"mount -t tmpfs -o size=4m,mode=700 tmpfs {shlex.quote(str(desk.root))}"
    alone = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    probe = subprocess.run([*alone, "sh", "-c", mount], capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip(
            "no file system may be mounted here; tests/unit/forward/test_limits.py has an injected"
            f" disk: {probe.stderr.decode().strip()}"
        )
    return desk.start(*alone, "sh", "-c", f"{mount} && {command}", environment=SETTINGS)


def discarded_below(root: Path) -> list[DiscardedSegment]:
    """What is left of discarded segments, seen through the mount namespace of a process."""
    names = [path.name for path in root.glob("runs/*/*.gone")]
    return [each for name in names if (each := DiscardedSegment.parse(name)) is not None]


def beat_arrives(program: Program, receiver: Receiver, beats: Iterator[int]) -> bool:
    """Have the bot record a call and an error; whether one of each has come through by now."""
    program.say("again")
    next(beats)
    seen = {span.status_code for span in receiver.spans if span.name == "bot.beat"}
    return {Status.STATUS_CODE_UNSET, Status.STATUS_CODE_ERROR} <= seen


def test_small_disk_that_fills_costs_records_by_their_count_and_the_bot_nothing(
    desk: Desk, receiver: Receiver
) -> None:
    receiver.play(Refuse(503), times=None)
    bot = desk.write("bot.py", BOT)
    copy = desk.folder / "copy"
    run = f"{TRADESPAN} run --root {desk.root} --no-store --endpoint {receiver.address}"
    run += f" -i 'bot\\.(work|beat)' {bot}"
    program = start_on_small_disk(
        desk,
        f"{run}; status=$?; cp -r {desk.root}/runs {copy}; exit $status",
    )
    assert program.line() == "filled"
    seen = Path(f"/proc/{program.pid}/root{desk.root}")
    gone = eventually(lambda: discarded_below(seen), "a discarded segment")
    receiver.recover()
    eventually(lambda: shutil.disk_usage(seen).free > 2 << 20, "space again")
    program.say("go on")
    assert program.line() == "done"
    # The end waits half a second for an answer, which a busy machine may not give in time: before
    # it, the receiver has a record of either lane that came after all others.
    beats = itertools.count(1)
    eventually(lambda: beat_arrives(program, receiver, beats), "a late call of both lanes")
    program.say("end")
    all_calls = CALLS + MORE + 2 * (next(beats) - 1)
    ended = program.end(within=60)
    assert ended.status == 0, ended.err

    (drained,) = copy.glob("*/drained.json")
    books: dict[str, Any] = json.loads(drained.read_text())
    spans, *_ = sorted(books["sinks"], key=len)
    line = books["sinks"][spans]
    assert {each.reason for each in gone} == {"low_disk"}
    assert line["discarded"].keys() == {"low_disk"}
    assert line["discarded"]["low_disk"] > 0
    assert books["complete"] is True, books
    assert books["recorded"] == all_calls, "the bot's calls, whatever became of them"
    assert (line["unaccounted"], line["on_disk"], books["in_memory"]) == (0, 0, 0)
    lost = sum(line["discarded"].values()) + sum(books["discarded"].values())
    assert line["accepted"] == all_calls - lost
    received = {span.span_id for span in receiver.spans}
    assert len(received) == line["accepted"]
    # Memory was full and gave back what it still held: nobody was held up until there was space.
    assert books["discarded"].keys() == {"overflow"}
    ordinary, error = books["lanes"]["ordinary"], books["lanes"]["error"]
    assert ordinary["recovered"] > 1_000
    # No error went for an ordinary record.
    assert error["recorded"] == (CALLS + MORE) // 50 + (all_calls - CALLS - MORE) // 2
    assert error["discarded"] == {}
    assert error["sinks"][spans]["discarded"] == {}
    assert not any(sink["unaccounted"] for sink in books["sinks"].values())
    assert f"{line['discarded']['low_disk']:,} spans for {receiver.address} disc" in ended.err
    overflow = books["discarded"]["overflow"]
    assert f"{overflow:,} records discarded before anybody had them: overflow\n" in ended.err
