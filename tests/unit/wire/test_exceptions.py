"""Rendered exceptions, compared with what Python prints for the real ones."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from tradespan.core.records import Failure, Frame
from tradespan.wire.exceptions import exception_attributes, render_stacktrace

# Compiled under a name that is no file, so that Python has no source lines to print either.
SOURCE = """
class Odd(Exception):
    pass

def recurse(depth):
    if depth:
        recurse(depth - 1)
    raise ValueError("deep")

def plain():
    recurse(0)

def recursive():
    recurse(9)

def repeated_once_too_often():
    recurse(4)

def caused():
    try:
        recursive()
    except ValueError as error:
        raise KeyError("k") from error

def in_context():
    try:
        caused()
    except KeyError:
        raise Odd("line one\\nline two")

def without_context():
    try:
        caused()
    except KeyError:
        raise TypeError from None

def caught(function):
    try:
        function()
    except BaseException as error:
        return error

def group(size, function):
    raise ExceptionGroup("several", [caught(function) for _ in range(size)])

def group_of_one():
    group(1, plain)

def group_of_two():
    group(2, in_context)

def group_of_sixteen():
    group(16, plain)

def group_of_twenty():
    group(20, caused)

def nested_group():
    group(2, group_of_two)

def group_in_the_middle():
    raise ExceptionGroup("mixed", [caught(nested_group), ValueError("bare"), caught(plain)])

def group_that_was_caused():
    try:
        plain()
    except ValueError as error:
        raise ExceptionGroup("caused", [caught(group_of_one), caught(caused)]) from error

def group_as_cause():
    try:
        nested_group()
    except ExceptionGroup as error:
        raise Odd("after it") from error

def noted():
    error = ValueError("bad")
    error.add_note("order 7\\nleg 2")
    error.add_note("")
    raise error

def noted_without_message():
    error = Odd()
    error.add_note("a note")
    raise error from caught(noted)

def group_of_noted():
    error = ExceptionGroup("several", [caught(noted), caught(noted_without_message)])
    error.add_note("of all")
    raise error

def tower():
    error = ValueError("inmost")
    for level in range(14):
        error = ExceptionGroup(f"level {level}", [error])
    raise error
"""
BOT: dict[str, Any] = {"__name__": "bot"}
exec(compile(SOURCE, "/srv/bot/no-such-file.py", "exec"), BOT)


def capture(error: BaseException, seen: frozenset[int] = frozenset()) -> Failure:
    """The exception as the record has it; like Python, it tells a context once."""
    kind = type(error)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    seen |= {id(error), id(error.__cause__)}
    context = None if error.__suppress_context__ else error.__context__
    return Failure(
        f"{module}{kind.__qualname__}",
        str(error),
        [
            Frame(frame.filename, frame.lineno or 0, frame.name)
            for frame in traceback.extract_tb(error.__traceback__)
        ],
        capture(error.__cause__, seen) if error.__cause__ else None,
        capture(context, seen) if context and id(context) not in seen else None,
        [capture(member, seen) for member in error.exceptions]
        if isinstance(error, BaseExceptionGroup)
        else [],
        notes=getattr(error, "__notes__", []),
    )


def raised_by(function: Callable[[], object]) -> BaseException:
    with pytest.raises(BaseException) as raised:  # noqa: PT011 - whatever it is, it is compared
        function()
    error = raised.value
    assert error.__traceback__ is not None
    return error.with_traceback(error.__traceback__.tb_next)


@pytest.mark.parametrize(
    "function",
    [
        "plain",
        "recursive",
        "repeated_once_too_often",
        "caused",
        "in_context",
        "without_context",
        "group_of_one",
        "group_of_two",
        "group_of_sixteen",
        "group_of_twenty",
        "nested_group",
        "group_in_the_middle",
        "group_that_was_caused",
        "group_as_cause",
        "noted",
        "noted_without_message",
        "group_of_noted",
        "tower",
    ],
)
def test_the_text_is_what_python_prints_without_source_lines(function: str) -> None:
    error = raised_by(BOT[function])
    assert render_stacktrace(capture(error)) == "".join(traceback.format_exception(error))


def test_an_exception_that_was_never_raised_has_one_line() -> None:
    assert render_stacktrace(Failure("ValueError", "bad")) == "ValueError: bad\n"
    assert render_stacktrace(Failure("ValueError", "")) == "ValueError\n"


def test_a_class_of_the_script_is_named_as_python_names_it() -> None:
    failure = Failure("__main__.Refused", "no")
    assert render_stacktrace(failure) == "Refused: no\n"
    assert exception_attributes(failure)["exception.type"] == "__main__.Refused"


def test_frames_that_were_left_out_are_told() -> None:
    frames = [Frame("a.py", 1, "main"), Frame("…", 0, "12 more frames"), Frame("b.py", 2, "leaf")]
    assert render_stacktrace(Failure("ValueError", "bad", frames)) == (
        "Traceback (most recent call last):\n"
        '  File "a.py", line 1, in main\n'
        "  … 12 more frames\n"
        '  File "b.py", line 2, in leaf\n'
        "ValueError: bad\n"
    )


def test_attributes_are_those_of_opentelemetrys_sdk() -> None:
    failure = Failure("bot.Refused", "no funds", [Frame("a.py", 1, "main")])
    assert exception_attributes(failure) == {
        "exception.type": "bot.Refused",
        "exception.message": "no funds",
        "exception.stacktrace": (
            "Traceback (most recent call last):\n"
            '  File "a.py", line 1, in main\n'
            "bot.Refused: no funds\n"
        ),
        "exception.escaped": "True",
    }


def test_a_chain_of_ten_thousand_causes_is_no_trouble() -> None:
    failure = Failure("ValueError", "first")
    for _ in range(10_000):
        failure = Failure("ValueError", "next", cause=failure)
    assert render_stacktrace(failure).count("direct cause") == 10_000


def test_variables_and_source_of_all_links_are_told_in_the_order_of_the_chain() -> None:
    cause = Failure("KeyError", "k", [Frame("a.py", 1, "f", {"x": "1"}, {1: "x = 1"})])
    frames = [Frame("b.py", 2, "g"), Frame("b.py", 3, "h", {"y": "'é'"})]
    attributes = exception_attributes(Failure("ValueError", "bad", frames, cause))
    place = {"exception": "ValueError", "file": "b.py", "line": 3, "function": "h"}
    of_cause = {"exception": "KeyError", "file": "a.py", "line": 1, "function": "f"}
    assert json.loads(str(attributes["tradespan.exception.locals"])) == [
        {**place, "variables": {"y": "'é'"}},
        {**of_cause, "variables": {"x": "1"}},
    ]
    assert json.loads(str(attributes["tradespan.exception.source"])) == [
        {**of_cause, "source": {"1": "x = 1"}}
    ]
    assert "'é'" not in str(attributes["exception.stacktrace"])
