"""What other people's test suites stumbled over (`make explore`), each as the smallest case."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

import pytest

from tests.support.captured import Captured
from tests.unit.instrument.auto.conftest import Write
from tradespan.instrument.auto.watcher import Watcher

Watch = Callable[..., Watcher]
Load = Callable[[str], ModuleType]


class LaterHook(MetaPathFinder):
    """As pytest's and beartype's: put first after ours, it finds the module itself."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return PathFinder.find_spec(fullname, path, target) if fullname == "desk" else None


@pytest.mark.xfail(strict=True, reason="a module that a hook before ours finds is not watched")
def test_a_module_that_a_hook_put_before_ours_finds_is_watched(
    write: Write, watch: Watch, load: Load, captured: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(desk="def check(n): return n")
    watch(r"desk\..*")
    monkeypatch.setattr(sys, "meta_path", [LaterHook(), *sys.meta_path])

    load("desk").check(1)

    assert [span.name for span in captured.spans] == ["desk.check"]


def test_a_function_that_counts_references_counts_the_same(
    write: Write, watch: Watch, load: Load, captured: Captured
) -> None:
    # pandas tells `df["a"].fillna(0, inplace=True)` from `column.fillna(0, inplace=True)` so.
    write(
        desk="""
        import sys

        def count(value):
            return sys.getrefcount(value)

        bare = count([])
        """
    )
    watch(r"desk\..*")

    desk = load("desk")

    counted = desk.count([])  # pytest's `assert` would hold the list

    assert counted == desk.bare


def test_a_warning_whose_level_is_given_by_position_names_the_same_line(
    write: Write, watch: Watch, load: Load, captured: Captured
) -> None:
    write(
        desk="""
        import warnings

        def old():
            warnings.warn("old", UserWarning, 2)
        """
    )
    watch(r"desk\..*")
    desk = load("desk")

    with pytest.warns(UserWarning, match="old") as caught:
        desk.old()

    assert caught[0].filename == __file__


def test_a_warning_from_below_a_watched_function_names_the_same_line(
    write: Write, watch: Watch, load: Load, captured: Captured
) -> None:
    # networkx and many others: a helper that warns for the public function that calls it.
    write(
        desk="""
        import warnings

        def old():
            _deprecate()

        def _deprecate():
            warnings.warn("old", UserWarning, stacklevel=3)
        """
    )
    watch(r"desk\..*")
    desk = load("desk")

    with pytest.warns(UserWarning, match="old") as caught:
        desk.old()

    assert caught[0].filename == __file__


def test_a_function_that_counts_frames_by_an_argument_finds_its_callers_names(
    write: Write, watch: Watch, load: Load, captured: Captured
) -> None:
    # pandas: `frame.query("price > @limit")`, through `query`, `eval` and `Scope`.
    write(
        desk="""
        import sys

        def query(name, level=0):
            return resolve(name, level=level + 1)

        def resolve(name, level=0):
            return Scope().look(name, level + 1)

        class Scope:
            def look(self, name, level):
                return sys._getframe(level + 0).f_locals.get(name)
        """
    )
    watch(r"desk\..*")
    desk = load("desk")
    limit = 5

    assert desk.query("limit", 1) == limit


def test_an_argument_that_the_function_lets_go_is_gone(
    write: Write, watch: Watch, load: Load, captured: Captured
) -> None:
    # `array.resize()` raises ValueError where somebody else holds the array.
    write(
        desk="""
        import gc, weakref

        class Book: ...

        def drop(book):
            reference = weakref.ref(book)
            del book
            gc.collect()
            return reference()
        """
    )
    watch(r"desk\..*")
    desk = load("desk")

    found = desk.drop(desk.Book())  # pytest's `assert` would hold the book

    assert found is None


def test_a_deprecated_function_warns_at_the_line_that_calls_it(
    write: Write, watch: Watch, load: Load, captured: Captured
) -> None:
    # pandas' `deprecate_kwarg`, PEP 702's `deprecated`: the level is a variable of the decorator.
    write(
        desk="""
        from typing_extensions import deprecated

        @deprecated("use new")
        def old(): ...
        """
    )
    watch(r"desk\..*")
    desk = load("desk")

    with pytest.warns(DeprecationWarning, match="use new") as caught:
        desk.old()

    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    "code",
    [
        """
        import helpers

        def old():
            helpers.deprecate()
        """,
        """
        import warnings

        class Desk:
            def old(self):
                self._deprecate()

            def _deprecate(self):
                warnings.warn("old", UserWarning, stacklevel=3)

        old = Desk().old
        """,
        # pandas: `DataFrame.drop`, by `NDFrame._check_inplace_deprecation`
        """
        from helpers import Base

        class Desk(Base):
            def old(self):
                self._deprecate()

        old = Desk().old
        """,
    ],
    ids=["of another module", "a method", "an inherited method"],
)
def test_a_warning_by_a_helper_names_the_same_line(
    write: Write, watch: Watch, load: Load, captured: Captured, code: str
) -> None:
    helper = """
        import warnings

        def deprecate():
            warnings.warn("old", UserWarning, stacklevel=3)

        class Base:
            def _deprecate(self):
                warnings.warn("old", UserWarning, stacklevel=3)
        """
    write(desk=code, helpers=helper)
    watch(r"desk\..*")
    desk = load("desk")

    with pytest.warns(UserWarning, match="old") as caught:
        desk.old()

    assert caught[0].filename == __file__


@pytest.mark.xfail(strict=True, reason="the tuple of the rest is held until the call ends")
def test_one_of_the_rest_of_the_arguments_that_is_let_go_is_gone(
    write: Write, watch: Watch, load: Load, captured: Captured
) -> None:
    write(
        desk="""
        import gc, weakref

        class Book: ...

        def drop(*books):
            reference = weakref.ref(books[0])
            del books
            gc.collect()
            return reference()
        """
    )
    watch(r"desk\..*")
    desk = load("desk")

    found = desk.drop(desk.Book())

    assert found is None
