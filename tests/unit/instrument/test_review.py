"""What other people's programs do with watched functions: each was found broken once."""

from __future__ import annotations

import functools
import gc
import inspect
import itertools
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import wrapt
from opentelemetry.trace import SpanKind

from tests.support.captured import Captured, capture
from tradespan.capture.frames import own_code
from tradespan.instrument.monitor import monitor
from tradespan.wire.sites import SITES

ROOT = Path(__file__).parents[3]


@wrapt.decorator
def passing(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    return type(instance).__name__, wrapped(*args, **kwargs)


class Book:
    @monitor
    @functools.lru_cache  # noqa: B019 - as people write it
    def best(self, side: str) -> str:
        return f"best {side}"

    @monitor
    @passing
    def worst(self, side: str) -> str:
        return f"worst {side}"

    def _quote(self, side: str, size: int) -> str:
        return f"{side} {size}"

    bid: Any = monitor(functools.partialmethod(_quote, "bid"))  # type: ignore[call-overload]


@pytest.mark.parametrize("recording", [True, False])
def test_objects_that_become_methods_do_so_when_watched(
    captured: Captured, recording: bool
) -> None:
    if not recording:
        captured.slot.recorder = None
    book: Any = Book()
    assert book.best("bid") == "best bid"
    assert book.worst("ask") == ("Book", "worst ask")
    assert book.bid(5) == "bid 5"
    assert len(captured.spans) == (3 if recording else 0)


@pytest.mark.parametrize("name", [".page", ".metrics"])
def test_a_file_whose_making_was_interrupted_is_made_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    opened = os.open
    armed = [name]

    def interrupted(path: Any, *args: Any, **kwargs: Any) -> int:
        descriptor = opened(path, *args, **kwargs)
        if armed and str(path).endswith(name):
            armed.clear()
            raise KeyboardInterrupt
        return descriptor

    @monitor
    def body() -> None: ...

    with capture(tmp_path / "spool", strict=False, signals=False) as captured:
        monkeypatch.setattr(os, "open", interrupted)
        with pytest.raises(KeyboardInterrupt):
            body()
        monkeypatch.undo()
        body()
        assert captured.recorder.spool.ordinary.counters().in_memory == 0
        assert captured.spans
        assert list(captured.folder.glob("*.metrics"))


def test_attributes_may_be_set_by_many_threads_at_the_limit(captured: Captured) -> None:
    number = itertools.count()
    failed: list[BaseException] = []
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def write(span: Any) -> None:
        try:
            for _ in range(300):
                span.set_attribute(f"k{next(number)}", 1)
        except BaseException as error:  # noqa: BLE001 - told below
            failed.append(error)

    try:
        for _ in range(20):
            span = captured.tracer.start_span("s")
            threads = [threading.Thread(target=write, args=(span,)) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            span.end()
    finally:
        sys.setswitchinterval(before)
    assert not failed


def test_a_span_that_many_threads_end_is_written_once(captured: Captured) -> None:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(100):
            span = captured.tracer.start_span("s")
            gate = threading.Barrier(4)

            def end(span: Any = span, gate: threading.Barrier = gate) -> None:
                gate.wait()
                span.end()

            threads = [threading.Thread(target=end) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(before)
    assert len(captured.spans) == 100


def test_a_generator_called_wrongly_is_a_failed_call(captured: Captured) -> None:
    @monitor
    def ticks(count: int) -> Any:
        yield count

    wrong: Any = ticks
    with pytest.raises(TypeError, match="missing 1 required"):
        list(wrong())
    assert captured.one("ticks").failed


def test_a_wrapper_has_the_globals_of_its_function() -> None:
    @monitor
    def old() -> None:
        warnings.warn("use new()", DeprecationWarning, stacklevel=2)

    @monitor
    def caller() -> str:
        return str(sys._getframe(1).f_globals["__name__"])  # noqa: SLF001 - as named tuples do

    assert old.__globals__ is globals()
    assert caller() == __name__
    with pytest.warns(DeprecationWarning, match="use new") as told:
        old()
    assert told[0].filename == __file__


def test_those_who_do_not_follow_wrapped_see_the_signature() -> None:
    @monitor
    def place(symbol: str, *, size: int = 1) -> None: ...

    found = inspect.getfullargspec(place)
    assert (found.args, found.kwonlyargs, found.kwonlydefaults) == (
        ["symbol"],
        ["size"],
        {"size": 1},
    )


@pytest.mark.parametrize("kind", [None, 2, "server"])
def test_a_kind_that_is_none_is_internal(captured: Captured, kind: Any) -> None:
    captured.tracer.start_span("x", kind=kind).end()
    with captured.tracer.start_as_current_span("y", kind=kind):
        pass
    assert {span.record.kind for span in captured.spans} == {SpanKind.INTERNAL.value}


def test_a_function_decorated_in_each_call_of_another_leaves_nothing(captured: Captured) -> None:
    def handle() -> None:
        @monitor
        def inner() -> None: ...

        inner()

    handle()
    counts = len(own_code), SITES.declare(("probe", "", ""), name="1")
    for _ in range(50):
        handle()
    gc.collect()
    assert len(own_code) == counts[0]
    assert SITES.declare(("probe", "", ""), name="2") == counts[1] + 1
    assert len(captured.named("inner")) == 51


def test_a_value_whose_class_cannot_be_hashed_is_an_attribute_like_any_other(
    tmp_path: Path,
) -> None:
    class Meta(type):
        def __eq__(cls, other: object) -> bool:
            return False

        __hash__ = None  # type: ignore[assignment]

    class Value(metaclass=Meta):
        def __str__(self) -> str:
            return "shown"

    with capture(tmp_path, strict=False) as captured:
        span = captured.tracer.start_span("x", attributes={"a": Value()})
        span.set_attribute("b", Value())  # type: ignore[arg-type]
        span.end()
        assert set(captured.one().own) == {"a", "b"}


def test_a_subinterpreter_goes_the_way_in_python() -> None:
    program = """
import _xxsubinterpreters as interpreters, sys
from tradespan.core import native
told = interpreters.create()
interpreters.run_string(told, f"import sys; sys.path[:] = {sys.path!r}\\n"
    "from tradespan.core import native\\n"
    "print(native.module is None, flush=True)")
print(native.describe())
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert ended.stdout.split("\n")[0] == "True", ended.stderr


def test_a_proxy_is_watched_as_what_it_is(captured: Captured) -> None:
    def work(n: int) -> int:
        return n + 1

    proxy: Callable[[int], int] = monitor(
        wrapt.FunctionWrapper(work, lambda w, i, a, k: w(*a, **k))
    )
    assert proxy(1) == 2
    assert captured.one("work").arguments == {"args": "(1,)"}
