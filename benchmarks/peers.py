"""Other libraries, in an environment of their own: some of them patch what they find.

The environment holds requirements/bench.txt, no more, below `$XDG_CACHE_HOME/tradespan-bench`; its
name is a hash of that file, so that other pins make another one. tradespan comes in by path.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from benchmarks.peer_process import PEERS
from benchmarks.processes import REPOSITORY, ProcessFailed, run, run_for_json
from benchmarks.results import PeerRow, Report
from benchmarks.timing import Progress, Rounds

GROUP = "peers"
PINS = REPOSITORY / "requirements" / "bench.txt"


def measure_peers(rounds: Rounds, report: Report) -> None:
    """Add a row for each thing that a peer does, or a note why there is none."""
    progress = Progress(GROUP)
    try:
        python = ensure_environment(PINS, cache_folder(os.environ))
    except (ProcessFailed, OSError) as error:
        report.notes.append(f"Peers: not measured, their environment could not be made: {error}")
        return
    with tradespan_on_path() as environment:
        for peer in PEERS:
            try:
                arguments = (peer, rounds.count, rounds.calls)
                found = run_for_json(
                    "benchmarks.peer_process", *arguments, python=python, environment=environment
                )
            except ProcessFailed as error:
                report.notes.append(f"{peer}: not measured: {error}")
            else:
                report.peers += peer_rows(found)
            progress.tell(f"{peer} done")


def peer_rows(found: Mapping[str, Any]) -> list[PeerRow]:
    """What a peer's process printed, as rows."""
    return [
        PeerRow(found["peer"], what, cost, found["sdk"], found["monitor"])
        for what, cost in found["costs"].items()
    ]


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Where environments are kept: outside of the checkout."""
    base = environment.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(base) / "tradespan-bench"


def environment_name(pins: Path) -> str:
    """By the pins and the Python: another of either needs another environment."""
    python = f"{sys.version_info[:3]} {sys.base_prefix}"
    return hashlib.sha256(pins.read_bytes() + python.encode()).hexdigest()[:16]


def ensure_environment(pins: Path, cache: Path) -> Path:
    """The Python of the environment with these pins, made now if it is missing.

    Raises:
        ProcessFailed: It cannot be made; the reason is pip's.
        OSError: There is no place for it.
    """
    folder = cache / environment_name(pins)
    python, done = folder / "bin" / "python", folder / "installed"
    if done.exists():
        return python
    print(f"bench: peers: making {folder}", file=sys.stderr, flush=True)
    cache.mkdir(parents=True, exist_ok=True)
    run([sys.executable, "-m", "venv", "--clear", str(folder)], os.environ)
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    try:
        run(
            [str(python), "-m", "pip", "install", *quiet, "--require-hashes", "-r", str(pins)],
            os.environ,
        )
    except ProcessFailed:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    done.touch()
    return python


@contextmanager
def tradespan_on_path() -> Iterator[Mapping[str, str]]:
    """Variables that let another environment import this checkout's tradespan.

    Its metadata goes along, without the rest of our site-packages: OpenTelemetry finds our context
    runtime by an entry point.
    """
    installed = distribution("tradespan")
    metadata = next(file.locate() for file in installed.files or () if file.name == "METADATA")
    with tempfile.TemporaryDirectory(prefix="tradespan-bench-") as folder:
        source = Path(str(metadata)).parent
        Path(folder, source.name).symlink_to(source)
        path = os.pathsep.join([folder, str(REPOSITORY / "src"), str(REPOSITORY)])
        yield {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
