"""Facts of other processes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tradespan.core.process import is_alive, process_start


def test_we_are_alive_and_the_one_that_started_then() -> None:
    start = process_start(os.getpid())
    assert start > 0
    assert is_alive(os.getpid())
    assert is_alive(os.getpid(), start)


def test_another_start_time_is_another_process() -> None:
    assert not is_alive(os.getpid(), process_start(os.getpid()) + 1)


def test_a_process_that_ended_is_not_alive() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert not is_alive(child.pid)
    assert process_start(child.pid) == 0


def test_a_process_nobody_has_waited_for_is_not_alive() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(pid)
    os.waitpid(pid, 0)


def test_a_name_with_spaces_and_parentheses_is_read_past() -> None:
    code = "open('/proc/self/comm', 'w').write(') R 1 (x'); input()"
    with subprocess.Popen(
        [sys.executable, "-c", f"{code}; print()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert is_alive(child.pid, process_start(child.pid))
        child.communicate(b"\n")


@pytest.mark.parametrize("pid", [0, -1, 1 << 31, 1 << 40])
def test_what_no_process_can_be_called_is_not_alive(pid: int) -> None:
    assert not is_alive(pid)
