"""What a call that raises records: status, the exception, where it passed; and what is no error."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest

from tests.support.captured import Captured
from tradespan.capture.failure import MOST_EXCEPTIONS, MOST_FRAMES, MOST_MESSAGE
from tradespan.core import guard
from tradespan.core.records import Failure
from tradespan.instrument.monitor import monitor


class OrderRejected(Exception):
    def __init__(self, reason: str, code: int) -> None:
        super().__init__(reason, code)
        self.reason = reason

    def __str__(self) -> str:
        return f"rejected: {self.reason}"


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def reject() -> NoReturn:
    raise OrderRejected("no margin", 7)


@monitor
def submit() -> None:
    reject()


@monitor
def raise_it(error: BaseException) -> None:
    raise error


@pytest.fixture
def lenient() -> Iterator[None]:
    before = guard.raise_errors(False)
    yield
    guard.raise_errors(before)


def record(captured: Captured, error: Exception) -> Failure:
    with pytest.raises(type(error)) as raised:
        raise_it(error)
    assert raised.value is error
    return captured.one("raise_it").failure


def test_the_caller_gets_the_exception_itself(captured: Captured) -> None:
    with pytest.raises(OrderRejected) as raised:
        submit()
    names = [frame.name for frame in traceback.extract_tb(raised.value.__traceback__)]
    assert names[-2:] == ["submit", "reject"]


def test_a_failed_call_has_status_error_and_an_exception_event(captured: Captured) -> None:
    with pytest.raises(OrderRejected):
        submit()
    span = captured.one()
    assert span.failed
    assert span.record.status_message == "OrderRejected: rejected: no margin"
    assert span.failure.type == f"{__name__}.OrderRejected"
    assert span.failure.message == "rejected: no margin"
    assert span.failure.escaped
    assert span.record.start <= span.events[0].time <= span.record.end


def test_a_failed_call_goes_by_the_error_lane(captured: Captured) -> None:
    with pytest.raises(OrderRejected):
        submit()
    assert captured.one().lane.name == "ERROR"


def test_the_frames_are_the_programs_own(captured: Captured) -> None:
    @monitor
    def outer() -> None:
        submit()

    with pytest.raises(OrderRejected) as raised:
        outer()
    prefix = "test_the_frames_are_the_programs_own.<locals>."
    assert captured.one("outer").frames == [f"{prefix}outer", "submit", "reject"]
    assert captured.one("submit").frames == ["submit", "reject"]
    # A wrapper's frame goes by its function's name, above the function's own.
    real = {
        frame.name: (frame.filename, frame.lineno)
        for frame in traceback.extract_tb(raised.value.__traceback__)
    }
    recorded = captured.one("outer").failure.frames
    assert [(frame.file, frame.line) for frame in recorded] == list(real.values())[1:]


def test_builtin_exceptions_are_named_as_python_names_them(captured: Captured) -> None:
    assert record(captured, ValueError("x")).type == "ValueError"


def test_a_key_error_says_what_python_says(captured: Captured) -> None:
    assert record(captured, KeyError("price")).message == "'price'"


def test_an_exception_without_arguments_has_no_message(captured: Captured) -> None:
    assert record(captured, ValueError()).message == ""
    assert captured.one().record.status_message == "ValueError: "


def test_a_broken_str_is_named_and_stays_inside(captured: Captured, lenient: None) -> None:
    assert record(captured, Unspeakable()).message == "<str() raised RuntimeError>"


def test_exceptions_whose_attributes_fail_do_not_replace_the_error(
    captured: Captured, lenient: None
) -> None:
    class Hostile(Exception):
        @property
        def args(self) -> Any:  # type: ignore[override]
            raise RuntimeError("no args")

        @property
        def __cause__(self) -> Any:  # type: ignore[override]
            raise RuntimeError("no cause")

    assert record(captured, Hostile()).type.endswith("Hostile")
    assert captured.one().failed


def test_messages_are_redacted(captured: Captured) -> None:
    error = ValueError("login failed: api_key=abcdef123, url https://bob:hunter2@host/")
    message = record(captured, error).message
    assert message == "login failed: api_key=***, url https://bob:***@host/"
    assert captured.one().record.status_message == f"ValueError: {message}"


def test_long_messages_are_cut(captured: Captured) -> None:
    message = record(captured, ValueError("x" * 1_000_000)).message
    assert message == "x" * MOST_MESSAGE + "…"


def test_a_message_that_utf8_does_not_have_is_recorded(captured: Captured) -> None:
    message = record(captured, FileNotFoundError("no file '\udcff.csv'")).message
    assert message == "no file '?.csv'"


def test_a_cause_is_kept_and_its_context_is_not_told_twice(captured: Captured) -> None:
    @monitor
    def wrap() -> None:
        try:
            reject()
        except OrderRejected as error:
            raise ValueError("cannot trade") from error

    with pytest.raises(ValueError, match="cannot trade"):
        wrap()
    failure = captured.one().failure
    assert failure.cause is not None
    assert failure.cause.message == "rejected: no margin"
    assert [frame.name for frame in failure.cause.frames][-1] == "reject"
    assert failure.context is None


def test_a_context_is_kept_unless_it_is_suppressed(captured: Captured) -> None:
    @monitor
    def stumble(quietly: bool) -> None:
        try:
            reject()
        except OrderRejected:
            if quietly:
                raise ValueError("second") from None
            raise ValueError("second")  # noqa: B904 - this is what is tested

    for quietly in (False, True):
        with pytest.raises(ValueError, match="second"):
            stumble(quietly)
    loud, quiet = (span.failure for span in captured.named("stumble"))
    assert loud.context is not None
    assert loud.context.type.endswith("OrderRejected")
    assert (quiet.context, quiet.cause) == (None, None)


def test_members_of_a_group_are_kept(captured: Captured) -> None:
    group = ExceptionGroup("two legs", [ValueError("first"), OrderRejected("second", 1)])
    failure = record(captured, group)
    assert failure.message == "two legs (2 sub-exceptions)"
    assert [member.message for member in failure.members] == ["first", "rejected: second"]


def count(failure: Failure) -> int:
    nested = [failure.cause, failure.context, *failure.members]
    return 1 + sum(count(other) for other in nested if other is not None)


def test_a_circular_chain_ends(captured: Captured) -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert count(record(captured, first)) == 2


def test_groups_in_groups_are_bounded(captured: Captured) -> None:
    group: Exception = ValueError("leaf")
    for _ in range(8):
        group = ExceptionGroup("level", [group, *(ValueError(str(n)) for n in range(50))])
    assert count(record(captured, group)) <= MOST_EXCEPTIONS


def test_a_deep_traceback_keeps_both_its_ends(captured: Captured) -> None:
    def dive(n: int) -> None:
        if n == 0:
            reject()
        dive(n - 1)

    @monitor
    def start() -> None:
        dive(300)

    with pytest.raises(OrderRejected):
        start()
    frames = captured.one().failure.frames
    assert len(frames) == MOST_FRAMES + 1
    assert frames[0].name.endswith("start")
    assert frames[-1].name == "reject"
    assert [frame.name for frame in frames if frame.line == 0] == ["239 more frames"]


def test_running_out_of_stack_is_the_programs_error_not_ours(captured: Captured) -> None:
    @monitor
    def forever(n: int) -> int:
        return forever(n + 1)

    with pytest.raises(RecursionError):
        forever(0)
    assert 100 < len(captured.named("forever")) < sys.getrecursionlimit()


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError()]
)
def test_what_is_no_error_is_only_named(captured: Captured, error: BaseException) -> None:
    with pytest.raises(type(error)):
        raise_it(error)
    span = captured.one()
    assert not span.failed
    assert span.events == []
    assert span.own == {"tradespan.ended_by": type(error).__name__}


def test_a_call_that_does_not_fit_the_signature_is_pythons_to_refuse(captured: Captured) -> None:
    class Book:
        @monitor
        def add(self, price: float, size: int) -> None: ...

    add: Any = Book.add
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((), {}),
        ((Book(),), {}),
        ((Book(), 1, 2, 3), {}),
        ((Book(), 1.0, 2), {"size": 3}),
        ((Book(), 1.0), {"volume": 3}),
    ]
    for args, kwargs in calls:
        with pytest.raises(TypeError, match=r"Book\.add\(\)"):
            add(*args, **kwargs)
    assert all(span.failed for span in captured.named("add"))
