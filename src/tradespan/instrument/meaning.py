"""Mapped calls are told to whoever listens: what `[[map]]` says a call means, with its fields.

This room knows no sets and no events. `bootstrap/` puts a listener here; a mapped function's body
then stands in one more function, inside its span, that tells of each call: of those, too, that
sampling passes over. Other functions are as they would be without all this.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import Any, Final, Protocol

from tradespan.core import guard
from tradespan.instrument.fields import FieldCapture

Facts = dict[str, Any]
"""Attribute → value, of one call."""


class Meaning(Protocol):
    """What the calls of one function mean to a listener."""

    def begins(self, facts: Facts) -> None:
        """A call begins; what comes from its result is not there yet."""
        ...

    def ended(self, facts: Facts, seconds: float, error: Exception | None) -> None:
        """It ended. Of one that raised, what comes from its result is missing."""
        ...

    def missed(self, attribute: str, problem: str) -> None:
        """A call did not give a field."""
        ...


class Listener(Protocol):
    """Who wants to know of mapped calls."""

    def __call__(self, signal: str, function: str, *, late: bool, events: bool) -> Meaning | None:
        """What a function's calls mean; None: nothing.

        `late`: fields come from its result. `events`: whether the calls are events.
        """
        ...


class ListenerSlot:
    """Where it stands."""

    __slots__ = ("listener",)

    def __init__(self) -> None:
        self.listener: Listener | None = None


LISTENER: Final = ListenerSlot()
"""The process's own."""

_Call = tuple[Facts, int]


class Teller(Protocol):
    """Tells of one function's calls. Nothing of it reaches the program."""

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What is to be given back at the call's end."""
        ...

    def returned(self, call: Any, result: Any) -> None: ...

    def raised(self, call: Any, error: BaseException) -> None: ...


class Told:
    """Calls that all mean the same."""

    __slots__ = ("_fields", "_meaning")

    def __init__(self, meaning: Meaning, fields: FieldCapture | None) -> None:
        self._meaning = meaning
        self._fields = fields

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Call | None:
        try:
            fields, meaning = self._fields, self._meaning
            facts = {} if fields is None else fields.take(args, kwargs, meaning.missed)
            meaning.begins(facts)
            return facts, perf_counter_ns()
        except BaseException as error:  # noqa: BLE001 - the host comes first
            report(error)
            return None

    def returned(self, call: _Call | None, result: Any) -> None:
        if call is None:
            return
        took = perf_counter_ns() - call[1]
        try:
            if self._fields is not None and self._fields.reads_result:
                self._fields.take_after(call[0], result, self._meaning.missed)
            self._meaning.ended(call[0], took / 1e9, None)
        except BaseException as error:  # noqa: BLE001 - the host comes first
            report(error)

    def raised(self, call: _Call | None, error: BaseException) -> None:
        if call is None:
            return
        took = perf_counter_ns() - call[1]
        try:
            # Ends that are no errors (cancellation, exit, a generator closed) are none here.
            failed = error if isinstance(error, Exception) else None
            self._meaning.ended(call[0], took / 1e9, failed)
        except BaseException as broken:  # noqa: BLE001 - the host comes first
            report(broken)


def report(error: BaseException) -> None:
    """It raises what is the host's, such as Ctrl-C."""
    if not isinstance(error, RecursionError):  # no depth left for a report
        guard.report("telling of a mapped call", error)
