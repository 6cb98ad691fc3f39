"""mypy sees the same types through `@monitor`, and refuses the same mistakes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CACHE = ".mypy_cache/typing"
"""Of its own, so that `make check` may run at the same time."""


def check(*files: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", CACHE, *map(str, files)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.timeout(300)
def test_watched_functions_have_the_types_they_had() -> None:
    checked = check("tests/typing/watched.py")
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.timeout(300)
def test_a_mistake_in_a_call_of_a_watched_function_is_told(tmp_path: Path) -> None:
    mistaken = tmp_path / "mistaken.py"
    mistaken.write_text(
        "import tradespan\n\n"
        "@tradespan.monitor\n"
        "def price_of(symbol: str) -> float:\n"
        "    return 1.0\n\n"
        "reveal_type(price_of)\n"
        "price_of(5)\n",
        encoding="utf-8",
    )
    checked = check(mistaken)
    assert checked.returncode == 1
    # With or without `builtins.`, by mypy's version.
    revealed = checked.stdout.replace("builtins.", "")
    assert 'Revealed type is "def (symbol: str) -> float"' in revealed
    assert "[arg-type]" in checked.stdout
