"""Whole programs: what is left when the interpreter exits, and recursions as deep as before."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.captured import CapturedSpan, read_spans

TRADESPAN = str(Path(sys.executable).with_name("tradespan"))
CONFIGURE = "import tradespan; tradespan.configure(root='root', store=None, forwarder='external')\n"


@dataclass(frozen=True)
class Program:
    """A program that has ended, and what it recorded."""

    folder: Path
    status: int
    out: str
    err: str

    def named(self, name: str) -> list[CapturedSpan]:
        return [span for span in read_spans(self.folder / "root") if span.name.endswith(name)]


def run(folder: Path, *command: str, code: str) -> Program:
    (folder / "bot.py").write_text(textwrap.dedent(code), encoding="utf-8")
    done = subprocess.run(
        [*command, "bot.py"], cwd=folder, capture_output=True, text=True, check=False
    )
    return Program(folder, done.returncode, done.stdout, done.stderr)


def run_configured(folder: Path, code: str) -> Program:
    """With every warning shown."""
    (folder / "configured.py").write_text(CONFIGURE, encoding="utf-8")
    return run(
        folder, sys.executable, "-W", "always", code=f"import configured\n{textwrap.dedent(code)}"
    )


GENERATORS = """
import asyncio, gc, sys, threading
import tradespan

@tradespan.monitor
def ticks(name, *held):
    try:
        while True:
            yield name
    finally:
        cleaned.append(name)

@tradespan.monitor
async def feed(name):
    while True:
        yield name

@tradespan.monitor
async def wait(name):
    await asyncio.Event().wait()

cleaned = []
"""


def test_a_generator_held_by_the_module_at_exit_is_recorded_in_silence(tmp_path: Path) -> None:
    program = run_configured(
        tmp_path,
        GENERATORS
        + """
generator = ticks("held")
next(generator)
print("done")
""",
    )
    assert (program.status, program.out, program.err) == (0, "done\n", "")
    (span,) = program.named("ticks")
    assert not span.failed
    assert span.own["tradespan.ended_by"] == "GeneratorExit"


def test_a_generator_in_a_cycle_or_a_thread_at_exit_says_nothing(tmp_path: Path) -> None:
    program = run_configured(
        tmp_path,
        GENERATORS
        + """
held = []
held.append(ticks("cycle", held))
next(held[0])
del held

def hold(started):
    generator = ticks("thread")
    next(generator)
    started.set()
    threading.Event().wait()

started = threading.Event()
threading.Thread(target=hold, args=(started,), daemon=True).start()
started.wait()
print("done")
""",
    )
    assert (program.status, program.out, program.err) == (0, "done\n", "")
    assert not any(span.failed for span in program.named("ticks"))


def test_coroutines_and_async_generators_at_exit_say_nothing(tmp_path: Path) -> None:
    program = run_configured(
        tmp_path,
        GENERATORS
        + """
async def main():
    global reader, task
    reader = feed("held")
    await anext(reader)
    task = asyncio.create_task(wait("held"))
    await asyncio.sleep(0)

asyncio.run(main())

loop = asyncio.new_event_loop()
async def begin():
    await anext(left)
left = feed("left")
loop.run_until_complete(begin())
loop.close()
print("done")
""",
    )
    assert (program.status, program.out, program.err) == (0, "done\n", "")
    assert [span.own["tradespan.ended_by"] for span in program.named("wait")] == ["CancelledError"]
    assert "GeneratorExit" in [span.own["tradespan.ended_by"] for span in program.named("feed")]
    assert not any(span.failed for span in program.named("feed"))


def test_an_exit_in_a_watched_call_keeps_its_status_and_its_span(tmp_path: Path) -> None:
    program = run_configured(
        tmp_path,
        """
        import sys, tradespan

        @tradespan.monitor
        def main():
            sys.exit(7)

        main()
        """,
    )
    assert (program.status, program.err) == (7, "")
    (span,) = program.named("main")
    assert not span.failed
    assert span.own == {"tradespan.ended_by": "SystemExit"}


def test_a_subinterpreter_runs_watched_functions_and_the_main_one_records_on(
    tmp_path: Path,
) -> None:
    program = run_configured(
        tmp_path,
        """
        import _xxsubinterpreters as interpreters
        import tradespan

        @tradespan.monitor
        def work(number):
            return number

        work(1)
        inner = interpreters.create()
        interpreters.run_string(inner, '''if True:
            import tradespan

            @tradespan.monitor
            def work(number):
                return number

            print(work(2), flush=True)
        ''')
        interpreters.destroy(inner)
        print(work(3))
        """,
    )
    assert (program.status, program.out, program.err) == (0, "2\n3\n", "")
    assert [span.arguments for span in program.named("work")] == [{"number": 1}, {"number": 3}]


RECURSION = """
import sys
import tradespan

@tradespan.monitor
def plain(n):
    return n if n == 0 else 1 + plain(n - 1)

@tradespan.monitor
async def coroutine(n):
    return n if n == 0 else 1 + await coroutine(n - 1)

@tradespan.monitor
def generator(n):
    if n:
        yield from generator(n - 1)
    yield n

@tradespan.monitor(sample_rate=0.5)
def sampled(n):
    return n if n == 0 else 1 + sampled(n - 1)

def drive(work):
    try:
        work.send(None)
    except StopIteration as stop:
        return stop.value

if __name__ == "__main__":
    depth = {
        "plain": lambda: plain(900),
        "coroutine": lambda: drive(coroutine(900)),
        "generator": lambda: list(generator(900))[-1],
        "sampled": lambda: sampled(900),
    }[KIND]()
    print(KIND, depth)
"""
kinds = pytest.mark.parametrize("kind", ["plain", "coroutine", "generator", "sampled"])


@kinds
def test_900_levels_of_a_watched_function_fit_after_configure(tmp_path: Path, kind: str) -> None:
    program = run_configured(tmp_path, f"KIND = {kind!r}\n{RECURSION}")
    assert (program.status, program.out, program.err[-2_000:]) == (0, f"{kind} 900\n", "")
    assert kind == "sampled" or len(program.named(kind)) == 901


@kinds
def test_900_levels_of_a_watched_function_fit_under_run(tmp_path: Path, kind: str) -> None:
    code = f"KIND = {kind!r}\n{RECURSION}"
    command = [TRADESPAN, "run", "--root", "root", "--no-ui"]
    program = run(tmp_path, *command, code=code)
    assert (program.status, program.out) == (0, f"{kind} 900\n"), program.err[-2_000:]


def test_an_endless_recursion_is_still_pythons_to_end(tmp_path: Path) -> None:
    program = run_configured(
        tmp_path,
        """
        import tradespan

        @tradespan.monitor(capture="none")
        def endless():
            return endless()

        try:
            endless()
        except RecursionError:
            print("ended")
        """,
    )
    assert (program.status, program.out, program.err) == (0, "ended\n", "")


def test_a_limit_that_the_program_set_higher_is_not_lowered(tmp_path: Path) -> None:
    program = run(
        tmp_path,
        sys.executable,
        code="import sys\nsys.setrecursionlimit(50_000)\n"
        + CONFIGURE
        + "print(sys.getrecursionlimit() >= 50_000)\n",
    )
    assert (program.status, program.out) == (0, "True\n")
