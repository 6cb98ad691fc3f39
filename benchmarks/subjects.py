"""The subjects of the one-process table: bare, the SDK's, tradespan's."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Any

import wrapt
from opentelemetry.trace import Tracer

import tradespan
from benchmarks import functions as f
from benchmarks.recording import Recording, Sdk
from benchmarks.timing import Call, CoroutineFunction, Subject, awaited, driven, repeated

EMPTY, CLOSURE, WRAPT = "empty call", "closure passthrough", "wrapt passthrough"
SDK, SDK_FIVE, SDK_CHILD = "SDK span", "SDK span, 5 attributes", "SDK span and child"
SDK_RAISE, SDK_SECRET = "SDK span, raise", "SDK span, raise with a secret"
SDK_DRIVEN, SDK_AWAITED = "SDK span, coroutine by hand", "SDK span, coroutine awaited"
SDK_ITEMS = "SDK span around a generator"
BARE_RAISE, BARE_ITEMS = "bare raise", "bare generator"


@wrapt.decorator
def _wrapt_passthrough(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    return wrapped(*args, **kwargs)


def bare_subjects() -> list[Subject]:
    """What the functions cost by themselves, and below a wrapper that does nothing."""
    bare: dict[str, Call] = {
        EMPTY: f.empty,
        CLOSURE: f.passthrough(f.empty),
        WRAPT: _wrapt_passthrough(f.empty),
        BARE_RAISE: f.caught(f.fail_plainly),
        BARE_ITEMS: lambda: deque(f.items(), maxlen=0),
    }
    return [Subject(key, repeated(call)) for key, call in bare.items()]


def span_call(tracer: Tracer) -> Call:
    """A span by hand around nothing."""

    def call() -> None:
        with tracer.start_as_current_span("empty"):
            pass

    return call


def five_call(tracer: Tracer) -> Call:
    """A span by hand with five attributes."""

    def call() -> None:
        with tracer.start_as_current_span("empty", attributes=f.ATTRIBUTES):
            pass

    return call


def sdk_calls(tracer: Tracer) -> dict[str, Call]:
    """The SDK's plain calls by key."""

    def with_child() -> None:
        with tracer.start_as_current_span("parent"), tracer.start_as_current_span("child"):
            pass

    def fail() -> None:
        with tracer.start_as_current_span("raise"):
            f.fail_plainly()

    def fail_with_secret() -> None:
        with tracer.start_as_current_span("raise"):
            f.fail_with_secret()

    def items() -> Iterator[int]:
        with tracer.start_as_current_span("items"):
            yield from f.items()

    return {
        SDK: span_call(tracer),
        SDK_FIVE: five_call(tracer),
        SDK_CHILD: with_child,
        SDK_RAISE: f.caught(fail),
        SDK_SECRET: f.caught(fail_with_secret),
        SDK_ITEMS: lambda: deque(items(), maxlen=0),
    }


def sdk_subjects(sdk: Sdk, runner: asyncio.Runner) -> list[Subject]:
    """All of the SDK's."""

    async def coroutine() -> None:
        with sdk.tracer.start_as_current_span("empty"):
            await f.empty_async()

    calls = sdk_calls(sdk.tracer)
    return [
        *[Subject(key, repeated(call), sdk.settle) for key, call in calls.items()],
        Subject(SDK_DRIVEN, driven(coroutine), sdk.settle),
        Subject(SDK_AWAITED, awaited(coroutine, runner), sdk.settle),
    ]


def our_calls(tracer: Tracer) -> dict[str, Call]:
    """Our plain calls, by the name of their row."""
    two, texts = tradespan.monitor(f.two), tradespan.monitor(f.texts)
    child = tradespan.monitor(capture="none")(f.empty)

    @tradespan.monitor(capture="none")
    def parent() -> None:
        child()

    items = tradespan.monitor(f.items)
    text = f.TEXTS.__next__
    return {
        '`@monitor(capture="none")`': tradespan.monitor(capture="none")(f.empty),
        "`@monitor`": tradespan.monitor(f.empty),
        "`@monitor`, `(1, 'BTC-USDT')` and a result": lambda: two(1, "BTC-USDT"),
        "`@monitor`, two strings of 1,000 characters": lambda: texts(text(), text()),
        '`@monitor(capture="none")` in another: both': parent,
        "`start_as_current_span`": span_call(tracer),
        "`start_as_current_span`, 5 attributes": five_call(tracer),
        "`@monitor`, raising at depth 10": f.caught(tradespan.monitor(f.fail_plainly)),
        "`@monitor`, raising with a secret in the message": f.caught(
            tradespan.monitor(f.fail_with_secret)
        ),
        "`@monitor`, generator of 10 items": lambda: deque(items(), maxlen=0),
        "`@monitor(sample_rate=0)`": tradespan.monitor(sample_rate=0.0)(f.empty),
        "`@monitor(sample_rate=0, metrics=False)`": tradespan.monitor(
            sample_rate=0.0, metrics=False
        )(f.empty),
    }


def our_coroutines() -> dict[str, CoroutineFunction]:
    """Our coroutine functions, by the name of their row."""
    return {"`@monitor` on a coroutine": tradespan.monitor(f.empty_async)}


def our_subjects(recording: Recording, runner: asyncio.Runner) -> list[Subject]:
    """All of ours."""
    subjects = [Subject(key, repeated(call)) for key, call in our_calls(recording.tracer).items()]
    for key, function in our_coroutines().items():
        subjects.append(Subject(f"{key}, driven by hand", driven(function)))
        subjects.append(Subject(f"{key}, awaited in asyncio", awaited(function, runner)))
    return subjects
