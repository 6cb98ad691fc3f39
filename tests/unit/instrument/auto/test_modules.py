"""Modules that a pattern names: patched when they are imported, or where they already are."""

from __future__ import annotations

import importlib
import importlib.resources
import importlib.util
import inspect
import pickle
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support.captured import Captured
from tests.unit.instrument.auto.conftest import Configure, Write
from tradespan.core.errors import InvalidPattern
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


def test_an_async_function_is_watched_as_one(
    captured: Captured, write: Write, watch: Watch, load: Load
) -> None:
    write(desk="async def fetch(): return 5\nasync def ticks(): yield 1\ndef gen(): yield 1")
    watcher = watch(r"desk\..*")
    desk = load("desk")
    with pytest.raises(StopIteration) as stop:
        desk.fetch().send(None)
    assert stop.value.value == 5
    assert captured.one().name == "desk.fetch"
    assert set(watcher.report.skipped) == {"desk.ticks", "desk.gen"}
    assert "generator" in watcher.report.skipped["desk.gen"]


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


# ── a module looks as it would without us ───────────────────────────────────────────────────────


def facts(module: ModuleType) -> dict[str, Any]:
    assert module.__spec__ is not None
    return {
        "loader": type(module.__loader__),
        "same": module.__loader__ is module.__spec__.loader,
        "file": module.__file__,
        "package": module.__package__,
        "names": sorted(vars(module)),
        "source": inspect.getsource(module.check),
        "class source": inspect.getsource(module.Limits),
    }


def test_loader_spec_and_source_are_the_modules_own(
    write: Write, watch: Watch, load: Load
) -> None:
    write(desk=RISK)
    bare = facts(load("desk"))
    del sys.modules["desk"]
    watch(r"desk\..*")
    assert facts(load("desk")) == bare


def test_the_loader_is_the_modules_own_while_its_code_runs(
    write: Write, watch: Watch, load: Load
) -> None:
    write(desk="kinds = [type(__loader__).__name__, type(__spec__.loader).__name__]")
    watch(r"desk\..*")
    assert load("desk").kinds == ["SourceFileLoader", "SourceFileLoader"]


def test_a_spec_that_is_only_looked_at_looks_as_it_would(
    write: Write, watch: Watch, project: Path
) -> None:
    write(desk=RISK)
    watch(r"desk\..*")
    spec = importlib.util.find_spec("desk")
    assert spec is not None
    loader: Any = spec.loader
    assert isinstance(loader, SourceFileLoader)
    assert loader.get_filename("desk") == str(project / "desk.py")
    assert "def check" in loader.get_source("desk")
    assert type(pickle.loads(pickle.dumps(loader))) is SourceFileLoader
    copy = pickle.loads(pickle.dumps(spec))
    assert (copy.origin, type(copy.loader)) == (spec.origin, SourceFileLoader)
    assert spec.loader == copy.loader
    assert hash(spec.loader) == hash(copy.loader)


def test_resources_beside_a_watched_module_can_be_read(
    write: Write, watch: Watch, load: Load, project: Path
) -> None:
    read = "importlib.resources.files('pkg').joinpath('data.txt').read_text()"
    write(**{"pkg.inner": f"import importlib.resources; TEXT = {read}"})
    (project / "pkg" / "data.txt").write_text("prices")
    watch(r"pkg\..*")
    assert load("pkg.inner").TEXT == "prices"
    assert importlib.resources.files("pkg").joinpath("data.txt").read_text() == "prices"


def test_reloading_runs_the_new_code_and_watches_it(
    captured: Captured, write: Write, watch: Watch, load: Load
) -> None:
    write(desk="def f(): return 1")
    watcher = watch(r"desk\..*")
    desk = load("desk")
    assert desk.f() == 1
    write(desk="def f(): return 'two'  # of another length than before")
    assert importlib.reload(desk).f() == "two"
    assert [span.result for span in captured.named("desk.f")] == [1, "'two'"]
    watcher.remove()
    assert desk.f() == "two"
    assert len(captured.spans) == 2


def test_a_namespace_package_can_be_imported(write: Write, watch: Watch, project: Path) -> None:
    (project / "space").mkdir()
    (project / "space" / "inner.py").write_text("def f(): return 1")
    watch(r"space\..*")
    assert importlib.import_module("space.inner").f() == 1


