"""A program under `tradespan run` ends as it would without: text, status, order, signals."""

from __future__ import annotations

import re
import signal

import pytest

from tests.unit.bootstrap.conftest import Project

# ── how it ends ─────────────────────────────────────────────────────────────────────────────────

ENDS = {
    "returns": "",
    "exits with 3": "import sys; sys.exit(3)",
    "exits with a text": "import sys; sys.exit('no money')",
    "exits with nothing": "raise SystemExit",
    "exits hard": "import os; print('x', flush=True); os._exit(7)",
    "raises": "def f():\n    return 1 / 0\nf()",
    "raises from a cause": """
        def f():
            try:
                {}["x"]
            except KeyError as error:
                raise ValueError("y") from error
        f()
    """,
    "raises a group": "raise ExceptionGroup('two', [ValueError(1), KeyError(2)])",
    "raises in a module": "import inner",
    "cannot be compiled": "def f(:\n    pass",
    "has a tab too many": "if True:\n\tx = 1\n        y = 2",
    "raises in an exit handler": "import atexit; atexit.register(lambda: 1 / 0)",
    "raises in a thread": """
        import threading
        def f(): raise ValueError("x")
        thread = threading.Thread(target=f, name="worker")
        thread.start(); thread.join()
    """,
    "has a hook of its own": """
        import sys, traceback
        def hook(kind, error, trace):
            print("hook", kind.__name__, [f.name for f in traceback.extract_tb(trace)])
            print([f.name for f in traceback.extract_tb(error.__traceback__)])
        sys.excepthook = hook
        def f(): return 1 / 0
        f()
    """,
    "looks at its last error": """
        import atexit, sys, traceback
        def told():
            print(sys.last_type.__name__, sys.last_value)
            print([f.name for f in traceback.extract_tb(sys.last_traceback)])
        atexit.register(told)
        1 / 0
    """,
    "keeps the order of its end": """
        import atexit, sys, threading
        class Last:
            def __del__(self): print("deleted")
        last = Last()
        atexit.register(print, "first registered")
        atexit.register(print, "second registered")
        thread = threading.Thread(target=lambda: (threading.main_thread().join(), print("thread")))
        thread.start()
        sys.stdout.write("unflushed ")
        raise ValueError("x")
    """,
    "is interrupted": """
        import atexit, sys
        atexit.register(print, "handler")
        sys.stdout.write("unflushed ")
        raise KeyboardInterrupt
    """,
    "is killed": "import os; print('x', flush=True); os.kill(os.getpid(), 9)",
    "is terminated": "import os; os.kill(os.getpid(), 15)",
    "warns": """
        import warnings
        def f(): warnings.warn("old", DeprecationWarning, stacklevel=2)
        f()
        warnings.warn("now")
    """,
}


@pytest.mark.parametrize("code", ENDS.values(), ids=ENDS)
def test_a_program_ends_as_it_would(project: Project, code: str) -> None:
    project.write({"inner.py": "\n\ndef g():\n    raise OSError('inner')\ng()"})
    text = "\n".join(line.removeprefix("        ") for line in code.split("\n"))
    project.write({"bot.py": text})
    bare, launched = project.bare("bot.py"), project.launch("bot.py")
    assert (launched.status, launched.out) == (bare.status, bare.out)
    address = r"0x[0-9a-f]+"
    assert re.sub(address, "", launched.err) == re.sub(address, "", bare.err)


@pytest.mark.parametrize("code", ["raises", "exits with 3", "raises in a module"])
def test_a_module_ends_as_it_would_but_for_the_frames_of_runpy(project: Project, code: str) -> None:
    project.write({"pkg/__init__.py": "", "pkg/__main__.py": ENDS[code], "inner.py": "1 / 0"})
    bare, launched = project.bare("-m", "pkg"), project.launch("-m", "pkg")
    lines = [line for line in bare.err.splitlines() if "<frozen runpy>" not in line]
    assert (launched.status, launched.out) == (bare.status, bare.out)
    assert launched.err.splitlines() == lines


@pytest.mark.parametrize(
    "code", ["1 / 0", "import not_there", "from os import not_there", "raise SystemExit(4)", "x ="]
)
def test_a_package_that_fails_on_the_way_to_its_module_says_so(project: Project, code: str) -> None:
    project.write({"pkg/__init__.py": code, "pkg/mod.py": ""})
    bare, launched = project.bare("-m", "pkg.mod"), project.launch("-m", "pkg.mod")
    lines = [line for line in bare.err.splitlines() if "<frozen runpy>" not in line]
    if code == "x =":  # then runpy's are the only frames
        lines.remove("Traceback (most recent call last):")
    assert (launched.status, launched.err.splitlines()) == (bare.status, lines)


WATCHED_ENDS = {
    "raises": """
        def f(): return g()
        def g(): return 1 / 0
        f()
    """,
    "raises from a cause": """
        def f():
            try:
                g()
            except ZeroDivisionError as error:
                raise ValueError("x") from error
        def g(): return 1 / 0
        f()
    """,
    "raises while it handles": """
        class Book:
            def f(self):
                try:
                    g()
                except ZeroDivisionError:
                    raise ValueError("x")
        def g(): return 1 / 0
        Book().f()
    """,
    "raises a group": """
        def f():
            errors = []
            for n in range(2):
                try:
                    g(n)
                except ValueError as error:
                    errors.append(error)
            raise ExceptionGroup("both legs", errors)
        def g(n): raise ValueError(n)
        f()
    """,
    "raises in a task": """
        import asyncio
        async def f(): await g()
        async def g(): raise ValueError("x")
        asyncio.run(f())
    """,
}


@pytest.mark.parametrize("code", WATCHED_ENDS.values(), ids=WATCHED_ENDS)
def test_watched_functions_do_not_change_the_text_of_an_error(project: Project, code: str) -> None:
    project.write({"bot.py": code})
    bare, launched = project.bare("bot.py"), project.launch("bot.py", include=(r"bot\..*",))
    assert launched == bare
    assert {"bot.g"} < set(project.names)


def test_input_output_and_arguments_pass_through(project: Project) -> None:
    project.write(
        {"bot.py": "import sys; print(input(), sys.stdin.read(), sys.argv[1:], file=sys.stderr)"}
    )
    launched = project.launch("bot.py", "-m", "x", "--root", "y", stdin="first\nsecond\nthird")
    assert launched.err == "first second\nthird ['-m', 'x', '--root', 'y']\n"


def test_ctrl_c_ends_the_program_as_it_would(project: Project) -> None:
    project.write(
        {
            "bot.py": """
                import atexit, os, signal
                def work():
                    os.kill(os.getppid() if os.environ.get("ASK") else os.getpid(), signal.SIGINT)
                    while True:
                        signal.pause()
                atexit.register(print, "handler")
                try:
                    work()
                finally:
                    print("cleaned up")
            """
        }
    )
    bare = project.bare("bot.py")
    run = project.run("-i", r"bot\..*", "bot.py", variables={"ASK": "1"})
    assert (bare.status, run.status) == (-signal.SIGINT, 128 + signal.SIGINT)
    assert run.out == bare.out == "cleaned up\nhandler\n"
    assert run.err.splitlines()[-1] == bare.err.splitlines()[-1] == "KeyboardInterrupt"
    (span,) = project.spans
    assert span.own == {"tradespan.ended_by": "KeyboardInterrupt"}
    assert not span.failed
