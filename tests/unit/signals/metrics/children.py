"""Processes that count until they are killed.

`python -m tests.unit.signals.metrics.children NAME FOLDER ACKNOWLEDGED`
"""

from __future__ import annotations

import mmap
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from tests.support.captured import capture
from tests.unit.pages.builders import Writer
from tradespan.pages.metrics import MetricPage
from tradespan.signals.metrics.registry import counter, histogram
from tradespan.signals.slot import SIGNALS

THREADS = 4


def count_and_acknowledge(folder: Path, acknowledged: Path) -> None:
    """Four threads count in one series, and acknowledge each call in a mapped file, for ever."""
    with acknowledged.open("r+b") as file:
        words = memoryview(mmap.mmap(file.fileno(), 8 * THREADS)).cast("Q")
    counted, recorded = counter("orders"), histogram("latency")
    writer: Any = Writer(folder)
    SIGNALS.fill(writer, MetricPage(writer))
    sys.setswitchinterval(1e-5)

    def work(place: int) -> None:
        while True:
            counted.add(1)
            recorded.record(0.25)
            words[place] += 1

    for place in range(THREADS):
        threading.Thread(target=work, args=(place,), daemon=True).start()
    os.write(1, b"counting\n")
    signal.pause()


def count_together(folder: Path, times: Path) -> None:
    """Eight threads, in spans, with exemplars; and label sets beyond the cap."""
    bound = counter("orders", labels=("venue",)).labels("kraken")
    capped = counter("capped", labels=("number",))
    for number in range(2_010):
        capped.labels(number).add(1)
    sys.setswitchinterval(1e-5)
    with capture(folder) as captured:

        def work() -> None:
            with captured.tracer.start_as_current_span("work"):
                add = bound.add
                for _ in range(int(times.name)):
                    add(1)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        os.write(1, b"counted\n")
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
