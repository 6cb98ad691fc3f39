"""What is measured does what its row says."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

from benchmarks import calls, subjects
from benchmarks.functions import DEPTH
from benchmarks.recording import Recording, Sdk
from tests.support.captured import capture
from tradespan.spool.folder import RunFolder

SPANS = {
    '`@monitor(capture="none")` in another: both': 2,
    "`@monitor(sample_rate=0)`": 0,
    "`@monitor(sample_rate=0, metrics=False)`": 0,
}
"""Of one call, where it is not one."""


def test_each_subject_writes_its_record_into_the_mapped_file(tmp_path: Path) -> None:
    with capture(tmp_path / "spool") as captured:
        for key, call in subjects.our_calls(captured.tracer).items():
            before = len(captured.spans)
            call()

            assert len(captured.spans) - before == SPANS.get(key, 1), key


def test_what_is_raised_comes_from_the_depth_that_is_named(tmp_path: Path) -> None:
    with capture(tmp_path / "spool") as captured:
        subjects.our_calls(captured.tracer)["`@monitor`, raising at depth 10"]()

    assert len([name for name in captured.one().frames if "fail" in name]) >= DEPTH


def test_a_secret_in_a_message_is_hidden_in_what_is_measured(tmp_path: Path) -> None:
    with capture(tmp_path / "spool") as captured:
        subjects.our_calls(captured.tracer)["`@monitor`, raising with a secret in the message"]()

    assert "k-4711" not in captured.one().failure.message


def test_each_case_names_subjects_that_there_are() -> None:
    with asyncio.Runner() as runner:
        sdk = Sdk()
        found = subjects.bare_subjects() + subjects.sdk_subjects(sdk, runner)
        sdk.provider.shutdown()
    keys = {subject.key for subject in found}
    ours = set(subjects.our_calls(sdk.tracer))
    coroutines = {
        f"{key}, {way}"
        for key in subjects.our_coroutines()
        for way in ("driven by hand", "awaited in asyncio")
    }

    for case in calls.CASES:
        assert case.subject in keys | ours | coroutines
        assert not case.against or case.against in keys
        assert not case.bare or case.bare in keys
        assert case.at_most is None or case.why


def test_full_segments_are_swept_away_and_open_ones_stay(tmp_path: Path) -> None:
    with capture(tmp_path / "spool") as captured:
        recording = Recording(RunFolder(captured.folder), captured.tracer)
        made = subjects.our_calls(captured.tracer)
        made["`@monitor`, raising at depth 10"]()
        while len(recording.folder.segments()) < 3:
            made["`@monitor`, two strings of 1,000 characters"]()
        newest = recording.folder.segments()[-1]

        recording.sweep()
        made["`@monitor`"]()

        left = recording.folder.segments()
        assert newest in left
        assert len(left) == 2  # one of each lane
        assert captured.spans[-1].name.endswith("empty")


def test_a_run_prints_its_rows_for_programs() -> None:
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only", "passthrough", "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)

    told = json.loads(done.stdout)
    names = [row["name"] for row in told["rows"]]
    assert names == ["empty call", "closure passthrough", "wrapt passthrough"]
    assert all(row["cost"] > 0 for row in told["rows"])
    assert told["machine"]["Python"].endswith(sys.version.split()[0])
