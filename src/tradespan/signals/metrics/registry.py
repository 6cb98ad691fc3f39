"""All instruments of the process: get-or-create, capped, and moved to the metric page with it."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, TypeVar

from tradespan.core import guard
from tradespan.core.errors import InstrumentConflict
from tradespan.core.forks import after_fork_in_child
from tradespan.core.version import SCOPE
from tradespan.declare.instruments import (
    INSTRUMENTS,
    TRADESPAN_METRICS_OVERFLOW,
    TRADESPAN_METRICS_REFUSED,
)
from tradespan.declare.instruments import Instrument as Declaration
from tradespan.pages.metrics import Scope
from tradespan.signals.metrics.arguments import Facts, check, read_bounds, read_facts
from tradespan.signals.metrics.building import build_series, declare_series
from tradespan.signals.metrics.instruments import (
    Counter,
    Gauge,
    Histogram,
    Instrument,
    UpDownCounter,
)
from tradespan.signals.metrics.othernames import OtherName
from tradespan.signals.metrics.series import Series, SeriesOwner
from tradespan.signals.slot import SIGNALS, SignalSlot

DEFAULT_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Of a histogram for which none are given; made for seconds."""
MOST_LABEL_SETS: Final = 2_000
"""Of one instrument; those that come later count in one series."""
MOST_INSTRUMENTS: Final = 2_000
"""Of one process; those that come later count in memory, where nobody sees it."""
TRY_AGAIN: Final = 1.0
"""Seconds until a place is asked for again where there was no space on the disk."""
OWN_SCOPE: Final[Scope] = SCOPE

_PACKAGE = f"{Path(__file__).parents[2]}{os.sep}"
_KINDS: dict[str, type[Instrument[Any]]] = {
    each.kind: each for each in (Counter, Gauge, Histogram, UpDownCounter)
}
_OWN = {TRADESPAN_METRICS_OVERFLOW.name, TRADESPAN_METRICS_REFUSED.name}
Kind = TypeVar("Kind", bound=Instrument[Any])


