"""The long form of the crash tests: `python -m tests.crash_long`, or `make crash`.

Prints what it finds and ends with 1 if tradespan lost, tore or doubled anything. With `--write` the
findings go to results.json and to docs/durability.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from tests.crash.matrix import BY_KEY
from tests.crash_long import chaos, kills, matrix, page
from tests.crash_long.results import FILE, Found, load, replace

Run = Callable[[argparse.Namespace], list[Found]]

SECTIONS: dict[str, tuple[Run, tuple[str, ...]]] = {
    "matrix": (matrix.measure, ("row", "subject")),
    "kills": (kills.measure, ("way",)),
    "chaos": (chaos.measure_chaos, ("faults",)),
    "burst": (chaos.measure_burst, ("spans",)),
}
"""What there is to run, and what names a measurement of it."""


def main(words: Sequence[str] | None = None) -> int:
    """Run what is asked for; 0 if nothing was lost."""
    options = _parse(words)
    failed = False
    for section in options.only or SECTIONS:
        run, keys = SECTIONS[section]
        found = run(options)
        failed = failed or any(each.get("failed") for each in found)
        if options.write:
            replace(section, keys, found)
    if options.write:
        page.write(load(FILE))
    return 1 if failed else 0


def _parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make crash ARGS=…", description=__doc__)
    add = parser.add_argument
    add("--only", action="append", choices=list(SECTIONS), help="a section; may be given again")
    add("--subjects", nargs="+", choices=list(matrix.PYTHONS), default=list(matrix.PYTHONS))
    add("--rows", nargs="+", choices=list(BY_KEY), default=list(BY_KEY), help="of the matrix")
    add("--runs", type=int, default=3, help="of each row (default: 3)")
    add("--kills", type=int, default=1_000, help="kills altogether (default: 1,000)")
    add("--spans", type=int, default=1_000_000, help="of the burst (default: 1,000,000)")
    add("--write", action="store_true", help="write results.json and docs/durability.md")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
