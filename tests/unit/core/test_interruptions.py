"""What comes up in our code and is the host's goes on to the host."""

from __future__ import annotations

import functools
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.captured import Captured, capture
from tradespan.core.interruptions import is_hosts
from tradespan.instrument.monitor import monitor


class Bell:
    """Raises in each way in which a handler may be made."""

    def ring(self, *_: Any) -> None:
        raise TimeoutError

    def __call__(self, *_: Any) -> None:
        raise TimeoutError


def ring(*_: Any) -> None:
    raise TimeoutError


HANDLERS: list[Callable[..., Any]] = [ring, Bell().ring, Bell(), functools.partial(ring, 1)]


@pytest.fixture
def restored() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("handler", HANDLERS, ids=["function", "method", "object", "partial"])
def test_what_a_signal_handler_raises_is_the_hosts(handler: Callable[..., Any]) -> None:
    signal.signal(signal.SIGUSR1, handler)
    with pytest.raises(TimeoutError) as raised:
        signal.raise_signal(signal.SIGUSR1)
    assert is_hosts(raised.value)


@pytest.mark.usefixtures("restored")
def test_the_same_exception_from_elsewhere_is_not() -> None:
    signal.signal(signal.SIGUSR1, Bell().ring)
    with pytest.raises(TimeoutError) as raised:
        ring()
    assert not is_hosts(raised.value)


def test_ctrl_c_is_and_an_exit_that_a_value_asks_for_is_not() -> None:
    assert is_hosts(KeyboardInterrupt())
    with pytest.raises(SystemExit) as raised:
        sys.exit(3)
    assert not is_hosts(raised.value)


@pytest.mark.usefixtures("restored")
def test_a_handlers_exception_in_the_middle_of_recording_reaches_the_caller(
    captured_softly: Captured,
) -> None:
    signal.signal(signal.SIGUSR1, ring)

    @monitor(serializer=lambda value: signal.raise_signal(signal.SIGUSR1) if value == 7 else "5")
    def poll(book: int) -> int:
        return book

    assert poll(5) == 5
    with pytest.raises(TimeoutError):
        poll(7)


@pytest.fixture
def captured_softly(tmp_path: Any) -> Iterator[Captured]:
    with capture(tmp_path, strict=False) as captured:
        yield captured


class Exits(Exception):
    def __str__(self) -> str:  # noqa: PLE0307 - it never returns
        sys.exit(3)


def exits(_value: Any) -> str:
    sys.exit(3)


def test_an_exit_asked_for_by_what_is_captured_ends_nobody(captured_softly: Captured) -> None:
    @monitor(serializer=exits)
    def work(fail: bool) -> int:
        if fail:
            raise Exits
        return 1

    assert work(False) == 1
    with pytest.raises(Exits):
        work(True)
    assert [span.failed for span in captured_softly.named("work")] == [False, True]


@pytest.mark.usefixtures("restored")
def test_a_call_interrupted_while_its_result_is_shown_is_recorded(
    captured_softly: Captured,
) -> None:
    @monitor(serializer=lambda _: signal.raise_signal(signal.SIGINT), capture={"args": False})
    def work() -> int:
        return 1

    # Whoever runs the tests in the background has it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt):
        work()
    assert captured_softly.one("work").record.duration >= 0
