"""A program under `tradespan run` is what it is without: what it sees, says and ends with."""

from __future__ import annotations

import json
import signal
import sys
import zipfile
from pathlib import Path

import pytest

from tests.unit.bootstrap.conftest import Project

SEES = """
    import json, sys
    names = ("__name__", "__file__", "__package__", "__doc__", "__cached__", "__annotations__")
    seen = {name: globals().get(name, "absent") for name in names}
    seen["spec"] = getattr(__spec__, "name", None)
    seen["spec loader"] = type(getattr(__spec__, "loader", None)).__name__
    seen["loader"] = type(__loader__).__name__
    seen["builtins"] = repr(__builtins__)
    seen["argv"] = sys.argv
    seen["path"] = sys.path
    seen["main"] = sys.modules["__main__"].__dict__ is globals()
    seen["flags"] = repr(sys.flags)
    seen["prefix"] = sys.prefix
    print(json.dumps(seen))
"""


@pytest.mark.parametrize(
    "command",
    [
        ["bot.py"],
        ["./bot.py", "a", "-x", "--flag=1", ""],
        ["../project/bot.py"],
        ["sub/bot.py"],
        ["link.py"],
        ["no_suffix"],
        ["-m", "bot", "a"],
        ["-m", "pkg"],
        ["-m", "pkg.mod", "--help"],
        ["-m", "pkg.__main__"],
        ["-m", "space.mod"],
        ["folder"],
        ["folder/"],
        ["code.zip", "a"],
        ["ABSOLUTE/bot.py"],
    ],
    ids=" ".join,
)
def test_a_program_finds_itself_as_it_would(project: Project, command: list[str]) -> None:
    files = ["bot.py", "sub/bot.py", "no_suffix", "pkg/__main__.py", "pkg/mod.py", "space/mod.py"]
    project.write(dict.fromkeys([*files, "folder/__main__.py"], SEES) | {"pkg/__init__.py": ""})
    (project.folder / "link.py").symlink_to("sub/bot.py")
    with zipfile.ZipFile(project.folder / "code.zip", "w") as archive:
        archive.write(project.folder / "folder" / "__main__.py", "__main__.py")
    command = [word.replace("ABSOLUTE", str(project.folder)) for word in command]
    bare, launched = project.bare(*command), project.launch(*command)
    assert launched.err == bare.err == ""
    assert json.loads(launched.out) == json.loads(bare.out)


def test_compiled_code_can_be_run(project: Project) -> None:
    project.write({"bot.py": "print(__file__, __name__, type(__loader__).__name__)"})
    project.bare("-c", "import py_compile; py_compile.compile('bot.py', 'bot.pyc')")
    assert project.launch("bot.pyc") == project.bare("bot.pyc")


@pytest.mark.parametrize("variables", [{"PYTHONSAFEPATH": "1"}, {"PYTHONPATH": "lib"}])
@pytest.mark.parametrize("command", [["bot.py"], ["-m", "bot"], ["folder"]], ids=" ".join)
def test_the_path_is_what_pythons_variables_make_it(
    project: Project, variables: dict[str, str], command: list[str]
) -> None:
    project.write({"bot.py": SEES, "lib/bot.py": SEES, "folder/__main__.py": SEES})
    bare, launched = (
        project.bare(*command, variables=variables),
        project.launch(*command, variables=variables),
    )
    assert (launched.status, bool(launched.err)) == (bare.status, bool(bare.err))
    if bare.out:
        assert json.loads(launched.out)["path"] == json.loads(bare.out)["path"]


