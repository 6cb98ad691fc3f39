"""Processes below `tradespan run`: armed by the environment, each recorded as itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.unit.bootstrap.conftest import Project
from tradespan.bootstrap.distro import program_name
from tradespan.bootstrap.environment import INJECTION

WORK = """
    import os, sys
    def work(n): return n
    def main():
        {main}
    if __name__ == "__main__":
        main()
"""


def program(main: str) -> dict[str, str]:
    child = {"child.py": "import desk; desk.work(2)", "desk.py": "def work(n): return n"}
    return {"bot.py": WORK.format(main=main), **child}


POOL = "import multiprocessing as m; work(1); m.get_context('{}').Pool(1).map(work, [2])"
CHILDREN = {
    "a script": "work(1); os.spawnv(os.P_WAIT, sys.executable, [sys.executable, 'child.py'])",
    "a fork": "work(1); os.fork() or (work(2), os._exit(0)); os.wait()",
    "spawn": POOL.format("spawn"),
    "fork": POOL.format("fork"),
    "forkserver": POOL.format("forkserver"),
    "a pool of processes": "import concurrent.futures as c, multiprocessing as m; work(1); "
    # Shut down by hand: left to the interpreter's end, Python 3.11 may close a pipe too early.
    "pool = c.ProcessPoolExecutor(1, m.get_context('spawn')); print(*pool.map(work, [2])); "
    "pool.shutdown()",
}  # fmt: skip


@pytest.mark.parametrize("main", CHILDREN.values(), ids=CHILDREN)
def test_children_are_recorded_as_processes_of_their_own(project: Project, main: str) -> None:
    project.write(program(main))
    launched = project.launch("bot.py", include=(r"(bot|desk)\.work",))
    assert (launched.status, launched.err) == (0, "")
    spans = {span.result: span for span in project.spans}
    assert spans.keys() == {1, 2}
    assert spans[1].instance != spans[2].instance
    assert (
        spans[1].resource.attributes["service.name"] == spans[2].resource.attributes["service.name"]
    )


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
@pytest.mark.parametrize("command", [["bot.py"], ["-m", "bot"], ["-m", "pkg.bot"]], ids=" ".join)
def test_a_spawned_child_has_the_scripts_functions_watched_everywhere(
    project: Project, method: str, command: list[str]
) -> None:
    code = f"""
        import multiprocessing
        class Order:
            def value(self): return leaf(5)
        def leaf(n): return n
        HANDLERS = {{"leaf": leaf}}
        def child(order): return order.value() + HANDLERS["leaf"](1)
        if __name__ == "__main__":
            with multiprocessing.get_context({method!r}).Pool(1) as pool:
                print(pool.map(child, [Order()]))
    """
    project.write({"bot.py": code, "pkg/bot.py": code, "pkg/__init__.py": ""})
    launched = project.launch(*command, include=(r"__main__\..*",))
    assert (launched.status, launched.out, launched.err) == (0, "[6]\n", "")
    name = "bot" if command[-1] == "bot.py" else command[-1]
    expected = [f"{name}.{own}" for own in ("child", "Order.value", "leaf", "leaf")]
    assert project.names == expected


def test_who_does_not_want_it_has_no_descendants_followed(project: Project) -> None:
    project.write(program("work(1); os.system(f'{sys.executable} child.py')"))
    shown = "import json, os, sys\nprint(json.dumps(dict(os.environ)), sys.path)"
    project.write({"child.py": shown})
    launched = project.launch(
        "bot.py", include=(r".*\.work",), variables={"TRADESPAN_FOLLOW": "0", "PYTHONPATH": "lib"}
    )
    assert launched.err == ""
    assert project.names == ["bot.work"]
    assert "injection" not in launched.out
    assert "TRADESPAN__" not in launched.out
    assert "TRADESPAN_EFFECTIVE" not in launched.out
    assert '"PYTHONPATH": "lib"' in launched.out


def test_the_programs_pythonpath_stays_behind_ours(project: Project) -> None:
    project.write({"bot.py": "import os; print(os.environ['PYTHONPATH'])", "lib/x.py": ""})
    assert project.launch("bot.py").out == f"{INJECTION}\n"
    assert (
        project.launch("bot.py", variables={"PYTHONPATH": "lib:more"}).out
        == f"{INJECTION}:lib:more\n"
    )


@pytest.mark.parametrize("process", ["bot", "child"])
@pytest.mark.parametrize("failing", ["", "; raise ValueError('theirs')", "; import not_there"])
def test_a_sitecustomize_of_the_users_runs_as_it_would(
    project: Project, process: str, failing: str
) -> None:
    project.write({"lib/sitecustomize.py": f"print('theirs', __name__, __file__){failing}"})
    child = "os.execv(sys.executable, [sys.executable, 'child.py'])" if process == "child" else ""
    seen = "print(sys.modules.get('sitecustomize'))"
    project.write(program(f"{seen}; {child}"))
    project.write({"child.py": "import sys\nprint(sys.modules.get('sitecustomize'))"})
    bare = project.bare("bot.py", variables={"PYTHONPATH": "lib"})
    launched = project.launch("bot.py", include=(r"bot\.work",), variables={"PYTHONPATH": "lib"})
    assert (launched.status, launched.err) == (bare.status, bare.err)
    if not failing:
        assert launched.out == bare.out
    assert launched.out.count("theirs") == bare.out.count("theirs")


def test_modules_of_the_users_are_not_imported_for_us(project: Project) -> None:
    project.write({"lib/logging.py": "print('imported')", "lib/random.py": "print('imported')"})
    project.write({"bot.py": "def f(): return 1\nf()"})
    launched = project.launch("bot.py", include=(r"bot\..*",), variables={"PYTHONPATH": "lib"})
    assert (launched.status, launched.out, launched.err) == (0, "", "")
    assert project.names == ["bot.f"]


def test_a_folder_of_the_run_that_cannot_be_used_does_not_stop_the_program(
    project: Project,
) -> None:
    project.write({"bot.py": "def f(): return 1\nprint(f())"})
    launched = project.launch("bot.py", include=(r"bot\..*",))
    assert launched.out == "1\n"
    for run in (project.root / "runs").iterdir():
        for file in run.iterdir():
            file.unlink()
        run.rmdir()
        run.write_text("a file where a folder was")
        environment = {"TRADESPAN__RUN": str(run), "PYTHONPATH": str(INJECTION)}
        launched = project.bare("bot.py", variables=environment)
        assert (launched.status, launched.out) == (0, "1\n")
        told = f"The spool directory {run} (argument spool) cannot be used: it is a file"
        assert told in launched.err


def test_settings_that_cannot_be_read_do_not_stop_the_program(project: Project) -> None:
    project.write({"bot.py": "print('runs')"})
    environment = {"TRADESPAN__RUN": str(project.root), "PYTHONPATH": str(INJECTION)}
    launched = project.bare("bot.py", variables=environment | {"TRADESPAN_DRAIN": "soon"})
    assert (launched.status, launched.out) == (0, "runs\n")
    assert "TRADESPAN_DRAIN" in launched.err


def test_a_disabled_run_records_nothing(project: Project) -> None:
    project.write({"bot.py": "def f(): return 1\nprint(f())"})
    launched = project.launch(
        "bot.py", include=(r"bot\..*",), variables={"OTEL_SDK_DISABLED": "true"}
    )
    assert (launched.status, launched.out, launched.err) == (0, "1\n", "")
    assert project.names == []


def test_a_python_without_tradespan_is_left_alone(project: Project, tmp_path: Path) -> None:
    project.write({"bot.py": "print('runs')"})
    environment = {"TRADESPAN__RUN": str(project.root), "PYTHONPATH": str(INJECTION)}
    base = Path(sys.base_prefix) / "bin" / "python3"
    assert base.exists()
    end = project.execute([str(base), "bot.py"], environment)
    assert (end.status, end.out, end.err) == (0, "runs\n", "")


def test_a_working_folder_that_is_gone_does_not_stop_the_program(project: Project) -> None:
    project.write({"bot.py": "def f(): return 1\nf()"})
    main = "os.mkdir('x'); os.chdir('x'); os.rmdir('../x'); "
    child = "import subprocess; subprocess.run([sys.executable, '-c', 'print(5)'], check=True)"
    project.write(program(f"work(1); {main}{child}"))
    launched = project.launch("bot.py", include=(r"bot\..*",))
    assert (launched.status, launched.out, launched.err) == (0, "5\n", "")


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["python", "bot.py", "x"], "bot"),
        (["python", "-u", "-W", "error", "sub/bot.py"], "bot"),
        (["python", "-X", "dev", "-m", "pkg.mod"], "pkg.mod"),
        (["python", "-m", "pkg.__main__"], "pkg"),
        (["/venv/bin/python", "/venv/bin/gunicorn", "app:app"], "gunicorn"),
        (["python", "-c", "print()"], "python"),
        (["python", "-m"], "python"),
        (["python"], "python"),
    ],
)
def test_a_program_goes_by_what_its_user_would_call_it(command: list[str], name: str) -> None:
    assert program_name(command) == name


def test_under_opentelemetry_instrument_tradespan_records(project: Project) -> None:
    project.write(
        {
            "bot.py": """
                import tradespan
                from opentelemetry import trace
                @tradespan.monitor
                def work():
                    with trace.get_tracer("lib").start_as_current_span("inner"):
                        return 5
                work()
            """
        }
    )
    program = Path(sys.executable).with_name("opentelemetry-instrument")
    variables = {
        "OTEL_PYTHON_DISTRO": "tradespan",
        "OTEL_PYTHON_CONFIGURATOR": "tradespan",
        "OTEL_TRACES_EXPORTER": "none",
        "TRADESPAN_ROOT": str(project.root),
        "TRADESPAN_FORWARDER": "external",
        "PATH": os.pathsep.join([str(program.parent), os.environ["PATH"]]),
    }
    end = project.execute([str(program), "python", "bot.py"], variables)
    assert (end.status, end.out) == (0, "")
    work, inner = sorted(project.spans, key=lambda span: span.name)
    assert (work.name, work.resource.attributes["service.name"]) == ("bot.work", "bot")
    assert inner.parent_id == work.span_id
