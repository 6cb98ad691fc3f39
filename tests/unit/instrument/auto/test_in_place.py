"""A function is watched where it is: whoever holds it holds the watched one, looking as it did."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import inspect
import json
import logging
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import FunctionType, ModuleType
from typing import Any

import pytest

from tests.support.captured import Captured
from tests.unit.instrument.auto.conftest import Write
from tradespan.core import guard
from tradespan.instrument.auto.inplace import Level, Twin
from tradespan.instrument.auto.watcher import Watcher
from tradespan.instrument.options import Watch as Options

Watch = Callable[..., Watcher]
Load = Callable[[str], ModuleType]


def test_every_holder_of_the_function_holds_the_watched_one(
    captured: Captured, desk: Callable[[str], ModuleType], watch: Watch
) -> None:
    module = desk("""
        def check(n): return n
        class Book:
            def add(self, n): return n
        class Other:
            borrowed = Book.add
            check = staticmethod(check)
        handlers = {"check": check}
        listed = [check]
        def with_default(n, how=check): return how(n)
        def enclosing(how=check):
            def inner(n): return how(n)
            return inner
        closed = enclosing()
    """)
    book = module.Book()
    bound, half = book.add, functools.partial(module.check, 1)
    watch(r"desk\.(check|Book)")
    module.handlers["check"](1)
    module.listed[0](1)
    module.Other.check(1)
    module.with_default(1)
    module.closed(1)
    half()
    bound(1)
    module.Other().borrowed(1)
    names = [span.name for span in captured.spans]
    assert names == ["desk.check"] * 6 + ["desk.Book.add"] * 2


@pytest.fixture
def lenient() -> Iterator[None]:
    """Errors of ours are counted, not raised."""
    before = guard.raise_errors(False)
    yield
    guard.raise_errors(before)


SIGNATURES = [
    "a",
    "a, b=2",
    "a, b=2, /, c=3, *rest, k=5, **keywords",
    "a, *, k",
    "*rest, **keywords",
    "a, *, k=(), j, **keywords",
    "a, /",
    "self, result, args=1, kwargs=2, span=3, recorder=4",
]
CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((), {}),
    ((1,), {}),
    ((1, 2), {}),
    ((1, 2, 3, 4), {"k": 6, "u": 7}),
    ((1,), {"k": 1}),
    ((1,), {"a": 1}),
    ((), {"a": 1, "k": 2, "j": 3}),
    ((1, 2, 3, 4, 5, 6), {}),
]


@pytest.mark.parametrize("parameters", SIGNATURES)
@pytest.mark.parametrize("kind", ["plain", "closing over", "coroutine", "generator"])
def test_a_call_gives_or_raises_what_it_would(
    captured: Captured,
    desk: Callable[[str], ModuleType],
    watch: Watch,
    parameters: str,
    kind: str,
) -> None:
    begin = "async def" if kind == "coroutine" else "def"
    body = (
        "yield sorted(locals().items())"
        if kind == "generator"
        else "return sorted(locals().items())"
    )
    code = f"{begin} f({parameters}): {body}"
    if kind == "closing over":
        code = f"def around(x, y):\n    {begin} f({parameters}): return x, y, {body[7:]}\n"
        code += "    f.__qualname__ = 'f'\n    return f\nf = around(1, 2)"
    module = desk(code)

    def outcome(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, str]:
        try:
            got = module.f(*args, **kwargs)
            if kind == "generator":
                got = list(got)
            elif kind == "coroutine":
                with pytest.raises(StopIteration) as stopped:
                    got.send(None)
                got = stopped.value.value
        except TypeError as error:
            return "TypeError", str(error)
        return "", repr(got)

    bare = [outcome(*call) for call in CALLS]
    shown = inspect.signature(module.f), inspect.getfullargspec(module.f)
    code_facts = facts_of(module.f)
    watch(r"desk\.f")
    assert [outcome(*call) for call in CALLS] == bare
    assert (inspect.signature(module.f), inspect.getfullargspec(module.f)) == shown
    assert facts_of(module.f) == code_facts
    assert len(captured.spans) == len([call for call in bare if not call[0]])


def facts_of(function: FunctionType) -> dict[str, Any]:
    code = function.__code__
    count = code.co_argcount + code.co_kwonlyargcount
    kinds = inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction
    return {
        "arguments": (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount),
        "names": code.co_varnames[:count],
        "place": (code.co_filename, code.co_firstlineno, code.co_name, code.co_qualname),
        "closure": (code.co_freevars, inspect.getclosurevars(function).nonlocals),
        "kinds": [ask(function) for ask in kinds],
        "own": dict(vars(function)),
        "source": inspect.getsource(function),
    }


def test_super_and_the_class_cell_are_found(
    captured: Captured, desk: Callable[[str], ModuleType], watch: Watch
) -> None:
    module = desk("""
        class Base:
            def f(self): return "base"
        class Sub(Base):
            def f(self): return "sub " + super().f() + __class__.__name__
    """)
    watch(r"desk\..*")
    assert module.Sub().f() == "sub baseSub"
    assert [span.name for span in captured.spans] == ["desk.Sub.f", "desk.Base.f"]


def test_defaults_that_are_changed_later_are_the_ones_in_force(
    captured: Captured, desk: Callable[[str], ModuleType], watch: Watch
) -> None:
    module = desk("def f(a, b=2, *, k=3): return a, b, k")
    watch(r"desk\.f")
    module.f.__defaults__ = (20,)
    module.f.__kwdefaults__ = {"k": 30}
    assert module.f(1) == (1, 20, 30)


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_an_argument_that_the_body_drops_is_gone(
    captured: Captured, desk: Callable[[str], ModuleType], watch: Watch, kind: str
) -> None:
    module = desk(f"""
        import weakref
        class Book: ...
        {kind} drop(a, /, b, *, k):
            held = [weakref.ref(each) for each in (a, b, k)]
            del a, b, k
            return [each() for each in held]
    """)
    watch(r"desk\.drop")

    new = module.Book
    result = module.drop(new(), new(), k=new())
    assert (result if kind == "def" else asyncio.run(result)) == [None] * 3


def test_a_function_of_very_many_parameters_is_watched(
    captured: Captured, desk: Callable[[str], ModuleType], watch: Watch
) -> None:
    names = ", ".join(f"p{n}" for n in range(300))
    module = desk(f"def f({names}): return p299")
    watch(r"desk\.f")
    assert module.f(*range(300)) == 299
    assert len(captured.spans) == 1


def test_a_watched_function_is_freed_when_nobody_holds_it(
    captured: Captured, desk: Callable[[str], ModuleType], watch: Watch
) -> None:
    module = desk("def f(): return 1")
    watch(r"desk\.f")
    module.f()
    gone = weakref.ref(module.f)
    del module.f
    gc.collect()
    assert gone() is None


def test_what_a_watched_function_closed_over_goes_with_it(
    captured: Captured, desk: Callable[[str], ModuleType], watch: Watch
) -> None:
    module = desk(
        """
        class Book: ...
        def make():
            book = Book()
            def f(): return book
            return f
        f = make()
        """
    )
    watch(r"desk\..*")
    held = weakref.ref(module.f())
    del module.f
    gc.collect()
    assert held() is None


def test_code_is_exchanged_under_running_threads(
    captured: Captured, desk: Callable[[str], ModuleType], watch: Watch, watcher: Watcher
) -> None:
    module = desk("def f(n):\n    return n + 1 if n < 0 else f(n - 30)")
    stop = threading.Event()

    def call() -> int:
        wrong = 0
        while not stop.is_set():
            wrong += module.f(300) != -29
        return wrong

    with ThreadPoolExecutor(4) as pool:
        results = [pool.submit(call) for _ in range(4)]
        for _ in range(30):
            watch(r"desk\.f")
            watcher.remove()
        stop.set()
    assert [result.result() for result in results] == [0, 0, 0, 0]


@pytest.mark.parametrize("module", [json, logging, threading], ids=lambda module: module.__name__)
def test_a_library_that_recording_uses_itself_can_be_watched(
    captured: Captured, watch: Watch, module: ModuleType
) -> None:
    watch(rf"{module.__name__}\..*")
    assert json.loads(json.dumps({"a": [1, 2.5]})) == {"a": [1, 2.5]}
    logging.getLogger("desk").debug("said")
    thread = threading.Thread(target=json.dumps, args=([1],))
    thread.start()
    thread.join()
    assert captured.spans


# ── what is left alone unless a pattern names it ────────────────────────────────────────────────

LEFT = """
    import functools
    class Book:
        def __init__(self): self.n = 1
        def __len__(self): return 5
        @property
        def price(self): return self.n
        @functools.cached_property
        def mean(self): return 7
    @functools.lru_cache
    def slow(n): return n
    exec("def made(): return 1")
    from math import sqrt as root
