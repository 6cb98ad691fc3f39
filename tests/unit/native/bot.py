"""A process to be killed: records, and says over a pipe how far it has come.

`python -m tests.unit.native.bot FOLDER`
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.unit.spool.builders import SPAN, make_writer
from tradespan.spool.writer import SpoolLimits


def main(folder: Path) -> None:
    writer = make_writer(folder, limits=SpoolLimits(1 << 14, 1 << 16))
    number = 0
    while True:
        number += 1
        lane = writer.errors if number % 3 == 0 else writer.ordinary
        lane.record(SPAN, number % 40, (number, "x" * (number % 200), {"n": number}))
        os.write(1, number.to_bytes(8, "little"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
