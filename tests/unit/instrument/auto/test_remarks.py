"""What is said at the end of patterns that watched nothing, and of functions that were skipped."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest

from tests.support.captured import Captured
from tests.unit.instrument.auto.conftest import Write
from tradespan.instrument.auto.watcher import Watcher

Watch = Callable[..., Watcher]
Load = Callable[[str], ModuleType]

BOOK = """
    import functools, sys, warnings
    from tradespan import monitor
    class Book:
        @property
        def price(self): return 1
        def __len__(self): return 1
        def add(self): ...
    @functools.lru_cache
    def kept(): ...
    @monitor
    def by_hand(): ...
    def caller(): return sys._getframe(1)
    def deprecated(): warnings.warn("old", stacklevel=2)
    def who(): return sys._getframe(1)
"""


@pytest.fixture
def said(write: Write, watch: Watch, load: Load) -> Callable[..., list[str]]:
    def say(*include: str, exclude: tuple[str, ...] = ()) -> list[str]:
        write(book=BOOK)
        load("book")
        return watch(*include, exclude=exclude).remarks()

    return say


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        (
            r"book\.Book\.pri.*",
            "watches nothing: book.Book.price is a property; write its name out to watch it",
        ),
        (
            r"book\..*__l[a-z]+__",
            "watches nothing: book.Book.__len__ is a special method; write its name out to watch "
            "it",
        ),
        (
            r"book\.ke..",
            "watches nothing: book.kept is kept by functools.lru_cache: only its misses run; "
            "write its name out to watch it",
        ),
        (r"_struct\.pac.", "watches nothing: _struct.pack is written in C"),
    ],
)
def test_a_pattern_that_names_only_what_is_left_alone_is_told_what_that_is(
    said: Callable[..., list[str]], pattern: str, sentence: str
) -> None:
    assert said(pattern) == [f"the pattern '{pattern}' {sentence}"]


def test_a_pattern_that_names_only_what_is_excluded_is_told_so(
    said: Callable[..., list[str]],
) -> None:
    assert said(r"book\.Book\.a..", exclude=(r".*\.add",)) == [
        r"the pattern 'book\.Book\.a..' watches nothing: what it matches is excluded, 1 in all"
    ]


def test_a_pattern_that_watches_something_or_names_what_is_watched_by_hand_is_fine(
    captured: Captured, said: Callable[..., list[str]]
) -> None:
    assert said(r"book\.Book", r"book\.by_hand", r"book\.Book\.price") == []


def test_a_second_pattern_for_what_another_call_watches_is_fine(
    said: Callable[..., list[str]], watcher: Watcher
) -> None:
    said(r"book\.Book")
    watcher.instrument("book.Book", None, None)
    assert watcher.remarks() == []


def test_what_could_not_be_watched_is_summed_up_once(said: Callable[..., list[str]]) -> None:
    assert said(r"book\..*") == [
        "3 functions that patterns name are not watched (3 frame-sensitive); tradespan targets "
        "says which and why"
    ]


def test_a_pattern_of_skipped_functions_is_told_the_reason(
    said: Callable[..., list[str]],
) -> None:
    assert said(r"book\.wh.") == [
        r"the pattern 'book\.wh.' watches nothing: book.who is frame-sensitive: its code uses "
        "_getframe",
        "1 function that patterns name is not watched (1 frame-sensitive); tradespan targets says "
        "which and why",
    ]
