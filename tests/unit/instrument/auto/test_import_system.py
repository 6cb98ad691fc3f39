"""A watched module looks, fails, reloads and is given back as it would without us."""

from __future__ import annotations

import importlib
import importlib.resources
import importlib.util
import inspect
import pickle
import sys
import traceback
import warnings
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support.captured import Captured
from tests.unit.instrument.auto.conftest import Write
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


def test_loader_spec_and_source_are_the_modules_own(write: Write, watch: Watch, load: Load) -> None:
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
    assert "def check" in str(loader.get_source("desk"))
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


def test_removing_gives_every_function_its_own_code_back(
    captured: Captured, write: Write, watch: Watch, load: Load
) -> None:
    write(desk=RISK, early="from desk import check", late="from desk import check, Limits")
    load("early")
    desk = sys.modules["desk"]
    check, size = desk.check, desk.Limits.size
    own = check.__code__, size.__code__
    watcher = watch(r"desk\..*")
    late = load("late")
    assert desk.check is check
    assert check.__code__ is not own[0]
    finders = list(sys.meta_path)
    watcher.remove()
    assert (check.__code__, size.__code__) == own
    assert vars(check) == {}
    assert len(sys.meta_path) == len(finders) - 1
    late.check(1)
    late.Limits().size(1)
    assert captured.spans == []


def test_code_that_somebody_put_in_since_is_not_taken_away(
    write: Write, watch: Watch, load: Load
) -> None:
    write(desk=RISK)
    watcher = watch(r"desk\..*")
    desk = load("desk")
    desk.check.__code__ = (lambda n: "other").__code__
    watcher.remove()
    assert desk.check(1) == "other"


def test_what_somebody_put_in_place_since_is_not_taken_away(
    write: Write, watch: Watch, load: Load
) -> None:
    write(desk=RISK)
    watcher = watch(r"desk\..*")
    desk = load("desk")

    def other(n: int) -> bool:
        return False

    vars(desk)["check"] = other
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