def test_a_module_in_a_zip_is_watched(
    captured: Captured, watch: Watch, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import zipfile  # import under test

    with zipfile.ZipFile(project / "code.zip", "w") as archive:
        archive.writestr("zipped.py", "def f(): return 1")
    monkeypatch.syspath_prepend(str(project / "code.zip"))
    watch(r"zipped\..*")
    assert importlib.import_module("zipped").f() == 1
    assert captured.one().name == "zipped.f"
    del sys.modules["zipped"]


# ── errors ──────────────────────────────────────────────────────────────────────────────────────


def failure(name: str) -> tuple[str, list[str]]:
    """The traceback of importing a module, as it would be printed, and what it left."""
    before = set(sys.modules)
    try:
        exec(f"import {name}", {})
    except BaseException:  # noqa: BLE001 - all of them are compared
        text = traceback.format_exc()
        return text, sorted(set(sys.modules) - before)
    raise AssertionError("it did not fail")


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("desk", "def f(): ...\n1 / 0"),
        ("desk", "def f(:"),
        ("desk", "import not_there"),
        ("desk", "from os import not_there"),
        ("desk", "import inner"),
        ("desk", "raise KeyboardInterrupt"),
        ("desk", "raise SystemExit(3)"),
        ("desk", "import desk.inner"),
        ("not_there_at_all", ""),
    ],
)
def test_an_import_that_fails_fails_as_it_would_without_us(
    write: Write, watch: Watch, module: str, code: str
) -> None:
    write(desk=code, inner="def g(): ...\n\n1 / 0")
    bare = failure(module)
    for name in ("desk", "inner"):
        sys.modules.pop(name, None)
    watch(r"desk\..*", r"inner\..*", r"not_there_at_all\..*")
    assert failure(module) == bare


def test_a_warning_at_a_modules_top_points_at_who_imports_it(
    write: Write, watch: Watch, load: Load, project: Path
) -> None:
    write(
        desk="import warnings\nwarnings.warn('old', DeprecationWarning, stacklevel=2)",
        user="import sys\nimport desk",
    )
    watch(r"desk\..*")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load("user")
    assert [(w.filename, w.lineno) for w in caught] == [(str(project / "user.py"), 2)]


def test_a_module_that_replaces_itself_is_left_to_itself(
    captured: Captured, write: Write, watch: Watch, load: Load
) -> None:
    write(
        desk="""
            import sys
            class Facade:
                def f(self): return 1
            sys.modules[__name__] = Facade()
        """
    )
    watch(r"desk\..*")
    assert load("desk").f() == 1
    assert captured.one().name == "desk.Facade.f"


# ── undone ──────────────────────────────────────────────────────────────────────────────────────


def test_removing_puts_every_original_back_everywhere(
    captured: Captured, write: Write, watch: Watch, load: Load
) -> None:
    write(desk=RISK, early="from desk import check", late="from desk import check, Limits")
    load("early")
    desk = sys.modules["desk"]
    check, size = desk.check, desk.Limits.size
    watcher = watch(r"desk\..*")
    late = load("late")
    assert desk.check is not check
    finders = list(sys.meta_path)
    watcher.remove()
    assert desk.check is check
    assert desk.Limits.size is size
    assert sys.modules["early"].check is check
    assert late.check is check
    assert len(sys.meta_path) == len(finders) - 1
    late.check(1)
    late.Limits().size(1)
    assert captured.spans == []


def test_what_somebody_put_in_place_since_is_not_taken_away(
    write: Write, watch: Watch, load: Load
) -> None:
    write(desk=RISK)
    watcher = watch(r"desk\..*")
    desk = load("desk")

    def other(n: int) -> bool:
        return False

    desk.check = other
    watcher.remove()
    assert desk.check is other


def test_a_function_decorated_by_hand_stays_decorated(
    captured: Captured, write: Write, watch: Watch, load: Load
) -> None:
    write(desk="import tradespan\n@tradespan.monitor\ndef f(): return 1\ndef g(): return 2")
    watcher = watch(r"desk\..*")
    desk = load("desk")
    desk.f()
    assert len(captured.spans) == 1
    watcher.remove()
    desk.f()
    desk.g()
    assert [span.name for span in captured.spans] == ["desk.f", "desk.f"]


