"""A program's functions, read from its code; nothing of it runs."""

from __future__ import annotations

from textwrap import dedent

import pytest

from tradespan.instrument.auto.written import BY_HAND, Written

PROGRAM = """
    import os, sys as system
    import desk.feed
    from desk import risk, orders as o
    from . import beside
    from .inner import thing
    system.exit("run")

    def plain(): ...
    async def later(): ...
    def generated(): yield
    if True:
        def inside(): ...
    else:
        def otherwise(): ...
    try:
        with open("x") as f:
            for n in ():
                def deep(): import lazily
    except OSError:
        def handler(): ...
    match n:
        case 1:
            def cased(): ...
    def factory():
        def made(): ...
        class Made:
            def f(self): ...
        return made
    short = lambda: 1
    listed = [n for n in ()]

    class Book:
        limit = 5
        def __init__(self): ...
        def __call__(self): ...
        def add(self): return __class__
        @property
        def price(self): ...
        @price.setter
        def price(self, value): ...
        @staticmethod
        def rounded(n): ...
        @functools.cached_property
        def mean(self): ...
        @functools.lru_cache(maxsize=5)
        def slow(self): ...
        class Side:
            def best(self): ...
        @typing.overload
        def get(self, n: int): ...

    @app.route("/")
    def index(): ...
    @contextlib.contextmanager
    def session(): yield
    @tradespan.monitor(sample_rate=0.1)
    def by_hand(): ...
"""


def written(code: str = PROGRAM, source: str | None = None, package: str = "") -> Written:
    text = dedent(code)
    compiled = compile(text, "bot.py", "exec")
    return Written(compiled, text if source is None else source, "bot", package)


def test_functions_are_those_of_the_top_level_and_its_classes() -> None:
    names = [found.name.removeprefix("bot.") for found, _ in written().functions()]
    top = ["plain", "later", "generated", "inside", "otherwise", "deep", "handler", "cased",
           "factory"]  # fmt: skip
    book = ["__init__", "__call__", "add", "price", "price", "rounded", "mean", "slow",
            "Side.best", "get"]  # fmt: skip
    assert sorted(names) == sorted(
        [*top, *[f"Book.{name}" for name in book], "index", "session", "by_hand"]
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("plain", ""),
        ("Book.add", ""),
        ("Book.__call__", ""),
        ("Book.rounded", ""),
        ("session", ""),
        ("index", ""),
        ("Book.__init__", "a special method"),
        ("Book.price", "a property"),
        ("Book.mean", "a cached property"),
        ("Book.slow", "kept by functools.lru_cache: only its misses run"),
        ("Book.get", "an overload: its signature only"),
        ("by_hand", BY_HAND),
    ],
)
def test_decorators_say_what_becomes_of_a_function(name: str, reason: str) -> None:
    reasons = {found.name: found.reason for found, _ in written().functions()}
    assert reasons[f"bot.{name}"] == reason


def test_a_decorator_that_nobody_knows_is_named() -> None:
    deciding = {found.name: decorator for found, decorator in written().functions() if decorator}
    assert deciding == {"bot.index": "app.route"}


def test_imports_are_all_that_it_may_import() -> None:
    assert sorted(written().imports()) == [
        ("desk", ["risk", "orders"]),
        ("desk.feed", []),
        ("lazily", []),
        ("os", []),
        ("sys", []),
    ]
    inside = list(written(package="pkg").imports())
    assert ("pkg", ["beside"]) in inside
    assert ("pkg.inner", ["thing"]) in inside


def test_without_its_text_the_names_are_known_all_the_same() -> None:
    founds = {found.name: found.reason for found, _ in written(source="").functions()}
    assert founds["bot.Book.price"] == ""
    assert founds["bot.Book.__init__"] == "a special method"
    assert list(written(source="").imports()) == []
