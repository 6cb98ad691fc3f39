"""Records that somebody takes away by hand are missed, to the record, and `doctor` says no."""

from __future__ import annotations

import json
from typing import Any

from tests.contract.desk import Desk
from tests.contract.test_receiver_down import free_port
from tests.unit.spool.builders import frame_offsets, overwrite, read_segment, segment_paths

BOT = """
    def work(number):
        return number

    for number in range(4_000):
        work(number)
    """


def lines_of(told: str) -> list[dict[str, Any]]:
    """Each sink's line in the books that `doctor --json` tells, that of spans first."""
    (books,) = (hop["books"] for hop in json.loads(told)["hops"] if "books" in hop)
    return [line for _, line in sorted(books["sinks"].items(), key=lambda each: len(each[0]))]


def test_deleted_and_damaged_segments_are_unaccounted_and_doctor_says_no(desk: Desk) -> None:
    bot = desk.write("bot.py", BOT)
    endpoint = f"http://127.0.0.1:{free_port()}"
    small = {"TRADESPAN_SEGMENT_FIRST": "64KiB", "TRADESPAN_SEGMENT_LAST": "64KiB"}
    small |= {"TRADESPAN_METRICS": "false"}  # readings of metrics are records, too
    words = ("-i", r"bot\.work", "--max-overhead", "0", "--no-store", "--endpoint", endpoint, bot)
    assert desk.run(*words, environment=small).status == 0
    doctor = ("doctor", "--json", "--root", desk.root)
    before = desk.tradespan(*doctor)
    assert before.status == 0, before.out
    spans, *others = lines_of(before.out)
    assert (spans["unaccounted"], spans["on_disk"], spans["others"]) == (0, 4_000, 0)
    for line in others:
        assert (line["unaccounted"], line["on_disk"], line["others"]) == (0, 0, 4_000)

    deleted, damaged = segment_paths(desk.folder_of_run.path)[1:3]
    removed = len(read_segment(deleted))
    deleted.unlink()
    whole = len(read_segment(damaged))
    for place in (5, 9, 12):
        overwrite(damaged, frame_offsets(damaged)[place] + 20, b"\xff" * 4)
    removed += whole - len(read_segment(damaged))
    assert removed > 100

    after = desk.tradespan(*doctor)
    assert after.status == 1
    spans, *others = lines_of(after.out)
    assert (spans["unaccounted"], spans["on_disk"]) == (removed, 4_000 - removed)
    # These had passed over all of it, or miss it too: nobody knows of what kind a lost record was.
    assert {line["unaccounted"] for line in others} <= {0, removed}
