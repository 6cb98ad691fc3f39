"""`tradespan.instrument`, `auto_instrument_module` and `uninstrument`, as code calls them."""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import tradespan
from tests.support.captured import Captured
from tests.unit.instrument.auto.conftest import Configure, Write
from tradespan.core.errors import InvalidPattern, TargetNotFound
from tradespan.instrument import byname
from tradespan.instrument.auto.watcher import Watcher

Load = Callable[[str], ModuleType]

FEED = """
    def process_tick(n): return n
    def process_test_tick(n): return n
    def fetch_book(n): return n
    def tick_helper(n): return n
    def run(n): return process_tick(n)
    class Desk:
        def process_fill(self, n): return n
        def close(self): ...
"""


@pytest.fixture(autouse=True)
def feed(write: Write, watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(byname, "WATCHER", watcher)
    write(feed=FEED)


# ── what is named ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("exclude", "left"),
    [
        (None, {"process_tick", "process_test_tick", "fetch_book", "tick_helper", "run"}),
        ("test_", {"process_tick", "fetch_book", "tick_helper", "run"}),
        (("test_", "_helper"), {"process_tick", "fetch_book", "run"}),
        ([r"feed\.(run|fetch_book)", "tick"], set()),
        (r"feed\..*_helper", {"process_tick", "process_test_tick", "fetch_book", "run"}),
        # an expression, not a plain word: the whole name, or a prefix of it
        (r".*helper.?", {"process_tick", "process_test_tick", "fetch_book", "run"}),
        (r"helper$", {"process_tick", "process_test_tick", "fetch_book", "tick_helper", "run"}),
    ],
)
def test_what_is_excluded_is_one_pattern_or_several_or_words(
    load: Load, exclude: Any, left: set[str]
) -> None:
    named = tradespan.instrument(load("feed"), r"feed\.[a-z_]+", exclude)
    assert {name.removeprefix("feed.") for name in named} == left


def test_the_functions_of_a_module_are_named_by_their_own_names(
    captured: Captured, load: Load
) -> None:
    feed = load("feed")
    named = tradespan.auto_instrument_module(
        module=feed,
        include_regex=r"^(process_|fetch_)",
        exclude=("test_", "_helper"),
        process_group="trading.feed",
    )
    assert named == ["feed.process_tick", "feed.fetch_book", "feed.Desk.process_fill"]
    feed.run(1)
    assert captured.one().name == "feed.process_tick"
    assert captured.one().attributes["tradespan.process_group"] == "trading.feed"


def test_tests_and_helpers_are_left_alone_if_nobody_says(load: Load) -> None:
    named = tradespan.auto_instrument_module(load("feed"))
    assert named == [
        "feed.process_tick",
        "feed.fetch_book",
        "feed.run",
        "feed.Desk.process_fill",
        "feed.Desk.close",
    ]


def test_dotted_names_are_understood_as_well(load: Load) -> None:
    load("feed")
    named = tradespan.auto_instrument_module("feed", r"feed\.Desk", exclude=r"feed\.Desk\.close")
    assert named == ["feed.Desk.process_fill"]


def test_a_module_that_comes_later_is_watched_by_the_same_rules(
    captured: Captured, load: Load
) -> None:
    assert tradespan.auto_instrument_module("feed", "^process_", process_group="later") == []
    feed = load("feed")
    feed.process_tick(1)
    feed.process_test_tick(1)
    feed.fetch_book(1)
    assert captured.one().name == "feed.process_tick"
    assert captured.one().attributes["tradespan.process_group"] == "later"


def test_a_function_that_no_module_holds_is_watched_itself(captured: Captured, load: Load) -> None:
    feed = load("feed")
    handler = feed.process_tick
    del feed.process_tick
    assert tradespan.instrument(handler) == ["feed.process_tick"]
    handler(1)
    assert captured.one().name == "feed.process_tick"


def test_a_method_of_an_object_names_its_function(captured: Captured, load: Load) -> None:
    desk = load("feed").Desk()
    assert tradespan.instrument(desk.close) == ["feed.Desk.close"]
    desk.close()
    assert captured.one().name == "feed.Desk.close"


# ── options ─────────────────────────────────────────────────────────────────────────────────────


def test_options_are_those_of_the_functions_that_the_call_selects(
    captured: Captured, load: Load
) -> None:
    feed = load("feed")
    options: Any = {"capture": {"args": False}, "process_group": "desk", "max_repr": 4}
    tradespan.instrument(feed, r"feed\.Desk", **options)
    tradespan.instrument(feed, r"feed\.fetch_book")
    feed.Desk().process_fill("a long text")
    feed.fetch_book("a long text")
    filled, fetched = captured.spans
    assert filled.attributes["tradespan.process_group"] == "desk"
    assert filled.arguments == {}
    assert len(filled.result) < len("a long text")
    assert fetched.attributes["tradespan.process_group"] == "feed"
    assert fetched.arguments == {"n": "'a long text'"}