"""


def test_what_is_left_alone_is_reported_with_the_reason(
    desk: Callable[[str], ModuleType], watch: Watch
) -> None:
    desk(LEFT)
    assert watch(r"desk\..*").report.left == {
        "desk.Book.__init__": "a special method",
        "desk.Book.__len__": "a special method",
        "desk.Book.price": "a property",
        "desk.Book.mean": "a cached property",
        "desk.slow": "kept by functools.lru_cache: only its misses run",
        "desk.made": "generated code (<string>)",
    }


def test_what_a_pattern_names_is_watched_all_the_same(
    captured: Captured, desk: Callable[[str], ModuleType], watch: Watch
) -> None:
    module = desk(LEFT)
    watch(r"desk\.Book\.(__init__|__len__|price|mean)", r"desk\.(slow|made)")
    book = module.Book()
    assert (len(book), book.price, book.mean, book.mean, module.made()) == (5, 1, 7, 7, 1)
    assert (module.slow(1), module.slow(1)) == (1, 1)
    names = [span.name.removeprefix("desk.") for span in captured.spans]
    assert names == ["Book.__init__", "Book.__len__", "Book.price", "Book.mean", "made", "slow"]


def test_no_module_is_touched_by_what_its_import_raises(
    write: Write, watch: Watch, load: Load
) -> None:
    write(desk="def f(): return 1\nkept = f\n1 / 0")
    watch(r"desk\..*")
    with pytest.raises(ZeroDivisionError):
        load("desk")
    assert "desk" not in sys.modules


# ── the first call makes what watching needs ────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize("body", ["return 1", "yield 1"])
def test_a_function_that_cannot_be_watched_is_called_all_the_same(
    captured: Captured, desk: Callable[[str], ModuleType], kind: str, body: str, lenient: None
) -> None:
    module = desk(f"{kind} f(n): {body}")

    def broken(name: str) -> Options:
        raise ValueError(name)

    Twin(module.f, "desk.f", broken).put(Level.FULL)

    async def items() -> list[int]:
        return [item async for item in module.f(1)]

    def call() -> object:
        if kind == "def":
            return list(module.f(1)) if "yield" in body else module.f(1)
        return asyncio.run(items() if "yield" in body else module.f(1))

    assert [call(), call()] == ([[1], [1]] if "yield" in body else [1, 1])
    assert captured.spans == []
    assert guard.counts["watching", "ValueError"] >= 1


@pytest.mark.parametrize("spare", range(3, 60, 4))
def test_a_first_call_without_much_depth_left_passes_or_fails_as_any_call_would(
    captured: Captured, desk: Callable[[str], ModuleType], watch: Watch, spare: int, lenient: None
) -> None:
    module = desk("def f(n): return n")
    watch(r"desk\.f")

    def deep(left: int) -> int:
        return int(module.f(5)) if left == 0 else deep(left - 1)

    room = sys.getrecursionlimit() - len(inspect.stack())
    with contextlib.suppress(RecursionError):
        assert deep(room - spare) == 5
    assert module.f(6) == 6
    assert captured.spans[-1].result == 6
