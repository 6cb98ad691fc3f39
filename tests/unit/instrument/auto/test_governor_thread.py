"""The governor's thread: when it begins and ends, and what a forked child makes of it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

import tradespan
from tests.support.captured import Captured
from tests.unit.instrument.auto.conftest import Configure, Write
from tradespan.instrument.auto.governor import GOVERNOR
from tradespan.instrument.auto.inplace import Level
from tradespan.instrument.auto.watcher import Watcher

CODE = """
def step(n): return n
def other(n): return n
"""


@pytest.fixture
def governed(
    captured: Captured, write: Write, load: Callable[[str], ModuleType], config: Configure
) -> Iterator[ModuleType]:
    """A module that is watched, and the process's own governor."""
    write(loop=CODE)
    GOVERNOR.start(0.02)
    watcher = Watcher()
    module = load("loop")
    watcher.apply(config(include=[r"loop\..*"]))
    yield module
    GOVERNOR.stop()
    watcher.remove()


def wait_for(condition: Callable[[], bool]) -> bool:
    pause = threading.Event()
    for _ in range(3_000):
        if condition():
            return True
        pause.wait(0.01)
    return False


def is_watched_less(module: ModuleType) -> bool:
    for number in range(2_000):
        module.step(number)
    return any(each.governed.level < Level.FULL for each in GOVERNOR.units.copy().values())


def test_the_thread_begins_with_the_first_call_and_ends_when_told(governed: ModuleType) -> None:
    before = threading.active_count()
    assert not GOVERNOR.pause()
    governed.step(1)
    assert threading.active_count() == before
    assert wait_for(lambda: is_watched_less(governed))
    assert GOVERNOR.pause()
    assert not GOVERNOR.pause()


def test_the_thread_gets_no_signals(governed: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked: list[set[int]] = []
    looked = threading.Event()

    def look(stop: object) -> None:
        blocked.append({int(each) for each in signal.pthread_sigmask(signal.SIG_BLOCK, ())})
        looked.set()

    monkeypatch.setattr(GOVERNOR, "look", look)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    governed.step(1)
    assert looked.wait(30)
    assert GOVERNOR.pause()
    assert {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGUSR1} <= blocked[0]
    assert signal.SIGSEGV not in blocked[0]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_a_forked_child_has_one_of_its_own_and_its_parents_levels(governed: ModuleType) -> None:
    assert wait_for(lambda: is_watched_less(governed))
    levels = [each.governed.level for each in GOVERNOR.units.copy().values()]
    child = os.fork()
    if child == 0:
        status = 1
        try:
            inherited = [each.governed.level for each in GOVERNOR.units.values()] == levels
            stopped = not GOVERNOR.pause()

            def other_is_watched_less() -> bool:
                for number in range(2_000):
                    governed.other(number)
                return any(
                    each.governed.name == "loop.other" and each.governed.level < Level.FULL
                    for each in GOVERNOR.units.copy().values()
                )

            status = 0 if inherited and stopped and wait_for(other_is_watched_less) else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert GOVERNOR.pause()


def test_functions_that_are_only_decorated_begin_no_thread(captured: Captured) -> None:
    GOVERNOR.start(0.02)
    try:

        @tradespan.monitor
        def work() -> None: ...

        work()
        assert not GOVERNOR.pause()
    finally:
        GOVERNOR.stop()