class InstrumentRegistry:
    """Instruments by scope and name."""

    def __init__(
        self, signals: SignalSlot, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """`signals`: says which metric page is in force. `monotonic`: seconds."""
        self._signals = signals
        self._monotonic = monotonic
        self._lock = threading.RLock()
        self._instruments: dict[tuple[Any, ...], Instrument[Any]] = {}
        self._names: dict[str, OtherName] = {}
        self._homeless: dict[Series, None] = {}
        """Those that found no space."""
        self._full_until = float("-inf")
        signals.follow(self.place_all)
        after_fork_in_child(self._begin_anew)

    def counter(
        self,
        name: str,
        *,
        unit: str = "",
        description: str = "",
        labels: tuple[str, ...] = (),
        scope: Scope = OWN_SCOPE,
    ) -> Counter:
        """The counter of this name, made at the first call.

        Args:
            name: Unabbreviated, as `trading.orders.submitted`; begins with a letter.
            unit: Of the values, by UCUM: `{order}`, `s`, `By`.
            description: One sentence; of the first call. Of a declared name, its own if left out.
            labels: Names of the labels, such as `("trading.venue",)`. Each set of values
                is a series, and there are 2,000 at most; so ids, which are as many as there are
                orders, are refused: they belong on the span.
            scope: Name, version and schema URL of who counts; tradespan's API for users, left out.

        Raises:
            InstrumentConflict: It was made with another type, unit or labels.
            TypeError: An argument is of another type.
            ValueError: A name, unit or label cannot be used.
        """
        return self.get(Counter, read_facts(name, unit, description, labels, (), scope))

    def up_down_counter(
        self,
        name: str,
        *,
        unit: str = "",
        description: str = "",
        labels: tuple[str, ...] = (),
        scope: Scope = OWN_SCOPE,
    ) -> UpDownCounter:
        """The up-down counter of this name, made at the first call. As `counter`."""
        return self.get(UpDownCounter, read_facts(name, unit, description, labels, (), scope))

    def gauge(
        self,
        name: str,
        *,
        unit: str = "",
        description: str = "",
        labels: tuple[str, ...] = (),
        scope: Scope = OWN_SCOPE,
    ) -> Gauge:
        """The gauge of this name, made at the first call. As `counter`."""
        return self.get(Gauge, read_facts(name, unit, description, labels, (), scope))

    def histogram(
        self,
        name: str,
        *,
        unit: str = "",
        description: str = "",
        labels: tuple[str, ...] = (),
        bounds: Iterable[float] = DEFAULT_BOUNDS,
        scope: Scope = OWN_SCOPE,
    ) -> Histogram:
        """The histogram of this name, made at the first call. As `counter`.

        Args:
            name: See `counter`, as the others.
            unit: Of the values and the bounds, by UCUM.
            description: One sentence.
            labels: Names of the labels.
            bounds: Upper bounds of the buckets, rising, 200 at most. If left out, those of
                Prometheus for seconds, 0.005 to 10.
            scope: See `counter`.

        Raises:
            InstrumentConflict: It was made with another type, unit, bounds or labels.
            TypeError: An argument is of another type.
            ValueError: A name, unit, label or bound cannot be used.
        """
        facts = read_facts(name, unit, description, labels, read_bounds(bounds), scope)
        return self.get(Histogram, facts)

    def from_declaration(self, declaration: Declaration) -> Instrument[Any]:
        """The instrument of a declaration of `declare/instruments.py`, made at the first call.

        Raises:
            InstrumentConflict: It was made by hand, and otherwise.
            ValueError: There is no such kind.
        """
        kind = _KINDS.get(declaration.kind.replace("updown", "up_down_"))
        if kind is None:
            raise ValueError(f"{declaration.name}: there is no kind {declaration.kind}")
        facts = Facts(
            declaration.name,
            declaration.unit,
            declaration.description,
            declaration.labels,
            read_bounds(declaration.bounds or DEFAULT_BOUNDS) if kind is Histogram else (),
            OWN_SCOPE,
        )
        return self.get(kind, facts)

    def export_as(self, name: str, other: OtherName) -> None:
        """Let one of tradespan's own instruments have another name, if it has none yet.

        What is counted from now on is exported under that; what was, stays what it was.
        """
        with self._lock:
            if self._names.setdefault(name, other) is not other:
                return
            found = self._instruments.get((OWN_SCOPE, name))
            if found is None:
                return
            for texts, series in list(found.children.items()):
                if found.kind == "gauge":
                    series.cells.forget()  # type: ignore[union-attr]
                series.rename(*declare_series(found, texts, other))
                self._place(series)

    def instruments(self) -> list[Instrument[Any]]:
        """All that there are, in the order in which they were made."""
        return list(self._instruments.values())

    def place_all(self) -> None:
        """Give all series their place in the page that is in force; in memory if there is none."""
        page = self._signals.page
        with self._lock:
            self._homeless.clear()
            self._full_until = float("-inf")
            for instrument in self.instruments():
                if page is None:
                    _leave_all(instrument)
                else:
                    self._place_all(instrument)

    def place(self, series: Series) -> None:
        """Give a series its place in the page that is in force."""
        with self._lock:
            self._place(series)

    def place_homeless(self) -> None:
        """Give series a place that found no space a while ago. Waits for nobody."""
        if not self._homeless or self._monotonic() < self._full_until:
            return
        if not self._lock.acquire(blocking=False):
            return
        try:
            for series in list(self._homeless):
                self._place(series)
                if series.page is not self._signals.page:
                    return
                self._homeless.pop(series, None)
        finally:
            self._lock.release()

    def find(self, key: tuple[Any, ...]) -> Instrument[Any] | None:
        """The instrument of this key, if it has been made."""
        return self._instruments.get(key)

    def get(self, kind: type[Kind], facts: Facts, key: tuple[Any, ...] | None = None) -> Kind:
        """The instrument of this key, made at the first call. By default: scope and name.

        Raises:
            InstrumentConflict: Its key has another one, of another kind or other facts.
            TypeError: A fact is of another type.
            ValueError: It cannot be used.
        """
        key = key or (facts.scope, facts.name)
        found = self._instruments.get(key)
        if found is None:
            check(facts)
            with self._lock:
                found = self._instruments.get(key)
                if found is None:
                    return self._make(kind, facts, key)
        if type(found) is not kind or _differ(found, kind, facts):
            differences = _differ(found, kind, facts)
            raise InstrumentConflict(facts.name, found.place, find_caller(), differences)
        return found

    def _make(self, kind: type[Kind], facts: Facts, key: tuple[Any, ...]) -> Kind:
        """Under the lock."""
        declared = INSTRUMENTS.get(facts.name)
        if declared is not None and not facts.description:
            facts = facts._replace(description=declared.description)
        owner = SeriesOwner(facts.name, self._count_refused, self.place, self.place_homeless)
        made = kind(facts, find_caller(), owner, self.make_series, restore, MOST_LABEL_SETS)
        made.key = key
        if len(self._instruments) >= MOST_INSTRUMENTS and facts.name not in _OWN:
            self._count_overflow(facts.name)
            return made
        # A signal handler may have made it meanwhile.
        kept = self._instruments.setdefault(key, made)
        if kept is not made:
            return self.get(kind, facts, key)
        self._full_until = float("-inf")  # a new one tries at once
        self._place_all(made)
        return made

    def make_series(self, instrument: Instrument[Any], texts: tuple[str, ...] | None) -> Series:
        """The series of the labels' values, or the one for the rest; it has its place then."""
        overflows = False
        with self._lock:
            children = instrument.children
            if texts not in children and len(children) - (None in children) >= instrument.most:
                texts, overflows = None, True
            if texts not in children:
                # A signal handler may have made it meanwhile: what it counts in is the series.
                other = self._names.get(instrument.name) if instrument.is_own else None
                children.setdefault(texts, build_series(instrument, texts, other))
            series = children[texts]
            if self._knows(instrument):
                self._full_until = float("-inf")
                self._place(series)
        if overflows and instrument.name != TRADESPAN_METRICS_OVERFLOW.name:
            self._count_overflow(instrument.name)
        return series

    def _place_all(self, instrument: Instrument[Any]) -> None:
        for series in list(instrument.children.values()):
            self._place(series)

    def _place(self, series: Series) -> None:
        """Under the lock. What finds no space is tried again; what fails otherwise stays in memory
        until there is another page.
        """
        page = self._signals.page
        if page is None:
            return
        if self._monotonic() < self._full_until:
            self._homeless[series] = None
            return
        with guard.guarded("a place for a metric"):
            try:
                series.place(page)
            except OSError:  # the page has told of it
                self._homeless[series] = None
                self._full_until = self._monotonic() + TRY_AGAIN

    def _knows(self, instrument: Instrument[Any]) -> bool:
        return self._instruments.get(instrument.key) is instrument

    def _count_refused(self, name: str) -> None:
        self.from_declaration(TRADESPAN_METRICS_REFUSED).labels(name).add(1.0)

    def _count_overflow(self, name: str) -> None:
        self.from_declaration(TRADESPAN_METRICS_OVERFLOW).labels(name).add(1.0)

    def _begin_anew(self) -> None:
        """In a forked child. Its page gets the series that count there: a server's thousand workers
        would tell a thousand times what its parent has.
        """
        self._lock = threading.RLock()
        self._homeless = {}
        self._full_until = float("-inf")
        waits = self._signals.page is not None
        for instrument in self.instruments():
            waiting = waits and self._knows(instrument)
            for series in list(instrument.children.values()):
                series.begin_anew(waiting)


def _leave_all(instrument: Instrument[Any]) -> None:
    for series in list(instrument.children.values()):
        series.leave()


def restore(kind: str, facts: Facts, *children: tuple[str, ...] | None) -> Any:
    """The instrument of this process that is the same as another's, or its child."""
    found = REGISTRY.get(_KINDS[kind], facts)
    if not children:
        return found
    (texts,) = children
    return REGISTRY.make_series(found, texts).cells


def _differ(
    found: Instrument[Any], kind: type[Instrument[Any]], facts: Facts
) -> list[tuple[str, str, str]]:
    """What of an instrument is not as it is asked for."""
    compared = [
        ("its type", found.kind, kind.kind),
        ("its unit", repr(found.unit), repr(facts.unit)),
        ("its labels", repr(found.label_names), repr(facts.label_names)),
        ("its bounds", repr(found.facts.bounds), repr(facts.bounds)),
    ]
    if found.kind != kind.kind:
        return compared[:1]
    if found.learns != kind.learns:
        learnt = "learnt from each call"
        said = (repr(found.label_names), learnt)
        return [("its labels", *(said[::-1] if found.learns else said))]
    return [each for each in compared if each[1] != each[2]]


def find_caller() -> str:
    """`file:line` of the innermost caller that is not tradespan's."""
    frame = sys._getframe(1)  # noqa: SLF001 - documented; `inspect` wraps it
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


REGISTRY: Final = InstrumentRegistry(SIGNALS)
"""The process's own."""

counter: Final = REGISTRY.counter
up_down_counter: Final = REGISTRY.up_down_counter
gauge: Final = REGISTRY.gauge
histogram: Final = REGISTRY.histogram
from_declaration: Final = REGISTRY.from_declaration
