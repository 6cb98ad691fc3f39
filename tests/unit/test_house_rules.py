"""The project's own rules, checked against small trees on disk that break them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools import house_rules

SCRIPT = Path(house_rules.__file__)

# Put together here, so that this file does not break the rule it tests.
REGISTRY = "https://" + "pypi" + ".org/simple"
WHEELS = "https://files." + "pythonhosted" + ".org/packages/x.whl"
MACHINE_PATHS = (
    "/" + "work/main/x.py",
    "/" + "root/.cache",
    "/" + "home/jo/bot",
    "/" + "Users/jo/bot",
)


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def findings(root: Path) -> list[str]:
    return [str(finding) for finding in house_rules.check_tree(root)]


def function_of(lines: int) -> str:
    return "def long_one():\n" + "    x = 1\n" * (lines - 1)


def test_a_clean_tree_has_no_findings(tmp_path: Path) -> None:
    write(
        tmp_path,
        "src/tradespan/a.py",
        "import json\n\n\ndef read() -> str:\n    return json.dumps(1)\n",
    )
    write(tmp_path, "README.md", "See ./work/ and https://opentelemetry.io/docs/work/here\n")
    assert findings(tmp_path) == []


def test_a_function_may_have_60_lines_and_not_61(tmp_path: Path) -> None:
    write(tmp_path, "src/fits.py", function_of(60))
    write(tmp_path, "src/too_long.py", "x = 1\n" + function_of(61))
    assert findings(tmp_path) == ["src/too_long.py:2: `long_one` has 61 lines, over 60"]


def test_async_functions_and_methods_are_measured_too(tmp_path: Path) -> None:
    method = "class A:\n    async def slow(self):\n" + "        x = 1\n" * 60
    write(tmp_path, "examples/bot.py", method)
    assert findings(tmp_path) == ["examples/bot.py:2: `slow` has 61 lines, over 60"]


@pytest.mark.parametrize(
    ("name", "comment"),
    [
        ("a.py", "# long: one table, read from top to bottom"),
        ("a.js", "// long: a page of its own"),
        ("a.css", "/* long: every colour in one place */"),
        ("a.sql", "-- long: all queries in one file"),
    ],
)
def test_a_file_over_400_lines_needs_a_reason_at_its_top(
    tmp_path: Path, name: str, comment: str
) -> None:
    write(tmp_path, f"explained/{name}", comment + "\n" * 401)
    write(tmp_path, f"fits/{name}", "\n" * 400)
    write(tmp_path, f"late/{name}", "\n" * 400 + comment + "\n")
    write(tmp_path, f"no_reason/{name}", comment.partition(":")[0] + ":" + "\n" * 401)
    assert [line.split(":")[0] for line in findings(tmp_path)] == [
        f"late/{name}",
        f"no_reason/{name}",
    ]


def test_a_long_text_file_is_no_code(tmp_path: Path) -> None:
    write(tmp_path, "requirements/constraints.txt", "x==1\n" * 1000)
    assert findings(tmp_path) == []


def test_an_import_inside_a_function_needs_its_mark(tmp_path: Path) -> None:
    code = (
        "def marked():\n"
        "    import grpc  # optional extra: otlp-grpc\n"
        "    from rich import (  # optional extra\n"
        "        print,\n"
        "    )\n"
        "def unmarked():\n"
        "    def inner():\n"
        "        from json import dumps\n"
    )
    write(tmp_path, "src/tradespan/a.py", code)
    assert findings(tmp_path) == [
        "src/tradespan/a.py:8: import inside a function, not marked `# optional extra`"
    ]


def test_only_the_front_door_may_import_late_without_a_mark(tmp_path: Path) -> None:
    code = "def __getattr__(name):\n    import json\n"
    write(tmp_path, "src/tradespan/__init__.py", code)
    write(tmp_path, "src/tradespan/web/__init__.py", code)
    assert [line.split(":")[0] for line in findings(tmp_path)] == ["src/tradespan/web/__init__.py"]


def test_the_mark_for_an_import_under_test_counts_in_tests_only(tmp_path: Path) -> None:
    code = "def test_hook():\n    import target  # import under test\n"
    write(tmp_path, "tests/unit/test_hook.py", code)
    write(tmp_path, "src/hook.py", code)
    assert [line.split(":")[0] for line in findings(tmp_path)] == ["src/hook.py"]


@pytest.mark.parametrize(
    "code",
    [
        "import time\ntime.sleep(0.1)\n",
        "import time as t\nt.sleep(delay)\n",
        "from time import sleep\nsleep(1)\n",
        "from time import sleep as nap\nnap(1)\n",
        "import asyncio\nasync def t():\n    await asyncio.sleep(0.01)\n",
        "import asyncio\nasync def t():\n    await asyncio.sleep(delay=1)\n",
        "from asyncio import sleep\nasync def t():\n    await sleep(1)\n",
    ],
)
def test_a_sleeping_test_is_found_however_it_spells_it(tmp_path: Path, code: str) -> None:
    write(tmp_path, "tests/unit/test_a.py", code)
    write(tmp_path, "examples/a.py", code)
    (finding,) = findings(tmp_path)
    assert finding.startswith("tests/unit/test_a.py:")
    assert "a test sleeps" in finding


@pytest.mark.parametrize(
    "code",
    [
        "import asyncio\nasync def t():\n    await asyncio.sleep(0)\n",
        "from clocks import SteppingClock\nclock = SteppingClock()\nclock.sleep(5)\n",
        "BOT = 'import time; time.sleep(60)'\n",
    ],
    ids=["yield", "stepping clock", "a program in a string"],
)
def test_what_does_not_sleep_in_the_test_is_allowed(tmp_path: Path, code: str) -> None:
    write(tmp_path, "tests/unit/test_a.py", code)
    assert findings(tmp_path) == []


@pytest.mark.parametrize("name", ["supervise.py", "supervise/children.py"])
def test_the_supervisor_imports_the_standard_library_only(tmp_path: Path, name: str) -> None:
    code = "import os\nimport psutil\nfrom rich.tree import Tree\nfrom tradespan import x\n"
    write(tmp_path, f"src/tradespan/{name}", code)
    write(tmp_path, "src/tradespan/bootstrap.py", code)
    assert findings(tmp_path) == [
        f"src/tradespan/{name}:2: the supervisor imports psutil: standard library only",
        f"src/tradespan/{name}:3: the supervisor imports rich.tree: standard library only",
    ]


@pytest.mark.parametrize("text", [REGISTRY, WHEELS, *MACHINE_PATHS])
def test_registry_addresses_and_machine_paths_are_found_in_any_file(
    tmp_path: Path, text: str
) -> None:
    write(tmp_path, ".ci/run", f"#!/bin/sh\ncat {text}\n")
    (finding,) = findings(tmp_path)
    assert finding.startswith(".ci/run:2: a ")


@pytest.mark.parametrize(
    "text", ["docs/work/x", "~/work/x", "$HOME/root/x", "${HOME}/work/x", "/workers/x"]
)
def test_relative_and_home_paths_are_nobodys_machine(tmp_path: Path, text: str) -> None:
    write(tmp_path, "docs/guide.md", text)
    assert findings(tmp_path) == []


def test_a_binary_file_is_not_read_as_text(tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\0\0" + MACHINE_PATHS[0].encode())
    assert findings(tmp_path) == []


def test_a_file_that_does_not_parse_is_a_finding_and_no_crash(tmp_path: Path) -> None:
    write(tmp_path, "src/a.py", "x = 1\ndef broken(:\n")
    (finding,) = findings(tmp_path)
    assert finding.startswith("src/a.py:2: does not parse")


def test_in_a_repository_only_files_that_git_ignores_or_lost_are_passed_over(
    tmp_path: Path,
) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    write(tmp_path, ".gitignore", "/ignored/\n")
    for name in ("ignored/a.py", "tracked.py", "deleted.py", "new.py"):
        write(tmp_path, name, function_of(61))
    subprocess.run(["git", "-C", str(tmp_path), "add", "tracked.py", "deleted.py"], check=True)
    (tmp_path / "deleted.py").unlink()
    assert [line.split(":")[0] for line in findings(tmp_path)] == ["new.py", "tracked.py"]


@pytest.mark.parametrize(("lines", "status"), [(60, 0), (61, 1)])
def test_the_exit_status_says_whether_the_rules_are_kept(
    tmp_path: Path, lines: int, status: int
) -> None:
    write(tmp_path, "a.py", function_of(lines))
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path)], check=False, capture_output=True, text=True
    )
    assert done.returncode == status
    last = "house rules: kept" if status == 0 else "house rules: 1 finding(s)"
    assert done.stdout.splitlines()[-1] == last
