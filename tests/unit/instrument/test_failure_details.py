"""What more is captured of an error: notes, the frames' variables, the lines around."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import pytest

from tradespan.capture.failure import (
    MOST_DETAILED,
    MOST_NOTES,
    capture_failure,
    exception_message,
)
from tradespan.capture.variables import LONGEST, MOST_VARIABLES, frame_variables
from tradespan.core.records import Failure
from tradespan.wire.exceptions import exception_attributes


def raised(function: Callable[[], object]) -> BaseException:
    try:
        function()
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is captured
        return error
    raise AssertionError("it did not raise")


def captured(error: BaseException, **options: Any) -> Failure:
    """What a reader gets."""
    encoded = msgspec.msgpack.encode(capture_failure(error, **options))
    return msgspec.msgpack.decode(encoded, type=Failure)


def with_variables(error: BaseException) -> list[dict[str, str]]:
    return [frame.variables for frame in captured(error, variables=frame_variables()).frames]


def order(symbol: str, api_key: str) -> None:
    price = 1.5
    note = f"token={api_key}"
    raise ValueError(symbol, price, note)


# ── messages ────────────────────────────────────────────────────────────────────────────────────


class Chatty(list[int]):
    def __repr__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("no margin"), "no margin"),
        (ValueError("no margin", 7, None), "('no margin', 7, None)"),
        (ValueError(7), "7"),
        (KeyError("price"), "'price'"),
        (FileNotFoundError(2, "No such file", "x"), "[Errno 2] No such file: 'x'"),
        (ValueError(list(range(1_000_000))), "[0, 1, 2, +999997 more]"),
        (ValueError("bad", list(range(1_000_000))), "('bad', [0, 1, 2, +999997 more])"),
        (ValueError(Chatty()), "<str() raised RuntimeError>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_message_is_what_str_says_and_bounded(error: Exception, message: str) -> None:
    assert exception_message(error) == message


def test_a_message_seen_before_is_redacted_as_the_first_time() -> None:
    for _ in range(2):
        assert exception_message(ValueError("api_key=abc")) == "api_key=***"
        assert exception_message(ValueError("no margin")) == "no margin"


# ── frames ──────────────────────────────────────────────────────────────────────────────────────


def test_one_function_that_raises_in_two_places_has_two_lines() -> None:
    def raises(early: bool) -> None:
        if early:
            raise ValueError
        raise KeyError

    first, second = raised(lambda: raises(early=True)), raised(lambda: raises(early=False))
    lines = [captured(error).frames[-1].line for error in (first, second, first)]
    assert lines == [lines[0], lines[0] + 1, lines[0]]


def test_a_line_that_somebody_gave_a_traceback_is_its_line() -> None:
    error = raised(lambda: 1 / 0)
    captured(error)
    trace = error.__traceback__
    assert trace is not None
    error.__traceback__ = TracebackType(None, trace.tb_frame, trace.tb_lasti, 4_711)
    assert [frame.line for frame in captured(error).frames] == [4_711]


def test_code_made_anew_at_the_same_address_is_not_taken_for_the_old() -> None:
    for n in range(5_000):
        namespace: dict[str, Any] = {}
        exec(compile(f"def f{n}():\n raise ValueError", f"f{n}.py", "exec"), namespace)
        frame = captured(raised(namespace[f"f{n}"])).frames[-1]
        assert (frame.file, frame.name) == (f"f{n}.py", f"f{n}")


# ── notes ───────────────────────────────────────────────────────────────────────────────────────


def test_notes_are_kept_redacted_and_printed_as_python_prints_them() -> None:
    error = ValueError("no margin")
    error.add_note("order 7\nleg 2")
    error.add_note("password=hunter2")
    failure = captured(error)
    assert failure.notes == ["order 7\nleg 2", "password=***"]
    trace = str(exception_attributes(failure)["exception.stacktrace"])
    assert trace == "ValueError: no margin\norder 7\nleg 2\npassword=***\n"


def test_notes_are_bounded_and_may_be_anything() -> None:
    error = ValueError()
    anything: list[Any] = ["x" * 10_000, 7, *["y"] * 100]
    error.__notes__ = anything
    notes = captured(error).notes
    assert len(notes) == MOST_NOTES
    assert notes[:3] == ["x" * 2_000 + "…", "7", "y"]
    error.__notes__ = object()  # type: ignore[assignment]
    assert captured(error).notes == []


def test_a_failure_without_notes_is_no_longer_than_before() -> None:
    assert len(capture_failure(ValueError("x"))) == 7


# ── variables ───────────────────────────────────────────────────────────────────────────────────


def test_variables_of_the_frames_are_kept_and_redacted_by_name_and_by_look() -> None:
    *_, innermost = with_variables(raised(lambda: order("AAPL", "S3CRET")))
    assert innermost == {
        "symbol": "'AAPL'",
        "api_key": "***",
        "price": "1.5",
        "note": "'token=***'",
    }


def test_only_the_innermost_frames_have_variables() -> None:
    def dive(depth: int) -> None:
        if depth:
            dive(depth - 1)
        raise ValueError

    kept = [shown for shown in with_variables(raised(lambda: dive(20))) if shown]
    assert [shown["depth"] for shown in kept] == [str(n) for n in range(MOST_DETAILED - 1, -1, -1)]


def test_a_chain_of_errors_is_bounded_in_all() -> None:
    def dive(depth: int) -> None:
        if depth:
            dive(depth - 1)
        raise ValueError

    error = raised(lambda: dive(10))
    for _ in range(5):
        following = raised(lambda: dive(10))
        following.__cause__ = error
        error = following
    failure: Failure | None = captured(error, variables=frame_variables())
    kept = 0
    while failure is not None:
        kept += sum(bool(frame.variables) for frame in failure.frames)
        failure = failure.cause
    assert kept == 2 * MOST_DETAILED


def test_variables_are_few_and_short_and_no_modules_names() -> None:
    namespace: dict[str, Any] = {}
    source = "\n".join(f" v{n} = 'x' * 10_000" for n in range(100))
    exec(f"def many():\n{source}\n raise ValueError\ndef at_top():\n exec('1/0')", namespace)
    *_, innermost = with_variables(raised(namespace["many"]))
    assert len(innermost) == MOST_VARIABLES
    assert max(map(len, innermost.values())) <= LONGEST + 3
    module = captured(raised(namespace["at_top"]), variables=frame_variables()).frames[-1]
    assert (module.name, module.variables) == ("<module>", {})


def test_no_code_of_a_variables_is_run() -> None:
    class Hostile:
        def __getattribute__(self, name: str) -> Any:
            raise AssertionError("the user's code was run")

        __repr__ = __str__ = __len__ = __getattribute__  # type: ignore[assignment]

    def fail() -> None:
        hostile = Hostile()
        raise ValueError(len([hostile]))

    assert with_variables(raised(fail))[-1]["hostile"].startswith("<Hostile at 0x")


def test_variables_are_an_attribute_of_the_event_as_json() -> None:
    failure = captured(raised(lambda: order("AAPL", "x")), variables=frame_variables())
    attributes = exception_attributes(failure)
    *_, innermost = json.loads(str(attributes["tradespan.exception.locals"]))
    assert innermost["exception"] == "ValueError"
    assert innermost["function"] == "order"
    assert innermost["variables"]["symbol"] == "'AAPL'"
    assert "tradespan.exception.source" not in attributes


# ── source ──────────────────────────────────────────────────────────────────────────────────────

CODE = """
# line 2
# line 3
api_key = "S3CRET"
KEY = '''
-----BEGIN EC PRIVATE KEY-----
MHQCAQEEIIrYSSNQFaA2
MHQCAQEEIIrYSSNQFaA3
-----END EC PRIVATE KEY-----'''
def fail():
    raise ValueError
