"""Modules that a pattern names: patched when they are imported, or where they already are."""

from __future__ import annotations

import importlib
import importlib.resources
import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import pytest

from tests.support.captured import Captured
from tests.unit.instrument.auto.conftest import Write
from tradespan.instrument.auto.finder import WatchingFinder
from tradespan.instrument.auto.watcher import Watcher

Watch = Callable[..., Watcher]
Load = Callable[[str], ModuleType]

RISK = """
    LIMIT = 5

    def check(n):
        return n <= LIMIT

    class Limits:
        def size(self, n):
            return min(n, LIMIT)
"""


# ── imported later, imported earlier ────────────────────────────────────────────────────────────


def test_a_module_imported_later_is_watched(
    captured: Captured, write: Write, watch: Watch, load: Load
) -> None:
    write(desk=RISK)
    watch(r"desk\..*")
    desk = load("desk")
    assert desk.check(3)
    assert desk.Limits().size(9) == 5
    assert [span.name for span in captured.spans] == ["desk.check", "desk.Limits.size"]
    assert captured.one("desk.Limits.size").arguments == {"n": 9}


def test_a_module_imported_earlier_is_watched(
    captured: Captured, write: Write, watch: Watch, load: Load
) -> None:
    write(desk=RISK)
    desk = load("desk")
    watch(r"desk\..*")
    desk.check(3)
    desk.Limits().size(9)
    assert [span.name for span in captured.spans] == ["desk.check", "desk.Limits.size"]


@pytest.mark.parametrize("early", [True, False])
def test_packages_and_their_modules_are_watched_as_the_pattern_says(
    captured: Captured, write: Write, watch: Watch, load: Load, early: bool
) -> None:
    write(**{"pkg": "def f(): ...", "pkg.risk": RISK, "pkg.deep.inner": RISK, "pkgs": RISK})
    write(pkg="def f(): ...")
    names = ["pkg", "pkg.risk", "pkg.deep.inner", "pkgs"]
    loaded = [load(name) for name in names] if early else []
    watch(r"pkg\.risk\..*", r"pkg\.deep", r"pkg\.f")
    _, *modules = loaded or [load(name) for name in names]
    sys.modules["pkg"].f()
    for module in modules:
        module.check(1)
    assert [span.name for span in captured.spans] == [
        "pkg.f",
        "pkg.risk.check",
        "pkg.deep.inner.check",
    ]


def test_what_is_excluded_is_left_as_it_is(
    captured: Captured, write: Write, watch: Watch, load: Load
) -> None:
    write(desk=RISK)
    watch(r"desk\..*", exclude=(r"desk\.Limits",))
    desk = load("desk")
    desk.Limits().size(1)
    desk.check(1)
    assert captured.one().name == "desk.check"
    assert not hasattr(desk.Limits.size, "__wrapped__")


def test_functions_of_every_kind_are_watched_as_what_they_are(
    captured: Captured, write: Write, watch: Watch, load: Load
) -> None:
    write(desk="async def fetch(): return 5\nasync def ticks(): yield 1\ndef gen(): yield 1")
    watcher = watch(r"desk\..*")
    desk = load("desk")
    with pytest.raises(StopIteration) as stop:
        desk.fetch().send(None)
    assert stop.value.value == 5
    assert list(desk.gen()) == [1]
    with pytest.raises(StopIteration) as stop:
        desk.ticks().__anext__().send(None)
    assert stop.value.value == 1
    assert [span.name for span in captured.spans] == ["desk.fetch", "desk.gen", "desk.ticks"]
    assert not watcher.report.skipped


# ── other names of the same function ────────────────────────────────────────────────────────────


def test_a_copy_imported_later_is_the_watched_function(
    captured: Captured, write: Write, watch: Watch, load: Load
) -> None:
    write(desk=RISK, user="from desk import check as allowed\ndef go(): return allowed(1)")
    watch(r"desk\..*")
    load("user").go()
    assert captured.one().name == "desk.check"


def test_a_copy_imported_earlier_becomes_the_watched_function(
    captured: Captured, write: Write, watch: Watch, load: Load
) -> None:
    write(desk=RISK, user="from desk import check as allowed\ndef go(): return allowed(1)")
    user = load("user")
    watch(r"desk\..*")
    user.go()
    assert captured.one().name == "desk.check"


def test_a_copy_in_a_module_that_imports_in_a_circle_is_watched(
    captured: Captured, write: Write, watch: Watch, load: Load
) -> None:
    write(
        first="def f(): return 1\nimport second\ndef g(): return second.go()",
        second="from first import f\ndef go(): return f()",
    )
    watch(r"first\..*")
    load("first").g()
    assert [span.name for span in captured.spans] == ["first.g", "first.f"]


def test_a_second_name_in_the_same_module_is_the_same_function(
    captured: Captured, write: Write, watch: Watch, load: Load
) -> None:
    write(desk="def check(n): return n\nallowed = check")
    watch(r"desk\..*")
    desk = load("desk")
    assert desk.allowed is desk.check
    desk.allowed(1)
    assert captured.one().name == "desk.check"


