"""A process that discards segments and is killed in it: `… FOLDER rename|truncate before|after`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.fakes import SteppingClock
from tradespan.forward.limits import SpaceKeeper, SpaceLimits
from tradespan.spool.folder import RunFolder


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying(call: Callable[..., Any], moment: str) -> Callable[..., Any]:
    """The call, and a death before or after the second time."""
    times = 0

    def run(*arguments: Any) -> Any:
        nonlocal times
        times += 1
        if times == 2 and moment == "before":
            die()
        result = call(*arguments)
        if times == 2:
            die()
        return result

    return run


def main(folder: Path, step: str, moment: str) -> None:
    name = {"rename": "rename", "truncate": "ftruncate"}[step]
    setattr(os, name, dying(getattr(os, name), moment))
    clock = SteppingClock()
    keeper = SpaceKeeper(folder, SpaceLimits(bytes=1, age=None, free=0), clock=clock)
    for _ in range(2):
        keeper.work([RunFolder(folder)])
        clock.step(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
