"""Exceptions through watched calls of every kind: what the caller sees, and what is recorded."""

from __future__ import annotations

import asyncio
import gc
import traceback
import warnings
import weakref
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest

from tests.support.captured import Captured
from tests.unit.instrument.shapes import kinds
from tests.unit.instrument.shapes.kinds import KINDS, Kind, current
from tradespan.core import guard
from tradespan.instrument.monitor import monitor

every_kind = pytest.mark.parametrize("kind", KINDS, ids=str)


def reject(value: Any) -> NoReturn:
    raise ValueError(f"rejected: {value}")


def raise_it(value: BaseException) -> NoReturn:
    raise value


@pytest.fixture
def lenient() -> Iterator[None]:
    before = guard.raise_errors(False)
    yield
    guard.raise_errors(before)


@every_kind
def test_an_error_is_recorded_once_and_is_the_callers(captured: Captured, kind: Kind) -> None:
    error = ValueError("no margin")
    with pytest.raises(ValueError, match="no margin") as raised:
        kind.call(monitor(kind.function(raise_it)), error)
    assert raised.value is error
    span = captured.one()
    assert span.failed
    assert [event.name for event in span.events] == ["exception"]
    assert (span.failure.type, span.failure.message) == ("ValueError", "no margin")
    assert span.lane.name == "ERROR"
    assert current() == 0


@every_kind
@pytest.mark.parametrize("recording", [True, False], ids=["recording", "not recording"])
@pytest.mark.parametrize("rate", [1.0, 1 - 1e-9, 0.0], ids=["always", "kept", "dropped"])
def test_a_wrapper_is_at_most_one_frame_in_the_file_of_its_function(
    captured: Captured, kind: Kind, recording: bool, rate: float
) -> None:
    if not recording:
        captured.slot.recorder = None
    watch = monitor(sample_rate=rate)
    inner = watch(kind.function(reject))
    outer = watch(kind.function(lambda value: kind.call(inner, value)))

    def frames(call: Any) -> list[traceback.FrameSummary]:
        with pytest.raises(ValueError, match="rejected") as raised:
            kind.call(call, 1)
        return list(traceback.extract_tb(raised.value.__traceback__))

    bare_inner = kind.function(reject)
    bare = frames(kind.function(lambda value: kind.call(bare_inner, value)))
    seen = frames(outer)
    assert len(bare) < len(seen) <= len(bare) + 2
    assert {frame.filename for frame in seen} == {__file__, kinds.__file__}
    assert [frame.name for frame in seen][-1] == "reject"


@every_kind
def test_the_recorded_frames_are_the_programs_own(captured: Captured, kind: Kind) -> None:
    with pytest.raises(ValueError, match="rejected"):
        kind.call(monitor(kind.function(reject)), 1)
    assert captured.one().frames[-2:] == [f"{kind.function.__name__}.<locals>.watched", "reject"]
    assert len(captured.one().frames) == 2


@every_kind
def test_a_printed_traceback_has_the_programs_lines(captured: Captured, kind: Kind) -> None:
    with pytest.raises(ValueError, match="rejected") as raised:
        kind.call(monitor(kind.function(reject)), 1)
    text = "".join(traceback.format_exception(raised.value))
    assert 'raise ValueError(f"rejected: {value}")' in text
    assert "tradespan/instrument" not in text


@every_kind
@pytest.mark.parametrize(
    "ending",
    [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError],
)
def test_endings_that_are_no_errors_pass_and_are_only_named(
    captured: Captured, kind: Kind, ending: type[BaseException]
) -> None:
    error = ending()
    with pytest.raises(ending) as raised:
        kind.call(monitor(kind.function(raise_it)), error)
    assert raised.value is error
    span = captured.one()
    assert (span.failed, span.events) == (False, [])
    assert span.own["tradespan.ended_by"] == ending.__name__


@every_kind
def test_an_error_caught_in_the_body_is_no_error_of_the_call(
    captured: Captured, kind: Kind
) -> None:
    def body(value: Any) -> str:
        try:
            reject(value)
        except ValueError:
            return "caught"

    assert kind.call(monitor(kind.function(body)), 1) == "caught"
    assert not captured.one().failed
    assert captured.one().events == []


@every_kind
def test_the_context_of_the_callers_exception_is_left_alone(captured: Captured, kind: Kind) -> None:
    first = KeyError("first")
    try:
        raise first
    except KeyError:
        with pytest.raises(ValueError, match="rejected") as raised:
            kind.call(monitor(kind.function(reject)), 1)
    assert raised.value.__context__ is first
    assert raised.value.__cause__ is None


@every_kind
def test_an_error_and_its_frames_go_when_the_caller_is_done(captured: Captured, kind: Kind) -> None:
    class Rejected(Exception): ...

    watched = monitor(kind.function(raise_it))

    def fail() -> weakref.ref[Rejected]:
        error = Rejected()
        gone = weakref.ref(error)
        try:
            kind.call(watched, error)
        except Rejected:
            pass
        error.__traceback__ = None
        return gone

    gc.collect()
    assert fail()() is None, "a cycle keeps it until the collector comes"


@every_kind
def test_a_warning_for_the_caller_names_the_programs_file(captured: Captured, kind: Kind) -> None:
    def old(value: Any) -> None:
        # The callers are the function that is watched, and its wrapper.
        warnings.warn("use another", DeprecationWarning, stacklevel=3)

    with pytest.warns(DeprecationWarning, match="use another") as told:
        kind.call(monitor(kind.function(old)), 1)
    assert [warning.filename for warning in told] == [kinds.__file__]


class Hostile:
    """Nothing can be asked of it."""

    def _refuse(self, *_: Any) -> Any:
        raise RuntimeError("do not touch")

    __repr__ = __str__ = __len__ = __bool__ = __iter__ = __hash__ = __eq__ = _refuse
    __format__ = __getattr__ = __class_getitem__ = __sizeof__ = __reduce__ = _refuse
    price = property(_refuse)


@every_kind
@pytest.mark.parametrize("serializer", ["smart", "repr", "json"])
def test_a_value_that_cannot_be_shown_never_reaches_the_caller(
    captured: Captured, lenient: None, kind: Kind, serializer: Any
) -> None:
    value = Hostile()
    watched = monitor(serializer=serializer)(kind.function(lambda given: given))
    assert kind.call(watched, value) is value
    span = captured.one()
    assert "Hostile" in str(span.arguments["value"])
    assert "Hostile" in str(span.result)


@every_kind
def test_an_error_that_cannot_say_what_it_is_reaches_the_caller_as_it_is(
    captured: Captured, lenient: None, kind: Kind
) -> None:
    class Unspeakable(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

        __repr__ = __str__

    error = Unspeakable()
    with pytest.raises(Unspeakable) as raised:
        kind.call(monitor(kind.function(raise_it)), error)
    assert raised.value is error
    assert captured.one().failed


@every_kind
def test_arguments_are_shown_as_they_were_before_the_body_changed_them(
    captured: Captured, kind: Kind
) -> None:
    def empty(value: dict[str, list[int]]) -> None:
        value["bids"].clear()
        value["emptied"] = []

    kind.call(monitor(name="changed")(kind.function(empty)), {"bids": [1, 2]})
    kind.call(monitor(name="looked at")(kind.function(lambda value: None)), {"bids": [1, 2]})
    assert captured.one("changed").arguments == captured.one("looked at").arguments