# line 12
"""


def run(path: Path, content: str = CODE, age: float = 1e6) -> dict[int, str]:
    """The lines that are kept of an error in a file of this content, changed so long ago."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    os.utime(path, (path.stat().st_mtime - age,) * 2)
    namespace: dict[str, Any] = {}
    exec(compile(CODE, str(path), "exec"), namespace)
    return captured(raised(namespace["fail"]), source=True).frames[-1].source


def test_the_lines_around_are_kept_without_secrets(tmp_path: Path) -> None:
    assert run(tmp_path / "bot.py") == {
        6: "***",
        7: "",
        8: "",
        9: "'''",
        10: "def fail():",
        11: "    raise ValueError",
        12: "# line 12",
        13: "",
    }


def test_a_long_line_is_cut(tmp_path: Path) -> None:
    lines = run(tmp_path / "bot.py", "\n" * 10 + "x" * 10_000)
    assert lines[11] == "x" * 200 + "…"


@pytest.mark.parametrize("name", ["bot.txt", "bot", "bot.so"])
def test_other_files_are_not_read(tmp_path: Path, name: str) -> None:
    assert run(tmp_path / name) == {}


def test_a_file_changed_since_the_process_began_is_not_read(tmp_path: Path) -> None:
    assert run(tmp_path / "bot.py", age=-60) == {}


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    assert run(tmp_path / "bot.py", CODE + "#" * 600_000) == {}


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_pipes_and_folders_are_not_read(tmp_path: Path) -> None:
    real = tmp_path / "real.py"
    assert run(real)
    for name, make in [("link.py", os.symlink), ("pipe.py", None), ("folder.py", None)]:
        path = tmp_path / name
        if make is not None:
            make(real, path)
        elif name == "pipe.py":
            os.mkfifo(path)
        else:
            path.mkdir()
        namespace: dict[str, Any] = {}
        exec(compile(CODE, str(path), "exec"), namespace)
        assert captured(raised(namespace["fail"]), source=True).frames[-1].source == {}


def test_source_is_an_attribute_of_the_event_as_json(tmp_path: Path) -> None:
    path = tmp_path / "bot.py"
    run(path)
    namespace: dict[str, Any] = {}
    exec(compile(CODE, str(path), "exec"), namespace)
    failure = captured(raised(namespace["fail"]), source=True)
    shown = json.loads(str(exception_attributes(failure)["tradespan.exception.source"]))
    assert shown[-1]["source"]["11"] == "    raise ValueError"
    assert shown[-1]["line"] == 11
