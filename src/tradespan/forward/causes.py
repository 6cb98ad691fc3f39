"""Why a process died, from what it and its supervisor left. All of it is read with suspicion."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tradespan.core.plainfiles import open_plain
from tradespan.spool.deaths import DIED, ENDED, STOPPED, printable
from tradespan.spool.folder import RunFolder, read_json

UNKNOWN = "ended without a word"
MOST_FAULT = 16 * 1024
"""Bytes of a fault handler's dump that are read."""
MOST_LINES = 40
MOST_TEXT = 500
_STOPS = frozenset({"SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"})
"""Signals by which somebody asks a process to end."""
_FAULTS = {
    "Segmentation fault": "SIGSEGV",
    "Aborted": "SIGABRT",
    "Bus error": "SIGBUS",
    "Floating point exception": "SIGFPE",
    "Illegal instruction": "SIGILL",
}
"""What faulthandler calls a signal. Source: CPython, Modules/faulthandler.c."""
_SIGNAL = re.compile(r"[A-Za-z0-9 ]{1,20}")
_NEAR = 5.0
"""Seconds before the death from which on a thread's exception has to do with it."""


@dataclass(frozen=True, slots=True)
class Cause:
    """How a process ended."""

    text: str
    cleanly: bool
    """It said itself that it ends."""
    signal: str = ""
    exit_code: int | None = None
    out_of_memory: bool = False
    core_dumped: bool = False
    peak_memory: int | None = None
    """Bytes; its largest resident set."""
    time: float | None = None
    """When its supervisor saw it end, unix seconds."""
    fault: list[str] = field(default_factory=list)
    """The first lines of the fault handler's dump."""
    exception: dict[str, Any] | None = None
    """The one that nobody caught."""

    @property
    def is_death(self) -> bool:
        """Whether it is to be told even if no call was open: neither a stop nor an ordinary end."""
        if self.signal:
            return self.signal not in _STOPS
        return self.exception is not None

    @property
    def how(self) -> str:
        """In a word, as a note keeps it."""
        if self.signal in _STOPS:
            return STOPPED
        return ENDED if self.cleanly and not self.is_death else DIED


def find_cause(folder: RunFolder, process: int, *, cleanly: bool, now: float) -> Cause:
    """How a process of a run ended. `cleanly`: it said so itself. `now`: unix seconds."""
    told = folder.ended or {}
    word = told if told.get("pid") == process else {}
    fault = read_fault(folder.path / f"{process}.fault")
    exception = _read_exception(folder.path / f"exception-{process}.json", now)
    signal, code = _signal_of(word, fault), _number(word.get("exit_code"))
    out_of_memory = signal == "SIGKILL" and bool(_number(word.get("oom_kills")))
    if signal:
        text = f"{signal}, out of memory" if out_of_memory else signal
    elif exception is not None and not exception.get("thread"):
        text = f"{exception['type']}: {exception['message']}"[:MOST_TEXT]
    elif code is not None:
        # Python's own end runs the exit handlers, `os._exit` does not.
        text = f"exit status {code}" + ("" if cleanly else ", by os._exit")
    else:
        text = "ended" if cleanly else UNKNOWN
    return Cause(
        text=text,
        cleanly=cleanly,
        signal=signal,
        exit_code=code,
        out_of_memory=out_of_memory,
        core_dumped=word.get("core_dumped") is True,
        peak_memory=_number(word.get("peak_memory")),
        time=_seconds(word.get("time")),
        fault=fault,
        exception=exception,
    )


def read_fault(path: Path) -> list[str]:
    """The first lines of a fault handler's dump; none if there is none."""
    try:
        with os.fdopen(open_plain(path), "rb") as file:
            text = file.read(MOST_FAULT).decode("utf-8", "replace")
    except OSError:
        return []
    return [printable(line) for line in text.splitlines()[:MOST_LINES]]


def _signal_of(word: dict[str, Any], fault: list[str]) -> str:
    told = word.get("signal")
    if isinstance(told, str) and _SIGNAL.fullmatch(told):
        return told
    if word or not fault:
        return ""
    said = fault[0].removeprefix("Fatal Python error: ")
    return _FAULTS.get(said, "") if said != fault[0] else ""


def _read_exception(path: Path, now: float) -> dict[str, Any] | None:
    content = read_json(path)
    if content is None:
        return None
    thread, at = str(content.get("thread", "")), _seconds(content.get("time")) or 0.0
    if thread and now - at > _NEAR:
        return None  # the process lived on without that thread
    frames = content.get("frames")
    return {
        "type": printable(str(content.get("type"))),
        "message": printable(str(content.get("message"))),
        "thread": printable(thread),
        "time": at,
        "frames": [
            [printable(str(part)) for part in frame[:3]]
            for frame in (frames if isinstance(frames, list) else [])[:MOST_LINES]
            if isinstance(frame, list)
        ],
    }


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _seconds(value: object) -> float | None:
    known = isinstance(value, int | float) and 0 <= value < 1e11
    return float(value) if known else None  # type: ignore[arg-type]
