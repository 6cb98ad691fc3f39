"""Span processors of OpenTelemetry's SDK, told of our spans; none of them can hurt.

What one raises is counted and logged by the guard. Flushing and shutting down run in a thread for
each, so that one that hangs takes the time that was given, and nobody else's.

A hook that is private in the SDK (`_on_ending`) is not called.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from tradespan.core import guard

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
    from opentelemetry.trace import Span

    Work = Callable[[SpanProcessor], bool | None]


class Processors:
    """In the order in which they were added."""

    def __init__(self) -> None:
        self._all: tuple[SpanProcessor, ...] = ()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._all)

    def add(self, processor: SpanProcessor) -> None:
        """Tell one more of the spans that begin from now on."""
        with self._lock:
            self._all += (processor,)

    def on_start(self, span: Span, context: Context | None) -> None:
        """A span has begun; they may write to it."""
        for processor in self._all:
            with guard.guarded("span processor"):
                # The SDK's type is narrower than what is asked of it: the API's span.
                processor.on_start(span, parent_context=context)  # type: ignore[arg-type]

    def on_end(self, span: ReadableSpan) -> None:
        """A span has ended."""
        for processor in self._all:
            with guard.guarded("span processor"):
                processor.on_end(span)

    def force_flush(self, timeout_millis: int) -> bool:
        """Whether all of them said in time that they hold nothing back."""
        return self._each("flush", lambda one: one.force_flush(timeout_millis), timeout_millis)

    def shutdown(self, timeout_millis: int) -> bool:
        """Whether all of them came to an end in time. They are told of no span from then on."""
        ended = self._each("shutdown", lambda one: one.shutdown(), timeout_millis)
        self._all = ()
        return ended

    def _each(self, what: str, work: Work, timeout_millis: int) -> bool:
        deadline = time.monotonic() + timeout_millis / 1_000
        runs = [_Run(f"tradespan {what}", work, processor) for processor in self._all]
        for run in runs:
            run.start()
        # A list: one that failed takes no time from those after it.
        ended_well = [run.ended_well(deadline) for run in runs]
        return all(ended_well)


class _Run:
    """One processor's work, in a thread that holds nobody up."""

    def __init__(self, name: str, work: Work, processor: SpanProcessor) -> None:
        self._work = work
        self._processor = processor
        self._well = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def _run(self) -> None:
        with guard.guarded("span processor"):
            self._well = self._work(self._processor) is not False

    def start(self) -> None:
        try:
            self._thread.start()
        except RuntimeError:  # at the interpreter's end there are no new threads
            self._run()

    def ended_well(self, deadline: float) -> bool:
        """`deadline`: seconds of the monotonic clock."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, deadline - time.monotonic()))
        return self._well