# ── nothing of the modules' is triggered ────────────────────────────────────────────────────────

LAZY = """
    touched = []

    class Proxy:
        def __getattribute__(self, name):
            touched.append(name)
            raise RuntimeError(f"asked for {name}")

    proxy = Proxy()

    def __getattr__(name):
        touched.append(name)
        raise AttributeError(name)

    def f(): ...
"""


@pytest.mark.parametrize("early", [True, False])
def test_lazy_attributes_and_proxies_are_not_asked_for_anything(
    captured: Captured, write: Write, watch: Watch, load: Load, early: bool
) -> None:
    write(desk=LAZY)
    if early:
        load("desk")
    watch(r"desk\..*")
    desk = load("desk")
    desk.f()
    assert desk.touched == []
    assert captured.one().name == "desk.f"


def load_lazily(name: str) -> ModuleType:
    """As the documentation of `importlib` shows it."""
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.loader is not None
    loader = importlib.util.LazyLoader(spec.loader)
    spec.loader = loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader.exec_module(module)
    return module


@pytest.mark.parametrize("early", [True, False])
def test_a_lazy_module_is_watched_when_it_is_loaded_and_not_loaded_for_it(
    captured: Captured, write: Write, watch: Watch, early: bool
) -> None:
    write(desk="import loaded\ndef f(): ...", loaded="", other="def g(): ...")
    lazy = load_lazily("desk") if early else None
    watch(r"desk\..*", r"other\..*")
    lazy = lazy or load_lazily("desk")
    importlib.import_module("other").g()
    assert "loaded" not in sys.modules
    lazy.f()
    assert "loaded" in sys.modules
    names = {span.name for span in captured.spans}
    assert names == ({"other.g"} if early else {"other.g", "desk.f"})


class LazyEverywhere:
    """A finder that makes every module lazy."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None and name == "desk":
            spec.loader = importlib.util.LazyLoader(spec.loader)
        return spec


def test_a_module_that_another_hook_makes_lazy_is_watched_when_it_is_loaded(
    captured: Captured,
    write: Write,
    watch: Watch,
    load: Load,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write(desk="import loaded\ndef f(): ...", loaded="")
    monkeypatch.setattr(sys, "meta_path", [LazyEverywhere(), *sys.meta_path])
    watch(r"desk\..*")
    desk = load("desk")
    assert "loaded" not in sys.modules
    desk.f()
    assert captured.one().name == "desk.f"


class AsksAll:
    """A hook like ours, that asks all other finders, ours among them."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        self.asked.append(name)
        if len(self.asked) > 50:
            raise RecursionError(f"asked for ever: {self.asked[-1]}")
        for finder in sys.meta_path:
            if finder is not self and (spec := finder.find_spec(name, path, target)) is not None:
                return spec
        return None


@pytest.mark.parametrize("place", [0, 1])
def test_hooks_that_ask_each_other_come_to_an_end(
    captured: Captured,
    write: Write,
    watch: Watch,
    load: Load,
    monkeypatch: pytest.MonkeyPatch,
    place: int,
) -> None:
    write(desk=RISK)
    watch(r"desk\..*")
    finders = list(sys.meta_path)
    finders.insert(place, AsksAll())
    monkeypatch.setattr(sys, "meta_path", finders)
    load("desk").check(1)
    assert captured.one().name == "desk.check"


class FindsItself:
    """A hook that finds some modules alone, as those of pytest and of type checkers do."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if name in self._names:
            return importlib.machinery.PathFinder.find_spec(name, path, target)
        return None


@pytest.mark.parametrize(
    "desk",
    [
        "def f(): ...",
        "import inner\ndef f(): ...",
        "import beside\ndef f(): ...",
        "import beside, inner\ndef f(): ...",
    ],
)
def test_what_a_hook_before_ours_finds_is_watched_from_the_next_import_on(
    captured: Captured,
    write: Write,
    watch: Watch,
    load: Load,
    monkeypatch: pytest.MonkeyPatch,
    desk: str,
) -> None:
    write(desk=desk, inner="def g(): ...", beside="", again="def h(): ...", last="")
    watch(r"(desk|inner|again)\..*")
    hook = FindsItself("desk", "inner", "again")
    monkeypatch.setattr(sys, "meta_path", [hook, *sys.meta_path])
    load("desk")
    load("last")
    ours = sys.meta_path[: sys.meta_path.index(hook)]
    assert {type(finder) for finder in ours} == {WatchingFinder}
    load("desk").f()
    load("inner").g()
    load("again").h()
    assert [span.name for span in captured.spans] == ["desk.f", "inner.g", "again.h"]


def test_two_finders_of_ours_let_each_other_be(
    captured: Captured, write: Write, watch: Watch, load: Load
) -> None:
    write(desk="def f(): ...", one="", two="")
    watch(r"desk\..*")
    second = Watcher()
    second.instrument("desk", None, None)
    try:
        load("one")
        first = list(sys.meta_path)
        load("two")
        assert sys.meta_path == first
        load("desk").f()
    finally:
        second.remove()
    assert captured.one().name == "desk.f"
