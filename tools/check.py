"""`make check`: every static check, one after the other; exits 1 if any of them failed.

All of them run even when one fails, so that one run shows everything there is to mend.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TYPED_FOLDERS = ("src", "tests", "tools", "examples", "benchmarks")


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    command: tuple[str, ...]


def build_steps() -> list[Step]:
    # The folder of the interpreter, not of the resolved link: there the environment's tools are.
    programs = Path(sys.executable).parent
    typed = [folder for folder in TYPED_FOLDERS if any((ROOT / folder).rglob("*.py"))]
    python = sys.executable
    return [
        Step("ruff: lint", (python, "-m", "ruff", "check", ".")),
        Step(
            "ruff: format",
            (python, "-m", "ruff", "format", "--check", "--output-format", "concise", "."),
        ),
        Step("mypy --strict", (python, "-m", "mypy", "--strict", *typed, "hatch_build.py")),
        Step("C: warnings are errors", (python, "hatch_build.py")),
        Step("import contracts", (str(programs / "lint-imports"), "--no-logo")),
        Step("house rules", (python, "tools/house_rules.py")),
        Step("generated files", (python, "-m", "tradespan.generate", "--check")),
    ]


def run_step(step: Step) -> bool:
    print(f"── {step.name}", flush=True)
    started = time.monotonic()
    passed = subprocess.run(step.command, cwd=ROOT, check=False).returncode == 0
    print(f"   {'ok' if passed else 'FAILED'} in {time.monotonic() - started:.1f} s\n", flush=True)
    return passed


def main() -> int:
    failed = [step.name for step in build_steps() if not run_step(step)]
    print(f"check: FAILED: {', '.join(failed)}" if failed else "check: all passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
