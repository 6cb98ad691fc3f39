"""`python -m tradespan.generate [--check] [--root DIR]`: for those who work on tradespan."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tradespan.generate.outputs import build_outputs

REPOSITORY = Path(__file__).resolve().parents[3]


def main(arguments: list[str] | None = None) -> int:
    """Write what is out of date, or say so; 1 if `--check` found something."""
    parser = argparse.ArgumentParser(
        prog="python -m tradespan.generate",
        description="Write docs tables and constants from the declarations.",
    )
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if one is stale")
    parser.add_argument(
        "--root", metavar="DIR", type=Path, default=REPOSITORY, help="the clone (default: this one)"
    )
    options = parser.parse_args(arguments)
    if not (options.root / "pyproject.toml").exists():
        parser.error(f"{options.root} is no clone of tradespan: there is nothing to generate")
    stale = [output for output in build_outputs() if output.is_stale(options.root)]
    for output in stale:
        if options.check:
            print(f"{output.path}: out of date; run python -m tradespan.generate")
        else:
            output.write(options.root)
            print(f"{output.path}: written")
    if not stale:
        print("generated files: up to date")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
