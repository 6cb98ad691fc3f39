"""A root with bots and an agent, for the tests of the agent."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.fakes import ListSink, MemoryCursors
from tests.unit.forward.builders import Bot
from tradespan.core.delivery import Accepted, Batch, Outcome, Retry
from tradespan.core.process import process_start
from tradespan.core.records import Kind, Span
from tradespan.forward.agent import Agent, Rhythm
from tradespan.forward.courier import Courier, RetryPolicy
from tradespan.forward.post import Destination
from tradespan.spool.folder import DRAINED, ENDED, read_json, replace_json
from tradespan.wire.codec import decode_span

QUICK = Rhythm(poll=0.002, status=0.05, purge=0.0)
PATIENCE = 20.0
"""Seconds after which a test says that what it waits for does not come."""


class Root:
    """A root, its bots and its agent; sinks by the address of their destination."""

    def __init__(self, path: Path, now: Callable[[], float] = time.monotonic) -> None:
        """`now`: the agent's clock, and its couriers'."""
        self.path = path
        self.now = now
        self.sinks: dict[str, ListSink[Span]] = {}
        self.keepers: dict[str, MemoryCursors] = {}
        self.refused: set[str] = set()
        self.built: list[str] = []
        self.retry = RetryPolicy(first=0.01, longest=0.02)
        default = [Destination("otlp", "default")]
        self.agent = Agent(path, self.build, default, rhythm=QUICK, now=now)

    def build(self, destination: Destination) -> Courier[Any] | None:
        self.built.append(destination.address)
        if destination.address in self.refused:
            raise OSError("cannot be opened")
        if destination.kind not in ("otlp", "store"):
            return None
        sink = self.sink(destination.address)
        keeper = self.keepers.setdefault(sink.name, MemoryCursors())
        return Courier(sink, keeper, Kind.SPAN, decode_span, retry=self.retry, now=self.now)

    def sink(self, address: str, rule: Callable[[Batch[Span]], Outcome] | None = None) -> Any:
        sink = self.sinks.get(address)
        if sink is None:
            sink = self.sinks[address] = ListSink(name=address)
        if rule is not None:
            sink.rule = rule
        return sink

    def start(self, name: str, *addresses: str, pid: int | None = None, **facts: Any) -> Bot:
        """A bot that records into a folder of its own; alive as long as this test is."""
        bot = Bot(self.path / "runs" / name)
        bot.folder.path.mkdir(parents=True, exist_ok=True)
        pid = os.getpid() if pid is None else pid
        kinds = {"store": "store", "unknown": "carrier pigeon"}
        destinations = [(kinds.get(each, "otlp"), each) for each in addresses or ("default",)]
        bot.folder.describe(
            pid=pid, pid_start=process_start(pid), destinations=destinations, **facts
        )
        return bot

    def end(self, bot: Bot, drain: float = 10.0) -> None:
        bot.close()
        bot.die()
        replace_json(bot.folder.path / ENDED, {"status": 0, "time": time.time(), "drain": drain})

    def step_until(self, condition: Callable[[], object], patience: float = PATIENCE) -> float:
        """Let the agent work until something is so; returns the seconds that it took."""
        began = time.monotonic()
        while not condition():
            assert time.monotonic() - began < patience, "it does not come"
            self.agent.step()
            self.agent.wake()
            os.sched_yield()
        return time.monotonic() - began

    def drained(self, bot: Bot) -> dict[str, Any] | None:
        return read_json(bot.folder.path / DRAINED)


def always_down(batch: Batch[Span]) -> Outcome:
    return Retry("connection refused")


class SlowClock:
    """Monotonic seconds for an agent: a microsecond passes with each look, and what a test says."""

    def __init__(self) -> None:
        self._seconds = 1_000.0

    def __call__(self) -> float:
        self._seconds += 1e-6
        return self._seconds

    def step(self, seconds: float) -> None:
        self._seconds += seconds


class Gate:
    """A sink's rule that answers only when it is opened."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.open = threading.Event()

    def __call__(self, batch: Batch[Span]) -> Outcome:
        self.asked.set()
        self.open.wait(PATIENCE)
        return Accepted()
