"""The script's own functions: watched as its top level defines them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest

from tests.support.captured import Captured
from tests.unit.instrument.auto.conftest import Write
from tradespan.instrument.auto.watcher import Watcher

Run = Callable[..., dict[str, Any]]
Watch = Callable[..., Watcher]


@pytest.fixture
def run(watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Execute code as a script's, and return its module's names."""

    def execute(code: str, known_as: str = "bot") -> dict[str, Any]:
        module = ModuleType("__main__")
        monkeypatch.setitem(sys.modules, "__main__", module)
        namespace = module.__dict__
        namespace["__annotations__"] = {}
        compiled = compile(dedent(code), f"{known_as}.py", "exec", dont_inherit=True)
        exec(compiled, namespace, watcher.script_namespace(namespace, known_as))
        return namespace

    return execute


CODE = """
    def leaf(n):
        return n

    class Desk:
        def place(self, n):
            return leaf(n)

    def main():
        return Desk().place(5)

    if __name__ == "__main__":
        RESULT = main()
"""


@pytest.mark.parametrize(
    ("pattern", "known_as"),
    [
        (r"bot\..*", "bot"),
        (r"__main__\..*", "bot"),
        (r"bot", "bot"),
        (r"pkg\.tool\..*", "pkg.tool"),
        (r"__main__\..*", "pkg.tool"),
        (r"pkg\.__main__\..*", "pkg.__main__"),
        (r"pkg\.(leaf|Desk|main)", "pkg.__main__"),
        (r"__main__", "pkg.__main__"),
    ],
)
def test_functions_that_the_script_calls_while_it_is_defined_are_recorded(
    captured: Captured, watch: Watch, run: Run, pattern: str, known_as: str
) -> None:
    watch(pattern)
    assert run(CODE, known_as)["RESULT"] == 5
    names = [span.name for span in captured.spans]
    assert names == [f"{known_as}.{name}" for name in ("main", "Desk.place", "leaf")]


def test_what_is_not_selected_is_left_as_it_is(captured: Captured, watch: Watch, run: Run) -> None:
    watch(r"bot\.Desk", exclude=(r"__main__\.leaf",))
    namespace = run(CODE)
    assert [span.name for span in captured.spans] == ["bot.Desk.place"]
    assert not hasattr(namespace["leaf"], "__wrapped__")


def test_functions_of_other_modules_are_not_the_scripts(
    captured: Captured, watch: Watch, run: Run
) -> None:
    watch(r"bot\..*")
    run("""
        from json import dumps
        from dataclasses import dataclass
        @dataclass
        class Order:
            n: int
        def own(): return dumps([1]), Order(1)
        own()
    """)
    assert [span.name for span in captured.spans] == ["bot.own"]


def test_no_value_of_the_scripts_is_asked_for_anything(
    captured: Captured, watch: Watch, run: Run
) -> None:
    watch(r"bot\..*")
    namespace = run("""
        touched = []
        class Lazy:
            def __getattribute__(self, name):
                touched.append(name)
                raise RuntimeError(name)
            __class__ = property(lambda self: touched.append("class"))
        client = Lazy()
        clients = [client]
    """)
    assert namespace["touched"] == []


def test_the_scripts_names_are_those_of_its_module(
    captured: Captured, watch: Watch, run: Run
) -> None:
    watch(r"bot\..*")
    namespace = run("""
        import math
        x: int = 1
        def set_y():
            global y
            y = 2
        set_y()
        assert y == 2
        assert globals()["x"] == 1
        assert sorted(locals()) == sorted(globals())
        assert "x" in vars() and "x" in dir()
        assert [x + y for _ in range(2)] == [3, 3]
        assert {**locals()}["y"] == 2
        assert "{x} {y}".format(**locals()) == "1 2"
        exec("z = x + y")
        assert z == 3
        del z
        try:
            z
        except NameError as error:
            told = str(error)
        locals()["w"] = 4
        assert w == 4
        copied = locals().copy()
        assert __annotations__ == {"x": int}
        class Inner:
            x = x + 1
        from math import *
    """)
    assert namespace["told"] == "name 'z' is not defined"
    assert namespace["Inner"].x == 2
    assert type(namespace["copied"]) is dict
    assert namespace["pi"] > 3
    assert "error" not in namespace


