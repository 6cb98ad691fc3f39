"""How a child's end is put into `ended.json`."""

from __future__ import annotations

import os
import signal

import pytest

from tradespan.supervise import describe_end, name_signal


def end_of_child(*, status: int = 0, number: int = 0) -> int:
    """The wait status of a child that really ended so."""
    child = os.fork()
    if child == 0:
        if number:
            os.kill(os.getpid(), number)
        os._exit(status)
    return os.waitpid(child, 0)[1]


def test_exit_status() -> None:
    told = describe_end(7, end_of_child(status=3), 100, None)
    assert (told["pid"], told["exit_code"], told["signal"]) == (7, 3, None)
    assert (told["peak_memory"], told["oom_kills"]) == (102_400, None)
    assert told["core_dumped"] is False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1])
def test_signal(number: signal.Signals) -> None:
    told = describe_end(7, end_of_child(number=number), 100, 0)
    assert (told["exit_code"], told["signal"]) == (None, number.name)


def test_signals_without_a_name_have_their_number() -> None:
    assert name_signal(signal.SIGRTMIN + 3) == f"signal {signal.SIGRTMIN + 3}"
