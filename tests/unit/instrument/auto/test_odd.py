"""Modules, classes and functions that are not what they usually are: nothing of theirs is run."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.captured import Captured
from tests.unit.instrument.auto.conftest import Write
from tradespan.core import guard
from tradespan.instrument.auto.watcher import Watcher

Watch = Callable[..., Watcher]
Load = Callable[[str], ModuleType]


@pytest.fixture(autouse=True)
def strict_guard() -> Iterator[None]:
    """What the guard would keep in fails the test."""
    before = guard.raise_errors(True)
    yield
    guard.raise_errors(before)


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize(
    "code",
    [
        # a metaclass that answers nothing, or lies
        """
        class Meta(type):
            def __getattribute__(cls, name):
                raise RuntimeError(name)
        class Odd(metaclass=Meta):
            def hidden(self): ...
        """,
        """
        class Meta(type):
            __dict__ = property(lambda cls: 1 / 0)
            __name__ = property(lambda cls: 1 / 0)
            __instancecheck__ = __subclasscheck__ = __eq__ = lambda *_: 1 / 0
            __hash__ = None
        class Odd(metaclass=Meta):
            def hidden(self): ...
        """,
        "exec(\"Odd = type('Odd', (), {})\", {'__builtins__': {'type': type}}, globals())",
        "class Odd: ...\nOdd.__module__ = None",
        "Odd = type('Odd', (), {5: lambda: 1, '__module__': __name__})",
        # functions that say odd things of themselves
        "def odd(): ...\nodd.__module__ = 5",
        "def odd(): ...\nodd.__module__ = None",
        "def odd(): ...\nodd.__qualname__ = ''",
        "def odd(): ...\nodd.__qualname__ = 'some <other> name..'",
        # what decorators leave
        """
        import functools
        class Unhashable:
            __hash__ = None
            __call__ = None
        class Odd:
            kept = functools.cached_property(Unhashable())
            made = property(Unhashable())
            partly = functools.cached_property(functools.partial(len))
        """,
        """
        import functools
        class Never:
            def __eq__(self, other): raise RuntimeError("compared")
            __hash__ = None
        @functools.lru_cache
        def kept(): ...
        kept.__module__ = Never()
        """,
        # values that lie about their class
        """
        class Liar:
            @property
            def __class__(self): raise RuntimeError("asked")
            def __getattribute__(self, name): raise RuntimeError(name)
        liar = Liar()
        """,
        "globals()[5] = f = 7",
    ],
)
def test_what_is_odd_keeps_nothing_beside_it_from_being_watched(
    captured: Captured, write: Write, watch: Watch, load: Load, code: str, early: bool
) -> None:
    write(desk="", later="")
    folder = write(desk="")
    text = "\n".join(line.removeprefix("        ") for line in code.splitlines())
    (folder / "desk.py").write_text(f"{text}\ndef f(): return 1\nclass Fine:\n def g(self): ...\n")
    importlib.invalidate_caches()
    if early:
        load("desk")
    watch(r"desk\..*")
    desk = load("desk")
    desk.f()
    desk.Fine().g()
    assert [span.name for span in captured.spans] == ["desk.f", "desk.Fine.g"]


def test_a_module_whose_type_answers_for_it_is_not_asked(
    captured: Captured, write: Write, watch: Watch, load: Load
) -> None:
    write(
        desk="""
            import sys
            from types import ModuleType
            asked = []
            class Facade(ModuleType):
                def __getattribute__(self, name):
                    if name not in ("__class__", "f", "asked", "__spec__"):
                        asked.append(name)
                    return ModuleType.__getattribute__(self, name)
            def f(): return 1
            sys.modules[__name__].__class__ = Facade
        """
    )
    desk = load("desk")
    watch(r"desk\..*")
    asked = list(desk.asked)
    desk.f()
    assert captured.one().name == "desk.f"
    assert asked == []


def test_what_stands_in_place_of_a_module_is_left_to_itself(
    captured: Captured,
    write: Write,
    watch: Watch,
    load: Load,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Stand:
        def __getattribute__(self, name: str) -> object:
            raise RuntimeError(name)

    monkeypatch.setitem(sys.modules, "desk.stand", Stand())
    monkeypatch.setitem(sys.modules, "desk.none", None)
    write(desk="def f(): return 1")
    load("desk")
    watch(r"desk\..*")
    load("desk").f()
    assert captured.one().name == "desk.f"


def test_a_module_in_the_middle_of_its_import_is_watched_as_far_as_it_is_there(
    captured: Captured, write: Write, watcher: Watcher, load: Load, project: Path
) -> None:
    write(
        first="def f(): return 1\nimport second\ndef g(): return 2",
        second="import sys\nsys.modules['test_odd_hook'].now()",
    )
    hook = ModuleType("test_odd_hook")
    hook.now = lambda: watcher.instrument("first", None, None)  # type: ignore[attr-defined]
    sys.modules["test_odd_hook"] = hook
    try:
        first = load("first")
    finally:
        del sys.modules["test_odd_hook"]
    first.f()
    first.g()
    assert [span.name for span in captured.spans] == ["first.f"]
    watcher.instrument("first", None, None)
    first.g()
    assert [span.name for span in captured.spans] == ["first.f", "first.g"]


def test_classes_and_functions_of_a_c_module_are_left_alone_with_the_reason(
    watch: Watch,
) -> None:
    left = watch(r"_struct\..*").report.left
    assert left["_struct.pack"] == left["_struct.Struct.pack"] == "written in C"