# ── what cannot be run ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        (["-m", "momentum_bto"], 1, "There is no module momentum_bto; did you mean momentum_bot?"),
        (["-m", "momentum_bot.rsk"], 1, "There is no module momentum_bot.rsk; did you mean"),
        (["-m", "nowhere.at.all"], 1, "There is no module nowhere."),
        (["-m", "momentum_bot"], 1, "momentum_bot is a package without momentum_bot.__main__"),
        (["-m", "sys"], 1, "sys cannot be run: it has no Python code."),
        (["-m", ".rel"], 1, ".rel cannot be run: relative names have no meaning here."),
        (["-m", "momentum_bot.risk.x"], 1, "momentum_bot.risk.x"),
        (["missing.py"], 2, "missing.py cannot be read: No such file or directory."),
        (["empty"], 1, "empty cannot be run: it has no __main__ module."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_run_is_told_in_one_sentence(
    project: Project, command: list[str], status: int, said: str
) -> None:
    project.write({"momentum_bot/__init__.py": "", "momentum_bot/risk.py": ""})
    (project.folder / "empty").mkdir()
    launched = project.launch(*command)
    assert (launched.status, launched.out) == (status, "")
    assert launched.err.startswith("tradespan: ")
    assert said in launched.err
    assert launched.err.count("\n") == 1
    assert project.bare(*command).status == status


def test_a_folder_that_cannot_be_read_is_told(project: Project) -> None:
    project.write({"bot.py": ""})
    (project.folder / "bot.py").unlink()
    (project.folder / "bot.py").symlink_to("bot.py")
    launched = project.launch("bot.py")
    assert (launched.status, launched.out) == (2, "")
    assert "cannot be read: Too many levels of symbolic links." in launched.err


# ── what it imports ─────────────────────────────────────────────────────────────────────────────

SHADOWS = ["calendar", "random", "token", "email", "logging", "secrets", "queue", "signal"]


@pytest.mark.parametrize("how", ["beside", "by PYTHONPATH", "-m", "child"])
def test_a_module_of_the_programs_is_found_though_pythons_has_its_name(
    project: Project, how: str
) -> None:
    where = "lib/" if how == "by PYTHONPATH" else ""
    project.write({f"{where}{name}.py": "MINE = True" for name in SHADOWS})
    project.write({f"{where}email/__init__.py": "MINE = True"})
    (project.folder / where / "email.py").unlink()
    code = f"""
        import importlib, os, sys
        if len(sys.argv) > 1:
            os.execv(sys.executable, [sys.executable, "bot.py"])
        for name in {SHADOWS}:
            print(name, hasattr(importlib.import_module(name), "MINE"))
    """
    project.write({"bot.py": code})
    command = ["-m", "bot"] if how == "-m" else ["bot.py"] + ["child"] * (how == "child")
    variables = {"PYTHONPATH": "lib"} if how == "by PYTHONPATH" else {}
    bare = project.bare(*command, variables=variables)
    launched = project.launch(*command, variables=variables)
    assert (launched.status, launched.err) == (bare.status, bare.err) == (0, "")
    assert launched.out == bare.out
    assert "calendar True" in bare.out


def test_pythons_own_modules_are_imported_once(project: Project) -> None:
    project.write(
        {
            "bot.py": """
                import logging, sys
                from tradespan.core import guard
                print(guard.logging is logging, sys.modules["random"].__file__)
            """
        }
    )
    launched = project.launch("bot.py")
    assert launched.err == ""
    assert launched.out.startswith("True ")


# ── its own functions ───────────────────────────────────────────────────────────────────────────

PROGRAM = """
    import pickle
    class Order:
        def value(self): return 5
    def main():
        order = pickle.loads(pickle.dumps(Order()))
        assert pickle.loads(pickle.dumps(main)) is main
        return order.value()
    if __name__ == "__main__":
        main()
"""


@pytest.mark.parametrize(
    ("command", "pattern", "name"),
    [
        (["bot.py"], r"bot\..*", "bot"),
        (["bot.py"], r"__main__\..*", "bot"),
        (["./sub/bot.py"], r"bot", "bot"),
        (["-m", "sub.bot"], r"sub\.bot\..*", "sub.bot"),
        (["-m", "sub.bot"], r"__main__\..*", "sub.bot"),
        (["-m", "pkg"], r"pkg\.__main__\..*", "pkg.__main__"),
        (["-m", "pkg"], r"pkg\.(main|Order)", "pkg.__main__"),
        (["-m", "pkg"], r"__main__\..*", "pkg.__main__"),
        (["folder"], r"folder\..*", "folder"),
        (["folder"], r"__main__\..*", "folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_the_programs_own_functions_are_recorded(
    project: Project, command: list[str], pattern: str, name: str
) -> None:
    files = ["bot.py", "sub/bot.py", "pkg/__main__.py", "folder/__main__.py"]
    project.write(dict.fromkeys(files, PROGRAM))
    launched = project.launch(*command, include=(pattern,))
    assert (launched.status, launched.out, launched.err) == (0, "", "")
    assert project.names == [f"{name}.main", f"{name}.Order.value"]


def test_modules_beside_the_script_are_recorded(project: Project) -> None:
    project.write(
        {
            "bot.py": "from risk import check\nimport desk.orders\ncheck(1)\ndesk.orders.place()",
            "risk.py": "def check(n): return n",
            "desk/__init__.py": "",
            "desk/orders.py": "from risk import check\ndef place(): return check(2)",
        }
    )
    assert project.launch("bot.py", include=(r"risk|desk",)).err == ""
    assert project.names == ["risk.check", "desk.orders.place", "risk.check"]


def test_a_program_runs_though_everything_is_watched(project: Project) -> None:
    project.write(
        {
            "bot.py": """
                import asyncio, json, logging, os, pathlib, threading
                def f(n):
                    pathlib.Path("n.txt").write_text(str(n))
                    os.makedirs("a/b", exist_ok=True)
                    return json.dumps({"n": n})
                async def main():
                    await asyncio.sleep(0)
                    return f(2)
                logging.warning("to stderr")
                print(f(1), asyncio.run(main()))
                thread = threading.Thread(target=f, args=(3,))
                thread.start(); thread.join()
            """
        }
    )
    named = "os|pathlib|logging|threading|json|asyncio|contextlib|weakref|functools|enum|typing"
    everything = (".*", rf"({named}|collections|random|re|codecs|tradespan|opentelemetry)\..*")
    bare, launched = project.bare("bot.py"), project.launch("bot.py", include=everything)
    assert launched.err.startswith(bare.err)
    assert "functions that patterns name are not watched" in launched.err.removeprefix(bare.err)
    assert (launched.status, launched.out) == (bare.status, bare.out)
    assert {"bot.f", "bot.main", "json.dumps", "pathlib.Path.write_text"} <= set(project.names)


def test_a_pattern_that_matches_nothing_is_told_after_everything_else(project: Project) -> None:
    project.write(
        {"bot.py": "import atexit\ndef check(): pass\natexit.register(print, 'x')\n1 / 0"}
    )
    launched = project.launch("bot.py", include=(r"bot\.chekc", r"bto\..*"))
    assert launched.err.splitlines()[-3:] == [
        "ZeroDivisionError: division by zero",
        r"tradespan: the pattern 'bot\.chekc' matched no function; near names: bot.check",
        r"tradespan: the pattern 'bto\..*' matched no function; near names: bot",
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="signals by number")
def test_the_whole_of_run_passes_everything_through(project: Project, tmp_path: Path) -> None:
    project.write(
        {
            "bot.py": """
                import os, signal, sys
                def work(n): return n * 2
                print(work(int(input())), sys.argv[1:], flush=True)
                if sys.argv[1] == "kill":
                    os.kill(os.getpid(), signal.SIGSEGV)
                sys.exit(int(sys.argv[2]))
            """
        }
    )
    options = ["-i", r"bot\..*", "bot.py"]
    exited = project.run(*options, "exit", "5", stdin="21\n")
    killed = project.run(*options, "kill", stdin="4\n")
    assert (exited.status, exited.out, exited.err) == (5, "42 ['exit', '5']\n", "")
    assert (killed.status, killed.out) == (128 + signal.SIGSEGV, "8 ['kill']\n")
    assert [span.result for span in project.spans] == [42, 8]
