"""A thousand kills, a hundred for each way to record."""

from __future__ import annotations

import argparse
import random
import tempfile
from dataclasses import asdict
from pathlib import Path

from tests.crash.kills import WAYS, KillLoop, Way
from tests.crash_long.results import Found, stamp


def measure(options: argparse.Namespace) -> list[Found]:
    """One loop for each way."""
    return [_loop(way, max(options.kills // len(WAYS), 1)) for way in WAYS]


def _loop(way: Way, kills: int) -> Found:
    seed = random.randrange(2**32)
    with tempfile.TemporaryDirectory(prefix="tradespan-crash-") as folder:
        findings = KillLoop(Path(folder), seed).run([way] * kills)
    print(f"{way.title}, seed {seed}: {findings}", flush=True)
    failed = bool(
        findings.lost or findings.torn or findings.stored_twice or findings.unaccounted
    )  # fmt: skip
    return {"way": way.title, "seed": seed} | asdict(findings) | stamp() | {"failed": failed}
