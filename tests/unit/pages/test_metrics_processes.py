"""Metric pages of processes that are killed, and that fork."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from tests.support.fakes import NOON, SECOND
from tests.unit.pages.builders import DECIDE, calls_in, read_folder, totals_of
from tests.unit.spool.builders import python

CHILDREN = "tests.unit.pages.children"


def read_line(child: subprocess.Popen[bytes]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().decode().strip()


def test_killed_process_leaves_every_call_that_its_threads_counted(tmp_path: Path) -> None:
    with python("-m", CHILDREN, "count_together", str(tmp_path), "25000") as child:
        assert read_line(child) == "counted"
        child.kill()
    total = totals_of(tmp_path)[DECIDE.name]

    assert (total.counts.calls, total.counts.errors) == (100_000, 100_000)
    assert total.counts.total == 4 * sum(range(25_000))
    assert total.running == ()


def test_process_killed_while_it_counts_lacks_no_call_that_it_has_told(tmp_path: Path) -> None:
    told: dict[str, int] = {}
    with python("-m", CHILDREN, "count_and_tell", str(tmp_path)) as child:
        assert child.stdout is not None
        while min((told.get(name, 0) for name in "abcd"), default=0) < 200:
            name, number = read_line(child).split()
            told[name] = int(number)
        child.kill()
        for line in child.stdout:
            if line.endswith(b"\n"):
                name, number = line.decode().split()
                told[name] = int(number)
    counted = calls_in(tmp_path)

    assert all(counted[name] - told[name] in {0, 1} for name in "abcd"), (counted, told)


def test_forked_child_counts_from_zero_in_a_page_of_its_own(tmp_path: Path) -> None:
    with python("-m", CHILDREN, "fork", str(tmp_path)) as parent:
        lines = [read_line(parent).split() for _ in range(2)]
        told = {who: (int(pid), identity) for who, pid, identity in lines}
        pages = {r.page.writer: r for r in read_folder(tmp_path) if r.page is not None}
        for pid, _ in told.values():
            os.kill(pid, signal.SIGKILL)
    calls = {
        who: (reading.page.process_id, reading.page.created, reading.functions[0].counts.calls)
        for who, (_, identity) in told.items()
        if (reading := pages[identity]).page is not None
    }

    assert calls == {
        "parent": (told["parent"][0], NOON, 7),
        "child": (told["child"][0], NOON + 60 * SECOND, 3),
    }
    assert all(reading.page is not None and reading.page.alive for reading in pages.values())