# ── what selects nothing, and what selects anew ─────────────────────────────────────────────────


def test_a_pattern_that_matches_nothing_is_told_near_names(
    write: Write, watch: Watch, load: Load
) -> None:
    write(desk=RISK)
    load("desk")
    watcher = watch(r"desk\.chekc", r"deks\..*", r"desk\.Limits")
    assert watcher.unmatched() == [
        r"the pattern 'desk\\.chekc' matched no function; near names: desk.check",
        r"the pattern 'deks\\..*' matched no function; near names: desk",
    ]


def test_a_name_given_in_code_is_watched_now_and_later(
    captured: Captured, write: Write, watcher: Watcher, load: Load
) -> None:
    write(desk=RISK, other=RISK, later=RISK)
    desk, other = load("desk"), load("other")
    assert watcher.instrument(desk, None, r"desk\.Limits") == ["desk.check"]
    assert watcher.instrument("other", r"other\.Limits", None) == ["other.Limits.size"]
    assert watcher.instrument("later", None, None) == []
    for module in (desk, other, load("later")):
        module.check(1)
        module.Limits().size(1)
    assert [span.name for span in captured.spans] == [
        "desk.check",
        "other.Limits.size",
        "later.check",
        "later.Limits.size",
    ]


@pytest.mark.parametrize("target", ["desk.Limits", "desk.Limits.size"])
def test_a_class_or_function_may_be_named_as_well(
    captured: Captured, write: Write, watcher: Watcher, load: Load, target: str
) -> None:
    write(desk=RISK)
    load("desk")
    assert watcher.instrument(target, None, None) == ["desk.Limits.size"]


def test_a_class_or_function_may_be_given_as_well(
    write: Write, watcher: Watcher, load: Load
) -> None:
    write(desk=RISK)
    desk = load("desk")
    assert watcher.instrument(desk.Limits, None, None) == ["desk.Limits.size"]
    assert watcher.instrument(desk.check, None, None) == ["desk.check"]


@pytest.mark.parametrize(("include", "exclude"), [("(", None), (None, "(")])
def test_a_pattern_that_does_not_compile_is_refused(
    watcher: Watcher, include: str | None, exclude: str | None
) -> None:
    with pytest.raises(InvalidPattern, match="include" if include else "exclude"):
        watcher.instrument("desk", include, exclude)


def test_settings_that_come_later_count_for_what_is_watched_already(
    captured: Captured, write: Write, watcher: Watcher, config: Configure, load: Load
) -> None:
    write(desk=RISK)
    desk = load("desk")
    watcher.instrument("desk", None, None)
    file = """
        [[instrument]]
        pattern = 'desk\\..*'
        process_group = "checks"
        capture = { args = false }

        [[map]]
        function = 'desk\\.check'
        signal = "decision"
        [map.fields]
        "trading.limit" = "args.n"
    """
    watcher.apply(config(file))
    desk.check(3)
    span = captured.one()
    assert span.attributes["tradespan.process_group"] == "checks"
    assert span.attributes["tradespan.signal"] == "decision"
    assert span.own == {"trading.limit": 3}
    assert span.arguments == {}


def test_a_table_that_names_a_function_gives_its_options(
    captured: Captured, write: Write, watch: Watch, load: Load
) -> None:
    write(desk=RISK)
    watch(file="[[instrument]]\npattern = 'desk\\.Limits'\nprocess_group = 'limits'")
    desk = load("desk")
    desk.check(1)
    desk.Limits().size(1)
    span = captured.one()
    assert (span.name, span.attributes["tradespan.process_group"]) == ("desk.Limits.size", "limits")


def test_without_a_table_a_functions_group_is_its_module(
    captured: Captured, write: Write, watch: Watch, load: Load
) -> None:
    write(**{"pkg.risk": RISK})
    watch(r"pkg\..*")
    risk = load("pkg.risk")
    risk.check(1)
    risk.Limits().size(1)
    groups = [span.attributes["tradespan.process_group"] for span in captured.spans]
    assert groups == ["risk", "risk"]


@pytest.fixture(autouse=True)
def no_bytecode(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A module that is written twice in one second is compiled twice."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return iter(())  # type: ignore[return-value]
