"""From what a dead process and its supervisor left to a cause in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tradespan.forward.causes import MOST_LINES, Cause, find_cause
from tradespan.spool.folder import ENDED, RunFolder, replace_json

PID, NOW = 4711, 1_772_366_400.0


def cause_of(folder: Path, *, cleanly: bool = False, **ended: Any) -> Cause:
    if ended:
        replace_json(folder / ENDED, {"pid": PID, "time": NOW, **ended})
    return find_cause(RunFolder(folder), PID, cleanly=cleanly, now=NOW + 1)


@pytest.mark.parametrize(
    ("ended", "cleanly", "text", "how"),
    [
        ({"signal": "SIGKILL", "oom_kills": 0}, False, "SIGKILL", "died"),
        ({"signal": "SIGKILL", "oom_kills": 1}, False, "SIGKILL, out of memory", "died"),
        ({"signal": "SIGKILL", "oom_kills": None}, False, "SIGKILL", "died"),
        ({"signal": "SIGSEGV", "oom_kills": 1}, False, "SIGSEGV", "died"),
        ({"signal": "SIGTERM"}, False, "SIGTERM", "stopped"),
        ({"exit_code": 3}, False, "exit status 3, by os._exit", "died"),
        ({"exit_code": 3}, True, "exit status 3", "ended"),
        ({}, False, "ended without a word", "died"),
        ({}, True, "ended", "ended"),
        ({"signal": "\x1b[31mSIG", "exit_code": "x"}, True, "ended", "ended"),
    ],
)
def test_cause(tmp_path: Path, ended: dict[str, Any], cleanly: bool, text: str, how: str) -> None:
    cause = cause_of(tmp_path, cleanly=cleanly, **ended)
    assert (cause.text, cause.how) == (text, how)


def test_supervisor_s_word_is_of_its_own_child_only(tmp_path: Path) -> None:
    cause_of(tmp_path, signal="SIGSEGV")
    assert find_cause(RunFolder(tmp_path), 1, cleanly=False, now=NOW).text == "ended without a word"


@pytest.mark.parametrize(
    ("said", "signal"),
    [
        ("Fatal Python error: Segmentation fault", "SIGSEGV"),
        ("Fatal Python error: Aborted", "SIGABRT"),
        ("Fatal Python error: Bus error", "SIGBUS"),
        ("Fatal Python error: something new", ""),
        ("Aborted", ""),
    ],
)
def test_fault_handler_s_dump_names_the_signal_where_nobody_else_does(
    tmp_path: Path, said: str, signal: str
) -> None:
    (tmp_path / f"{PID}.fault").write_text(f"{said}\n\nThread 0x1\n")
    cause = cause_of(tmp_path)
    assert cause.signal == signal
    assert cause.fault == [said, "", "Thread 0x1"]


def test_dump_is_read_so_far_and_shown_without_control_characters(tmp_path: Path) -> None:
    (tmp_path / f"{PID}.fault").write_bytes(b"\x1b]0;title\x07\xff\n" + b"line\n" * 100_000)
    fault = cause_of(tmp_path).fault
    assert len(fault) == MOST_LINES
    assert fault[0].isprintable()
    (tmp_path / f"{PID}.fault").unlink()
    (tmp_path / f"{PID}.fault").symlink_to("/etc/passwd")
    assert cause_of(tmp_path).fault == []


def test_exception_is_the_cause_unless_another_thread_s_or_long_ago(tmp_path: Path) -> None:
    def leave(thread: str, time: float) -> Cause:
        content = {"type": "E", "message": "m\n", "thread": thread, "time": time, "frames": [["f"]]}
        replace_json(tmp_path / f"exception-{PID}.json", content)
        return cause_of(tmp_path, cleanly=True, exit_code=1)

    assert leave("", NOW).text == "E: m "
    near = leave("feed", NOW)
    assert (near.text, near.exception is None) == ("exit status 1", False)
    assert leave("feed", NOW - 60).exception is None


@pytest.mark.parametrize("content", ["[]", "{", '{"frames": 7, "time": "x"}', "{}"])
def test_hostile_exception_file_is_no_error(tmp_path: Path, content: str) -> None:
    (tmp_path / f"exception-{PID}.json").write_text(content)
    assert isinstance(cause_of(tmp_path), Cause)
