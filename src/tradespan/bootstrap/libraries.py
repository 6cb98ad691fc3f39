"""Instrumentors of libraries, switched on when the program imports the library.

Until then nothing of them is imported, and nothing of the library: a bot pays for what it uses.
Those that somebody else has switched on, such as `opentelemetry-instrument`, are left alone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.metadata import distribution
from types import ModuleType
from typing import Any

from opentelemetry.trace import TracerProvider

from tradespan.core import guard
from tradespan.instrument.auto.finder import WatchingFinder

_GROUP = "opentelemetry_instrumentor"
_NAME = "tradespan_{}"
"""Of the entry point, by the module that programs import."""


class Libraries:
    """Those of one runtime."""

    def __init__(self, names: Iterable[str]) -> None:
        self._waiting = set(names)
        self._switched_on: list[Any] = []
        self._finder = WatchingFinder(self._waiting.__contains__, self._imported)
        self._provider: TracerProvider | None = None

    def watch(self, provider: TracerProvider) -> None:
        """Switch on what is imported already, and the rest once it is."""
        self._provider = provider
        for name in sorted(self._waiting & sys.modules.keys()):
            self._switch_on(name)
        if self._waiting:
            sys.meta_path.insert(0, self._finder)

    def remove(self) -> None:
        """Put everything back as it was."""
        self._waiting.clear()
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
        while self._switched_on:
            instrumentor = self._switched_on.pop()
            with guard.guarded("switching off an instrumentor"):
                if instrumentor.is_instrumented_by_opentelemetry:
                    instrumentor.uninstrument()

    def _imported(self, module: ModuleType) -> None:
        self._switch_on(module.__name__)
        if not self._waiting and self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)

    def _switch_on(self, name: str) -> None:
        self._waiting.discard(name)
        with guard.guarded(f"instrumenting {name}"):
            # Our own distribution's, not all that are installed: 0.3 ms in place of 9.
            for entry in distribution("tradespan").entry_points.select(
                group=_GROUP, name=_NAME.format(name)
            ):
                instrumentor = entry.load()()
                if not instrumentor.is_instrumented_by_opentelemetry:
                    instrumentor.instrument(tracer_provider=self._provider)
                    self._switched_on.append(instrumentor)
