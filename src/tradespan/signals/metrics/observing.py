"""Observable instruments: what their callbacks give is set in cells."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Any

from opentelemetry.metrics import CallbackOptions, CallbackT, Observation

from tradespan.signals.metrics.learnt import Learnt

Callback = Callable[[CallbackOptions], Iterable[Observation]]
_TIMEOUT = 10_000.0
"""Milliseconds that a callback is told it has; nothing ends it."""


class ObservedTask:
    """The callbacks of one instrument."""

    def __init__(self, instrument: Learnt[Any]) -> None:
        self._instrument = instrument
        self._seen: dict[int, Any] = {}
        """The children of the last round."""
        self.callbacks: list[Callback] = []

    @property
    def label(self) -> str:
        """See `Task`."""
        return self._instrument.name

    def run(self) -> None:
        """Set what is observed. What is observed no more is told no more, and is 0 in a sum.

        Raises:
            BaseException: The first that a callback raised; the others have run.
        """
        seen: dict[int, Any] = {}
        failed: BaseException | None = None
        for callback in self.callbacks.copy():
            try:
                for observation in callback(CallbackOptions(_TIMEOUT)):
                    child = self._instrument.child(observation.attributes)
                    child.set(observation.value)
                    seen[id(child)] = child
            except BaseException as error:  # noqa: BLE001 - raised when the others have run
                failed = failed or error
        if failed is not None:
            self._seen |= seen
            raise failed
        gone, self._seen = self._seen.keys() - seen.keys(), seen | self._seen
        for each in gone:
            child = self._seen.pop(each)
            if self._instrument.kind != "counter":
                child.forget()


def as_callback(given: CallbackT) -> Callback:
    """A callback, or a generator that is sent the options at each `yield`, as a function.

    A generator runs up to its first `yield` here.

    Raises:
        BaseException: What the generator raised.
    """
    if not isinstance(given, Generator):
        return given
    generator = given
    next(generator, None)

    def go_on(options: CallbackOptions) -> Iterable[Observation]:
        try:
            return generator.send(options)
        except StopIteration:
            return ()

    return go_on
