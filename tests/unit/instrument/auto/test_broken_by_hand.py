"""What was found by trying to break functions that are watched in place, and the governor."""

from __future__ import annotations

import gc
import logging
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from types import FrameType, ModuleType

import pytest

from tests.support.captured import Captured
from tests.unit.instrument.auto.conftest import Configure, Write
from tests.unit.instrument.auto.test_governor_thread import wait_for
from tradespan.core import guard
from tradespan.instrument.auto.governor import GOVERNOR
from tradespan.instrument.auto.watcher import Watcher
from tradespan.instrument.context import CURRENT


@pytest.fixture
def governed(
    captured: Captured, write: Write, load: Callable[[str], ModuleType], config: Configure
) -> Iterator[ModuleType]:
    """A module that is watched, and the process's own governor."""
    write(loop="def step(n): return n")
    GOVERNOR.start(0.02)
    watcher = Watcher()
    module = load("loop")
    watcher.apply(config(include=[r"loop\..*"]))
    yield module
    GOVERNOR.stop()
    watcher.remove()


def test_a_log_line_of_the_governors_thread_leaves_no_thread_to_be_counted(
    governed: ModuleType, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = threading.active_count()
    looked = threading.Event()
    seen: list[int] = []

    def look(stop: object) -> None:
        if seen:
            looked.set()
        guard.logger.info("said")
        seen.append(threading.get_ident())

    monkeypatch.setattr(GOVERNOR, "look", look)
    with caplog.at_level(logging.INFO, "tradespan"):
        governed.step(1)
        assert looked.wait(30)
        assert GOVERNOR.pause()
        assert wait_for(lambda: threading.active_count() == before)
    assert "said" in caplog.text


class _Boom(Exception):
    pass


def test_no_span_stays_current_when_a_signal_handler_raises_as_it_is_made_current(
    captured: Captured, write: Write, load: Callable[[str], ModuleType], config: Configure
) -> None:
    write(loop="def step(n): return n")
    module = load("loop")
    watcher = Watcher()
    watcher.apply(config(include=[r"loop\..*"]))
    armed = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        if armed:
            raise _Boom

    before = signal.signal(signal.SIGALRM, interrupt)
    outside = CURRENT.get()
    try:
        module.step(1)
        binding = next(
            const for const in module.step.__code__.co_consts if hasattr(const, "set_current")
        )
        make_current = binding.set_current

        def interrupted(span: object) -> object:
            token = make_current(span)
            if armed:
                signal.raise_signal(signal.SIGALRM)
            return token

        binding.set_current, armed = interrupted, True
        with pytest.raises(_Boom):
            module.step(1)
        armed = False
        assert CURRENT.get() is outside
    finally:
        armed = False
        signal.signal(signal.SIGALRM, before)
        watcher.remove()


def test_a_handler_that_raises_while_the_thread_begins_leaves_no_signals_blocked(
    governed: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    ask = signal.pthread_sigmask

    def interrupted(how: int, signals: set[int]) -> set[int]:
        found = ask(how, signals)
        if how == signal.SIG_BLOCK and signals:
            raise KeyboardInterrupt
        return found

    with monkeypatch.context() as patched:
        patched.setattr(signal, "pthread_sigmask", interrupted)
        with pytest.raises(KeyboardInterrupt):
            governed.step(1)
    after = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    assert after == mask


@pytest.mark.xfail(
    strict=True, reason="code objects are not looked through by gc: a twin's binding holds globals"
)
def test_a_module_that_is_unloaded_is_gone(
    captured: Captured, write: Write, load: Callable[[str], ModuleType], config: Configure
) -> None:
    write(plugin="class Held: ...\nHELD = Held()\ndef step(n): return n")
    watcher = Watcher()
    watcher.apply(config(include=[r"plugin\..*"]))
    try:
        module = load("plugin")
        held = weakref.ref(module.HELD)
        del sys.modules["plugin"], module
        gc.collect()
        assert held() is None
    finally:
        watcher.remove()
