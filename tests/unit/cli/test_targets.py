"""`tradespan targets`, as called from a shell."""

from __future__ import annotations

import gc
import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tradespan.cli import main

RISK = """
    import functools, sys
    class Limits:
        def check(self, quantity): return quantity < 100
        def __len__(self): return 1
        @property
        def price(self): return 1
    def exposure(quantity): return quantity
    def caller(): return sys._getframe(1)
    @functools.lru_cache
    def kept(): ...
"""

BOT = """
    import sys
    from deskbot.risk import exposure
    from deskbot import strategy, nothing_of_the_kind
    import tradespan

    tradespan.configure()
    sys.exit("a bot that trades")

    class Desk:
        def place(self, order): ...
        @property
        def open(self): ...

    def on_tick(price): ...
"""

Targets = Callable[..., str]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory: a bot and its package, forgotten after the test."""
    folder = tmp_path / "work"
    files = {
        "deskbot/__init__.py": "",
        "deskbot/risk.py": RISK,
        "deskbot/strategy.py": "def decide(): ...",
        "deskbot/broken.py": "print('said by a module')\n1 / 0",
        "deskbot/exits.py": "import sys\nsys.exit(3)",
        "deskbot/__main__.py": "from . import risk\ndef main(): ...\nraise SystemExit('run')",
        "deskbot/tests/__init__.py": "raise AssertionError('imported')",
        "bot.py": BOT,
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    yield folder
    for name in list(sys.modules):
        if name.partition(".")[0] == "deskbot":
            del sys.modules[name]
    importlib.invalidate_caches()


@pytest.fixture
def targets(capsys: pytest.CaptureFixture[str]) -> Targets:
    """Calls the command; returns what it printed, and keeps its complaints in `err`."""

    def call(*words: str, status: int = 0) -> str:
        assert main(["targets", *words]) == status
        captured = capsys.readouterr()
        call.err = captured.err  # type: ignore[attr-defined]
        return captured.out

    return call


def told(targets: Targets, *words: str, status: int = 0) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(targets(*words, "--json", status=status))
    return document


def rows(document: dict[str, Any], what: str) -> dict[str, str]:
    functions = document["functions"]
    return {row["name"]: row["why"] for row in functions if row["what"] == what}


# ── functions ───────────────────────────────────────────────────────────────────────────────────


def test_table_says_what_is_watched_what_is_not_and_why(targets: Targets) -> None:
    printed = targets("-i", r"deskbot\.(risk|strategy)", "-x", r".*\.exposure")
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    assert lines == [
        "Function What Group Why",
        "deskbot.risk.Limits.check watched risk",
        "deskbot.risk.caller skipped frame-sensitive: its code uses _getframe",
        "deskbot.strategy.decide watched strategy",
        "",
        "Pattern Setting From Functions Watched",
        r"deskbot\.(risk|strategy) include option --include 7 2",
        r".*\.exposure exclude option --exclude 1",
        "",
        "Left alone Why",
        "1 a special method",
        "1 a property",
        r"1 excluded by .*\.exposure",
        "1 kept by functools.lru_cache: only its misses run",
        "",
        "7 functions in 3 modules: 2 watched, 1 skipped, 4 left alone",
    ]


def test_what_is_left_alone_is_listed_when_asked_for(targets: Targets) -> None:
    printed = targets("-i", r"deskbot\.risk", "--all")
    assert "deskbot.risk.Limits.price left alone a property" in " ".join(printed.split())
    assert "Left alone" not in printed


def test_one_document_holds_everything(targets: Targets) -> None:
    document = told(targets, "-i", r"deskbot\.risk", "-x", r".*\.exposure")
    assert document["counts"] == {"watched": 1, "skipped": 1, "left alone": 4}
    assert rows(document, "watched") == {"deskbot.risk.Limits.check": ""}
    assert rows(document, "left alone")["deskbot.risk.exposure"] == r"excluded by .*\.exposure"
    assert document["modules"] == ["deskbot", "deskbot.risk"]
    (check,) = [row for row in document["functions"] if row["what"] == "watched"]
    assert check["patterns"] == [r"deskbot\.risk"]
    assert check["options"]["process_group"] == "risk"
    assert document["patterns"] == [
        {
            "pattern": r"deskbot\.risk",
            "setting": "include",
            "origin": "option --include",
            "functions": 6,
            "watched": 1,
            "near": [],
        },
        {
            "pattern": r".*\.exposure",
            "setting": "exclude",
            "origin": "option --exclude",
            "functions": 1,
            "watched": 0,
            "near": [],
        },
    ]


def test_what_a_pattern_names_letter_by_letter_is_watched(targets: Targets) -> None:
    document = told(targets, "-i", r"deskbot\.risk\.Limits\.price", "-i", r"deskbot\.risk\.kept")
    assert list(rows(document, "watched")) == ["deskbot.risk.Limits.price", "deskbot.risk.kept"]


def test_settings_file_and_environment_count_as_in_a_run(
    targets: Targets, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.joinpath("tradespan.toml").write_text(
        dedent(r"""
        exclude = ['.*\.caller']
        [[instrument]]
        pattern = 'deskbot\.risk\.Limits'
        process_group = "limits"
        sample_rate = 0.25
        durable = true
        capture = { result = false, locals = true }
        objective = { success = 0.99 }
        [[map]]
        function = 'deskbot\.risk\.Limits\.check'
        signal = "order"
        """)
    )
    monkeypatch.setenv("TRADESPAN_INSTRUMENT", r"deskbot\.strategy")
    lines = [" ".join(line.split()) for line in targets().splitlines()]
    assert lines[:3] == [
        "Function What Group Options",
        "deskbot.risk.Limits.check watched limits sample_rate=0.25, durable, no result, locals, "
        "objective 0.99, signal order",
        "deskbot.strategy.decide watched strategy",
    ]
    assert r"deskbot\.strategy include environment TRADESPAN_INSTRUMENT 1 1" in lines
    assert r"deskbot\.risk\.Limits instrument tradespan.toml:3 instrument[0] 3 1" in lines


def test_what_is_watched_by_hand_is_said_to_be(targets: Targets, project: Path) -> None:
    code = "import tradespan\n@tradespan.monitor\ndef f(): ...\n"
    project.joinpath("deskbot", "hand.py").write_text(code)
    document = told(targets, "-i", r"deskbot\.hand")
    assert rows(document, "watched") == {"deskbot.hand.f": "watched by @monitor"}


# ── what is imported, and what is not ───────────────────────────────────────────────────────────


def test_a_module_whose_import_fails_is_reported_and_the_rest_goes_on(targets: Targets) -> None:
    document = told(targets, "-i", "deskbot")
    assert document["failed"] == {
        "deskbot.broken": "ZeroDivisionError: division by zero",
        "deskbot.exits": "SystemExit: 3",
    }
    assert {"deskbot.strategy.decide", "deskbot.risk.exposure"} <= set(rows(document, "watched"))


def test_tests_are_not_imported_unless_a_pattern_names_them(targets: Targets) -> None:
    assert "deskbot.tests" not in told(targets, "-i", "deskbot")["failed"]
    named = told(targets, "-i", r"deskbot\.tests", status=1)
    assert named["failed"] == {"deskbot.tests": "AssertionError: imported"}


def test_only_what_a_pattern_may_select_in_is_imported(targets: Targets) -> None:
    told(targets, "-i", r"deskbot\.strategy\..*")
    assert "deskbot.risk" not in sys.modules


def test_a_script_is_read_and_its_imports_imported(targets: Targets) -> None:
    document = told(targets, "-i", r"bot\..*", "-i", r".*\.(exposure|decide)", "bot.py")
    assert rows(document, "watched") == {
        "bot.Desk.place": "as it is defined",
        "bot.on_tick": "as it is defined",
        "deskbot.risk.exposure": "",
        "deskbot.strategy.decide": "",
    }
    assert rows(document, "left alone") == {"bot.Desk.open": "a property"}
    assert (document["program"], document["failed"]) == ("bot", {})


def test_a_script_is_read_for_what_looks_at_frames_too(targets: Targets, project: Path) -> None:
    project.joinpath("log.py").write_text(
        "import sys\ndef f(): return caller()\ndef caller(): return sys._getframe(2)\n"
    )
    document = told(targets, "-i", "log", "log.py")
    assert sorted(rows(document, "skipped")) == ["log.caller", "log.f"]


@pytest.mark.parametrize("pattern", [r"__main__\..*", "bot", r"bot\.Desk\.place|bot\.on_tick"])
def test_a_script_goes_by_both_its_names(targets: Targets, pattern: str) -> None:
    watched = rows(told(targets, "-i", pattern, "bot.py"), "watched")
    assert list(watched) == ["bot.Desk.place", "bot.on_tick"]


@pytest.mark.parametrize("module", ["deskbot", "deskbot.__main__"])
@pytest.mark.parametrize("pattern", [r"deskbot\.main", r"__main__", r"deskbot\.__main__\.main"])
def test_the_main_module_of_a_package_is_read_and_not_run(
    targets: Targets, module: str, pattern: str
) -> None:
    document = told(targets, "-i", pattern, "-m", module)
    assert list(rows(document, "watched")) == ["deskbot.__main__.main"]
    assert "deskbot.__main__" not in sys.modules


def test_modules_may_be_named_for_patterns_that_begin_with_none(targets: Targets) -> None:
    document = told(targets, "-i", r".*\.(check|decide)", "-m", "deskbot.risk", "-m", "deskbot")
    assert sorted(rows(document, "watched")) == [
        "deskbot.risk.Limits.check",
        "deskbot.strategy.decide",
    ]


def test_a_module_that_was_imported_before_is_looked_through_as_well(targets: Targets) -> None:
    first = told(targets, "-i", r"deskbot\.risk")
    assert told(targets, "-i", r"deskbot\.risk") == first


def test_packages_that_are_left_alone_are_counted(targets: Targets) -> None:
    printed = targets("-i", ".*", "-m", "deskbot.risk", "-m", "json", "-m", "pytest")
    assert "1 package a test framework" in " ".join(printed.split())
    document = told(targets, "-i", ".*", "-m", "deskbot.risk", "-m", "json")
    assert document["left_alone_packages"]["json"] == "Python's own library"


# ── it leaves no trace ──────────────────────────────────────────────────────────────────────────


def test_nothing_is_written_printed_configured_or_changed(
    targets: Targets, project: Path, tmp_path: Path
) -> None:
    project.joinpath("deskbot", "loud.py").write_text(
        dedent("""
        import sys, warnings, tradespan
        print("to stdout")
        warnings.warn("old")
        asked = sys.stdin.read(), sys.argv
        runtime = tradespan.configure(service="loud")
        def f(): ...
        tradespan.instrument(__name__)
        code = f.__code__
        """)
    )
    before = sorted(tmp_path.rglob("*"))
    process = sys.path[:], sys.argv, sys.stdin, sys.meta_path[:], gc.isenabled()
    document = told(targets, "-i", r"deskbot\.loud")
    loud = sys.modules["deskbot.loud"]
    assert rows(document, "watched") == {"deskbot.loud.f": ""}
    assert loud.asked == ("", ["tradespan"])
    assert not loud.runtime.enabled
    assert loud.f.__code__ is not loud.code
    assert sorted(tmp_path.rglob("*")) == before
    assert (sys.path, sys.argv, sys.stdin, sys.meta_path, gc.isenabled()) == process
    assert "to stdout" in targets.err  # type: ignore[attr-defined]


# ── mistakes ────────────────────────────────────────────────────────────────────────────────────


def test_a_pattern_that_matches_nothing_is_told_near_names(targets: Targets) -> None:
    printed = targets("-i", r"deskbot\.risk\.exposre", status=1)
    assert "0 functions" in printed
    (line,) = targets.err.splitlines()  # type: ignore[attr-defined]
    assert "matches no function; near names: deskbot.risk.exposure" in line


def test_a_package_that_is_not_there_is_told_a_near_one(targets: Targets) -> None:
    document = told(targets, "-i", r"deskbott\..*", status=1)
    assert document["missing"] == {"deskbott": "deskbot"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "no pattern says what to watch"),
        (["-i", ".*"], "the patterns begin with no package's name"),
        (["-i", "x", "-m", "deskbto"], "There is no module deskbto; did you mean deskbot?"),
        (["-i", "x", "bto.py"], "There is no script bto.py; did you mean bot.py?"),
        (["-i", "x", "."], "it has no __main__ module"),
        (["-i", "("], "Invalid regular expression for include"),
    ],
)
def test_what_cannot_be_looked_at_is_refused(
    targets: Targets, words: list[str], sentence: str
) -> None:
    assert targets(*words, status=2) == ""
    assert sentence in targets.err  # type: ignore[attr-defined]


def test_a_script_that_does_not_compile_is_refused(targets: Targets, project: Path) -> None:
    project.joinpath("half.py").write_text("def f(:\n")
    targets("-i", "half", "half.py", status=2)
    assert "half.py, line 1" in targets.err  # type: ignore[attr-defined]
