"""Errors of ours are kept in, counted, and logged sparingly."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tradespan.core import guard


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


class FailingHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError("the host's handler is broken")


@pytest.fixture(autouse=True)
def lenient() -> Iterator[None]:
    before = guard.raise_errors(False)
    yield
    guard.raise_errors(before)


def test_keeps_an_error_in_and_counts_it() -> None:
    for _ in range(3):
        with guard.guarded("counting here"):
            raise ValueError("x")
    assert guard.counts["counting here", "ValueError"] == 3


def test_lets_what_is_no_error_of_ours_pass() -> None:
    with pytest.raises(KeyboardInterrupt), guard.guarded("passing"):
        raise KeyboardInterrupt


def test_logs_a_cause_once_however_often_it_comes(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(100):
        with guard.guarded("logging once"):
            raise ValueError("x")
    assert [record.getMessage() for record in caplog.records] == ["logging once: ValueError: x"]


def test_logs_another_cause_at_once(caplog: pytest.LogCaptureFixture) -> None:
    for error in (KeyError("k"), OSError("o")):
        with guard.guarded("two causes"):
            raise error
    assert len(caplog.records) == 2


def test_an_error_that_cannot_be_printed_does_not_get_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with guard.guarded("unspeakable"):
        raise Unspeakable
    assert caplog.messages == ["unspeakable: Unspeakable: <str() raised ValueError>"]


def test_a_failing_log_handler_of_the_host_does_not_get_out() -> None:
    handler = FailingHandler()
    guard.logger.addHandler(handler)
    try:
        with guard.guarded("a handler that fails"):
            raise ValueError("x")
    finally:
        guard.logger.removeHandler(handler)
    assert guard.counts["a handler that fails", "ValueError"] == 1


def test_raises_under_test() -> None:
    guard.raise_errors(True)
    with pytest.raises(ValueError, match="seen"), guard.guarded("strict"):
        raise ValueError("seen")


def test_a_message_passes_the_redactor_before_it_is_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_redact", str)  # and back, afterwards
    guard.redact_with(lambda text: text.replace("hunter2", "***"))
    with guard.guarded("redacting"):
        raise ValueError("password hunter2")
    assert caplog.messages == ["redacting: ValueError: password ***"]


def test_a_redactor_that_fails_shows_nothing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(text: str) -> str:
        raise KeyError(text)

    monkeypatch.setattr(guard, "_redact", fail)
    with guard.guarded("failing to redact"):
        raise ValueError("password hunter2")
    assert caplog.messages == ["failing to redact: ValueError: <str() raised KeyError>"]