def test_every_way_to_define_a_function_is_seen(captured: Captured, watch: Watch, run: Run) -> None:
    watch(r"bot\..*")
    run("""
        import functools
        def plain(): return 1
        alias = plain
        short = lambda: 2
        if True:
            def inside(): return 3
        for n in range(2):
            def again(n=n): return n
            again()
        def factory():
            def made(): return 4
            return made
        made = factory()
        @functools.wraps(plain)
        def wrapped(): return plain()
        try:
            def tried(): return 5
        finally:
            pass
        async def later(): return 6
        alias(); short(); inside(); made(); wrapped(); tried()
        try:
            later().send(None)
        except StopIteration:
            pass
    """)
    assert sorted({span.name.removeprefix("bot.") for span in captured.spans}) == sorted(
        [
            "plain",
            "<lambda>",
            "inside",
            "again",
            "factory",
            "factory.<locals>.made",
            "tried",
            "later",
        ]
    )


def test_functions_defined_in_a_loop_do_not_pile_up(
    captured: Captured, watch: Watch, run: Run
) -> None:
    watch(r"bot\..*")
    namespace = run("""
        import gc, weakref
        alive = weakref.WeakSet()
        for n in range(50):
            def handler(n=n): return n
            alive.add(handler)
        gc.collect()
        left = len(alive)
    """)
    assert namespace["left"] == 1


def test_a_name_that_the_top_level_reads_calls_nothing_of_ours(
    captured: Captured, watch: Watch, run: Run
) -> None:
    watch(r"bot\..*")
    called = run("""
        import sys
        one, called = 1, []
        def note(frame, event, argument):
            if event == "call":
                called.append(frame.f_code.co_qualname)
        sys.setprofile(note)
        one + one + one
        sys.setprofile(None)
    """)["called"]
    assert called == []


def test_removing_puts_the_scripts_functions_back(
    captured: Captured, watch: Watch, run: Run
) -> None:
    watcher = watch(r"bot\..*")
    namespace = run("def f(): return 1\nclass Desk:\n    def g(self): return 2")
    function = namespace["f"]
    watched = function.__code__
    watcher.remove()
    assert namespace["f"] is function
    assert function.__code__ is not watched
    namespace["f"]()
    namespace["Desk"]().g()
    assert captured.spans == []


def test_a_script_that_configures_tradespan_itself_has_its_functions_watched(
    captured: Captured, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    main = ModuleType("__main__")
    main.__file__ = "/somewhere/bot.py"
    monkeypatch.setitem(sys.modules, "__main__", main)
    code = compile("def f(): return 1\ndef g(): return 2", main.__file__, "exec")
    exec(code, main.__dict__)
    assert watcher.instrument("__main__", None, r"bot\.g") == ["bot.f"]
    main.f()
    main.g()
    assert captured.one().name == "bot.f"


def test_an_import_of_the_script_gives_the_watched_functions(
    captured: Captured, watch: Watch, run: Run, write: Write
) -> None:
    write(plugin="from __main__ import f\ndef go(): return f()")
    watch(r"__main__\..*")
    run("def f(): return 1\nimport plugin\nplugin.go()")
    assert captured.one().name == "bot.f"


def test_a_script_may_name_its_functions_before_it_defines_them(
    captured: Captured, watcher: Watcher, run: Run
) -> None:
    sys.modules["test_script_hook"] = hook = ModuleType("test_script_hook")
    vars(hook)["now"] = lambda: watcher.instrument("__main__.later", None, None)
    try:
        run("import test_script_hook\ntest_script_hook.now()\ndef later(): ...\nlater()")
    finally:
        del sys.modules["test_script_hook"]
    assert captured.one().name == "bot.later"
