"""Records so many calls, and prints by how many allocated blocks the process has grown."""

from __future__ import annotations

import gc
import sys
import tempfile
from pathlib import Path

from tests.support.captured import Captured, capture
from tradespan.instrument.monitor import monitor
from tradespan.instrument.recorder import SLOT
from tradespan.spool.folder import RunFolder

ROUND = 10_000
"""Calls between two looks at the folder."""


@monitor
def trade(quantity: int, symbol: str) -> int:
    return quantity


@monitor
def reject(quantity: int) -> None:
    raise ValueError(f"{quantity} is too much")


def call(captured: Captured, number: int) -> None:
    """A span by hand, with what its number says."""
    with captured.tracer.start_as_current_span("order", attributes={"number": number}) as span:
        if number % 4 == 1:
            span.add_event("checked", {"by": f"desk {number}"})
        elif number % 4 == 2:
            trade(number, "BTC-USDT")
        elif number % 4 == 3:
            try:
                reject(number)
            except ValueError as error:
                span.record_exception(error)


def delete_delivered(folder: Path) -> None:
    """Delete all segments but the last of each lane, as the agent would."""
    names = RunFolder(folder).segments()
    newest = {name.lane: name for name in names}
    for name in names:
        if name != newest[name.lane]:
            (folder / str(name)).unlink()


def main(calls: int) -> None:
    blocks = []
    with tempfile.TemporaryDirectory() as folder, capture(Path(folder), slot=SLOT) as captured:
        for begin in range(0, calls, ROUND):
            for number in range(begin, begin + ROUND):
                call(captured, number)
            delete_delivered(Path(folder))
            gc.collect()
            blocks.append(sys.getallocatedblocks())
    half = len(blocks) // 2
    # The least of each half: bounded caches fill and are emptied.
    print(min(blocks[half:]) - min(blocks[2:half]))


if __name__ == "__main__":
    main(int(sys.argv[1]))
