"""`make bench`: print the tables, and write the one in docs/performance.md."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

from benchmarks.cost import context_mode, measure

BAR = 8.0
"""`@monitor` on an empty function costs at most this part of an SDK span (issue 01)."""
PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
MARK = "<!-- written by `make bench` -->"


def table(rows: list[tuple[str, float, float]]) -> str:
    """The rows as Markdown."""
    lines = ["| one call | µs | SDK span costs … times as much |", "|---|---:|---:|"]
    lines += [f"| {name} | {cost:.2f} | {ratio:.1f} |" for name, cost, ratio in rows]
    return "\n".join(lines)


def machine() -> str:
    """What it was measured on."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{model}, {platform.system()} {platform.machine()}, CPython {platform.python_version()}"


def main() -> None:
    """Measure and print; `--write` puts the table into the docs."""
    rows = measure()
    page = f"{machine()}; {context_mode()}; minimum of 40 rounds of 2,000 calls, in turns.\n\n"
    page += table(rows)
    print(page)
    ratio = next(ratio for name, _, ratio in rows if name == "@monitor")
    print(f"\n@monitor is 1/{ratio:.1f} of an SDK span (bar: 1/{BAR:g})")
    if "--write" in sys.argv:
        head, _, _ = PAGE.read_text().partition(MARK)
        PAGE.write_text(f"{head}{MARK}\n{page}\n")


if __name__ == "__main__":
    main()