def test_what_code_says_counts_more_than_the_file_and_leaves_the_rest_to_it(
    captured: Captured, load: Load, watcher: Watcher, config: Configure
) -> None:
    feed = load("feed")
    file = """
        [[instrument]]
        pattern = 'feed'
        process_group = "of the file"
        capture = { args = false }
    """
    watcher.apply(config(file))
    tradespan.instrument("feed", r"feed\.fetch_book", process_group="of code")
    feed.fetch_book(1)
    feed.run(1)
    assert [span.attributes["tradespan.process_group"] for span in captured.spans] == [
        "of code",
        "of the file",
        "of the file",
    ]
    assert all(span.arguments == {} for span in captured.spans)


def test_options_reach_functions_that_have_been_called_already(
    captured: Captured, load: Load
) -> None:
    feed = load("feed")
    tradespan.instrument(feed)
    feed.fetch_book(1)
    tradespan.instrument(feed, sample_rate=0.0)
    feed.fetch_book(2)
    tradespan.instrument(feed.fetch_book, sample_rate=1.0, process_group="again")
    feed.fetch_book(3)
    feed.run(4)
    assert [span.arguments for span in captured.spans] == [{"n": 1}, {"n": 3}]
    assert captured.spans[1].attributes["tradespan.process_group"] == "again"


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"sample_rate": 2.0}, "sample_rate=2.0 is not a share"),
        ({"min_duration": -1.0}, "min_duration=-1.0 is not a time"),
        ({"capture": {"arg": True}}, "capture="),
        ({"objective": {"sucess": 0.9}}, "objective="),
        ({"max_repr": 0}, "max_repr=0"),
    ],
)
def test_an_option_out_of_range_is_refused_and_nothing_is_watched(
    captured: Captured, load: Load, option: Any, said: str
) -> None:
    feed = load("feed")
    with pytest.raises(ValueError, match=said):
        tradespan.instrument(feed, **option)
    feed.run(1)
    assert captured.spans == []


# ── mistakes ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("target", "near"),
    [
        ("feed.proces_tick", "feed.process_tick"),
        ("feed.Desk.clos", "feed.Desk.close"),
        ("feed.Dask", "feed.Desk"),
        ("feed.nothing_like_it_at_all", None),
    ],
)
def test_a_name_that_a_module_has_not_is_told_a_near_one(
    load: Load, target: str, near: str | None
) -> None:
    load("feed")
    with pytest.raises(TargetNotFound) as error:
        tradespan.instrument(target)
    assert error.value.near == near
    assert target in str(error.value)


@pytest.mark.parametrize(
    "code",
    [
        "def __getattr__(name): raise AttributeError(name)",
        "import sys, types\nclass Lazy(types.ModuleType): ...\n"
        "sys.modules[__name__].__class__ = Lazy",
    ],
)
def test_a_module_that_makes_its_parts_on_demand_is_believed(
    write: Write, load: Load, code: str
) -> None:
    write(lazy=code)
    load("lazy")
    assert tradespan.instrument("lazy.anything") == []


def test_a_submodule_that_is_not_imported_yet_is_waited_for(
    captured: Captured, write: Write, load: Load
) -> None:
    write(**{"pkg.risk": "def check(): ..."})
    load("pkg")
    assert tradespan.instrument("pkg.risk.check") == []
    assert "pkg.risk" not in sys.modules
    load("pkg.risk").check()
    assert captured.one().name == "pkg.risk.check"


def test_a_package_that_is_nowhere_is_logged_with_a_near_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, "tradespan"):
        assert tradespan.instrument("feeed.risk") == []
    assert "there is no module feeed" in caplog.text
    assert "did you mean feed?" in caplog.text


@pytest.mark.parametrize("target", [5, functools.partial(len), object(), None, len])
def test_what_has_no_name_is_refused(target: Any) -> None:
    with pytest.raises(TypeError, match=r"not an object of type .*tradespan\.monitor"):
        tradespan.instrument(target)


def test_one_expression_of_several_that_does_not_compile_is_refused(load: Load) -> None:
    with pytest.raises(InvalidPattern, match="exclude"):
        tradespan.instrument(load("feed"), exclude=["fine", "("])


# ── given back ──────────────────────────────────────────────────────────────────────────────────


def test_uninstrument_gives_everything_back_and_watches_no_later_import(
    captured: Captured, write: Write, load: Load
) -> None:
    write(later="def f(): ...")
    feed = load("feed")
    own = feed.run.__code__
    finders = list(sys.meta_path)
    tradespan.instrument(feed)
    tradespan.instrument("later")
    tradespan.uninstrument()
    tradespan.uninstrument()
    feed.run(1)
    load("later").f()
    assert captured.spans == []
    assert feed.run.__code__ is own
    assert sys.meta_path == finders


def test_after_uninstrument_the_settings_are_still_those_of_the_process(
    captured: Captured, load: Load, watcher: Watcher, config: Configure
) -> None:
    feed = load("feed")
    watcher.apply(config("[[instrument]]\npattern = 'feed'\nprocess_group = 'of the file'"))
    tradespan.uninstrument()
    tradespan.uninstrument()
    feed.run(1)
    assert captured.spans == []
    assert tradespan.instrument(feed.run) == ["feed.run"]
    feed.run(1)
    assert captured.one().attributes["tradespan.process_group"] == "of the file"
