"""One run of a suite, bare or watched, in processes and folders of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.explore.subjects import Subject
from tradespan.config.settings import BY_KEY

PLUGIN = Path(__file__).with_name("plugin")
SPOOL_BYTES = "4GiB"
_GRACE = 20
"""Seconds for a run to end after it was asked to."""


@dataclass(slots=True)
class Play:
    """What a run came to."""

    outcomes: dict[str, str] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)
    """Test → the end of its failure."""
    warnings: Counter[str] = field(default_factory=Counter)
    """Category, text and place, without what differs from run to run → how often."""
    seconds: float = 0.0
    """Of the whole command: start, suite, and the delivery of what is left."""
    peak_bytes: int = 0
    """Most resident memory of the process that runs the tests."""
    status: int = 0
    ended: bool = False
    """Whether the session came to its end."""
    last: str = ""
    """The test that began last."""
    said: str = ""
    """The end of what the command printed."""
    functions: dict[str, Any] | None = None

    def count(self, *outcomes: str) -> int:
        """Tests with one of these outcomes."""
        return sum(outcome in outcomes for outcome in self.outcomes.values())


@dataclass(frozen=True, slots=True)
class Books:
    """What was recorded, and where it is."""

    recorded: int
    on_disk: int
    """Records that were found by reading every segment."""
    discarded: int
    bytes: int
    good: bool
    """Whether every segment reads well, and nothing is unaccounted for."""

    @property
    def balance(self) -> bool:
        """Whether each recorded one was found, or was discarded and counted."""
        return self.good and self.recorded == self.on_disk + self.discarded


def play_bare(subject: Subject, fetched: Path | None) -> Play:
    """The suite as its authors run it."""
    with _workplace(subject, fetched) as place:
        return _play([sys.executable], subject, fetched, place)


def play_watched(subject: Subject, fetched: Path | None) -> tuple[Play, Books]:
    """The same under `tradespan run`."""
    with _workplace(subject, fetched) as place, tempfile.TemporaryDirectory() as root:
        command = [sys.executable, "-m", "tradespan", "run", "--root", root, "--no-store"]
        command.append("--no-ui")
        for option, patterns in (("-i", subject.include), ("-x", subject.exclude)):
            for pattern in patterns:
                command += [option, pattern]
        play = _play(command, subject, fetched, place)
        return play, _read_books(root)


@contextmanager
def _workplace(subject: Subject, fetched: Path | None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tradespan-explore-") as folder:
        place = Path(folder, "suite")
        if subject.from_source:
            assert fetched is not None
            shutil.copytree(fetched / "sources" / subject.distribution, place)
        else:
            place.mkdir()
            # pytest looks no further up for settings.
            (place / "pytest.ini").write_text("[pytest]\n")
        yield place


def _play(command: list[str], subject: Subject, fetched: Path | None, place: Path) -> Play:
    report, log = place.parent / "report.jsonl", place.parent / "log"
    words = [*command, "-m", "pytest", "-q", *_options(), *_deselected(subject), *subject.arguments]
    began = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            words,
            cwd=place,
            env=_environment(subject, fetched, report),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        status = _wait(process, subject.minutes * 60)
    play = Play(seconds=time.monotonic() - began, status=status)
    play.said = log.read_text(errors="replace")[-2_000:]
    if report.exists():
        hidden = {str(place): "SUITE", str(fetched): "FETCHED", sys.prefix: "PREFIX"}
        _read_report(report, play, hidden)
    return play


def _options() -> list[str]:
    # Those of pytest's plugins that are installed for our own tests and would join in.
    unwanted = ["dash", "cacheprovider", "celery", "xdist"]
    return ["-p", "explore_reporter", *(word for name in unwanted for word in ("-p", f"no:{name}"))]


def _deselected(subject: Subject) -> list[str]:
    return [word for test, _ in subject.deselect for word in ("--deselect", test)]


def _environment(subject: Subject, fetched: Path | None, report: Path) -> dict[str, str]:
    ours = ("TRADESPAN", "OTEL_", "PYTEST", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    path = [str(PLUGIN), *([str(fetched / "packages")] if fetched else [])]
    return kept | {
        "EXPLORE_REPORT": str(report),
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONHASHSEED": "0",  # sets in the same order both ways
        "TRADESPAN_CONFIG": "none",
        "TRADESPAN_SPOOL_BYTES": SPOOL_BYTES,
        # Every call is to be recorded, whatever that costs.
        **({"TRADESPAN_MAX_OVERHEAD": "0"} if "max_overhead" in BY_KEY else {}),
        **dict(subject.environment),
    }


def _wait(process: subprocess.Popen[bytes], seconds: float) -> int:
    """The exit status; what takes longer is ended with all that it started in its session."""
    for limit, how in ((seconds, signal.SIGTERM), (_GRACE, signal.SIGKILL)):
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, how)
    return process.wait()


def _read_report(report: Path, play: Play, hidden: Mapping[str, str]) -> None:
    for line in report.read_text().splitlines():
        told = json.loads(line)
        if "begun" in told:
            play.last = told["begun"]
        elif "test" in told:
            _add_outcome(play, told)
        elif "warning" in told:
            text = f"{told['warning']}: {told['message']} ({told['file']}:{told['line']})"
            play.warnings[_without_chance(text, hidden)] += 1
        else:
            play.ended = True
            play.peak_bytes = told["peak_bytes"]
            play.functions = told["functions"]


def _add_outcome(play: Play, told: Mapping[str, Any]) -> None:
    test = told["test"]
    outcome = told["outcome"] if told["phase"] == "call" else f"{told['phase']} {told['outcome']}"
    outcome = outcome.removeprefix("setup ") if outcome == "setup skipped" else outcome
    # A test with subtests reports each of them, and itself.
    known = play.outcomes.get(test, "").split(", ")
    play.outcomes[test] = ", ".join(dict.fromkeys([*filter(None, known), outcome]))
    if told["detail"]:
        play.details[test] = told["detail"]


def _without_chance(text: str, hidden: Mapping[str, str]) -> str:
    for path, word in hidden.items():
        text = text.replace(path, word)
    return re.sub(r"0x[0-9a-f]+|\d{6,}", "N", text)


def _read_books(root: str) -> Books:
    status = json.loads(_spool("status", root))
    runs = [run for run in status["runs"] if run["books"]]
    segments = [
        segment
        for line in _spool("verify", root).splitlines()
        for segment in json.loads(line)["segments"]
    ]
    return Books(
        recorded=sum(run["books"]["recorded"] for run in runs),
        on_disk=sum(sum(segment["records"].values()) for segment in segments),
        discarded=sum(sum(run["books"]["discarded"].values()) for run in runs),
        bytes=sum(run["bytes"] for run in status["runs"]),
        good=not status["unaccounted"] and all(segment["good"] for segment in segments),
    )


def _spool(action: str, root: str) -> str:
    command: Sequence[str] = (sys.executable, "-m", "tradespan", "spool", action, "--json", root)
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
