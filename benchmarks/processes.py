"""Processes of the benchmark's own: what must not disturb the others, or has to be started anew."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
_FAILURE_LINES = 3


class ProcessFailed(Exception):
    """A process ended otherwise than it should; its last words."""


def run_for_json(
    module: str,
    *arguments: object,
    python: Path | str = sys.executable,
    environment: Mapping[str, str] | None = None,
) -> Any:
    """What `python -m MODULE ARGUMENT…` prints, decoded. Its progress goes to our stderr.

    Raises:
        ProcessFailed: It ended with another status than 0, or printed something else.
    """
    command = [str(python), "-m", module, *map(str, arguments)]
    done = run(command, os.environ | (environment or {}))
    try:
        return json.loads(done)
    except ValueError:
        raise ProcessFailed(f"{module} printed no JSON: {done[:200]}") from None


def run(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """A command's output; what it says on stderr, when it fails, is the error's text.

    Raises:
        ProcessFailed: It ended with another status than 0.
    """
    # Into a file: a pipe that nobody reads while we listen to stderr would stop a long output.
    with (
        tempfile.TemporaryFile("w+") as printed,
        subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=environment,
            text=True,
            stdout=printed,
            stderr=subprocess.PIPE,
        ) as process,
    ):
        assert process.stderr is not None
        told = []
        for line in process.stderr:
            told.append(line.strip())
            if line.startswith("bench:"):
                print(line, end="", file=sys.stderr, flush=True)
        process.wait()
        printed.seek(0)
        output = printed.read()
    if process.returncode:
        last = "; ".join(line for line in told[-_FAILURE_LINES:] if line)
        words = " ".join(["python", *command[1:4]])
        raise ProcessFailed(without_homes(f"{words} ended with {process.returncode}: {last}"))
    return output


def without_homes(text: str) -> str:
    """A text that may stand in a page: it does not tell where this user keeps his files."""
    return text.replace(str(REPOSITORY), ".").replace(str(Path.home()), "~")


@contextmanager
def null_receiver() -> Iterator[str]:
    """The address of an OTLP receiver in a process of its own, which answers and forgets."""
    command = [sys.executable, "-m", "benchmarks.null_receiver"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
