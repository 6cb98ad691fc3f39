"""Our `Meter`: it makes the instruments of one scope, and none of its calls raises.

Source: OpenTelemetry specification 1.50, metrics SDK, "Instrument name", "Instrument unit",
"Duplicate instrument registration".
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple, cast

from opentelemetry.metrics import CallbackT, NoOpMeter
from opentelemetry.metrics import Meter as ApiMeter

from tradespan.capture.attributes import as_text
from tradespan.core import guard
from tradespan.core.forks import after_fork_in_child
from tradespan.pages.metrics import Scope
from tradespan.signals.metrics.apicalls import (
    Counter,
    Gauge,
    Histogram,
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
    UpDownCounter,
)
from tradespan.signals.metrics.arguments import Facts, check, read_bounds
from tradespan.signals.metrics.callbacks import Observer
from tradespan.signals.metrics.learnt import (
    Learnt,
    LearntCounter,
    LearntGauge,
    LearntHistogram,
    LearntUpDownCounter,
    ObservedCounter,
    ObservedGauge,
    ObservedUpDownCounter,
)
from tradespan.signals.metrics.observing import Callback, ObservedTask, as_callback
from tradespan.signals.metrics.registry import InstrumentRegistry

DEFAULT_BOUNDS: Final = (
    *(0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0),
    *(1_000.0, 2_500.0, 5_000.0, 7_500.0, 10_000.0),
)
"""Of a histogram that advises none. Source: likewise, "Explicit bucket histogram aggregation"."""
_NOTHING = NoOpMeter("")


class _Maker(NamedTuple):
    """What an API's method makes, and of what."""

    call: str
    """The method of a meter."""
    told: str
    """For people."""
    handed: type[Any]
    held: type[Learnt[Any]]


_MAKERS: Final = {
    maker.call: maker
    for maker in (
        _Maker("create_counter", "counter", Counter, LearntCounter),
        _Maker("create_up_down_counter", "up-down counter", UpDownCounter, LearntUpDownCounter),
        _Maker("create_gauge", "gauge", Gauge, LearntGauge),
        _Maker("create_histogram", "histogram", Histogram, LearntHistogram),
        _Maker(
            "create_observable_counter", "observable counter", ObservableCounter, ObservedCounter
        ),
        _Maker(
            "create_observable_up_down_counter",
            "observable up-down counter",
            ObservableUpDownCounter,
            ObservedUpDownCounter,
        ),
        _Maker("create_observable_gauge", "observable gauge", ObservableGauge, ObservedGauge),
    )
}


class _Known(NamedTuple):
    """An instrument that the meter has made."""

    maker: _Maker
    held: Learnt[Any]
    handed: Any
    task: ObservedTask | None


class Meter(ApiMeter):
    """Makes instruments of one scope. The same arguments give the same instrument."""

    def __init__(self, scope: Scope, registry: InstrumentRegistry, observer: Observer) -> None:
        super().__init__(*scope)
        self._scope = scope
        self._registry = registry
        self._observer = observer
        self._known: dict[str, list[_Known]] = {}
        """By the lower-case name, under which all that are alike count as duplicates."""
        self._lock = threading.RLock()
        after_fork_in_child(self._begin_anew)

    def create_counter(self, name: str, unit: str = "", description: str = "") -> Counter:
        """See the API, as for the others."""
        return cast("Counter", self._create("create_counter", name, unit, description))

    def create_up_down_counter(
        self, name: str, unit: str = "", description: str = ""
    ) -> UpDownCounter:
        return cast(
            "UpDownCounter", self._create("create_up_down_counter", name, unit, description)
        )

    def create_gauge(  # type: ignore[override]  # the API's class has no public name
        self, name: str, unit: str = "", description: str = ""
    ) -> Gauge:
        return cast("Gauge", self._create("create_gauge", name, unit, description))

    def create_histogram(
        self,
        name: str,
        unit: str = "",
        description: str = "",
        *,
        explicit_bucket_boundaries_advisory: Sequence[float] | None = None,
    ) -> Histogram:
        """Advised boundaries that don't rise, or are too many, are told and not used."""
        bounds: tuple[float, ...] = DEFAULT_BOUNDS
        if explicit_bucket_boundaries_advisory is not None:
            try:
                bounds = read_bounds(explicit_bucket_boundaries_advisory)
            except Exception as error:  # noqa: BLE001 - the host comes first
                guard.logger.warning("%s: the default boundaries are used: %s", name, error)
        made = self._create("create_histogram", name, unit, description, bounds=bounds)
        return cast("Histogram", made)

    def create_observable_counter(
        self,
        name: str,
        callbacks: Sequence[CallbackT] | None = None,
        unit: str = "",
        description: str = "",
    ) -> ObservableCounter:
        call = "create_observable_counter"
        return cast("ObservableCounter", self._create(call, name, unit, description, callbacks))

    def create_observable_up_down_counter(
        self,
        name: str,
        callbacks: Sequence[CallbackT] | None = None,
        unit: str = "",
        description: str = "",
    ) -> ObservableUpDownCounter:
        call = "create_observable_up_down_counter"
        made = self._create(call, name, unit, description, callbacks)
        return cast("ObservableUpDownCounter", made)

    def create_observable_gauge(
        self,
        name: str,
        callbacks: Sequence[CallbackT] | None = None,
        unit: str = "",
        description: str = "",
    ) -> ObservableGauge:
        call = "create_observable_gauge"
        return cast("ObservableGauge", self._create(call, name, unit, description, callbacks))

    def _create(
        self,
        call: str,
        name: object,
        unit: object,
        description: object,
        callbacks: Iterable[CallbackT] | None = None,
        *,
        bounds: tuple[float, ...] = (),
    ) -> Any:
        """The instrument, or one that does nothing; callbacks are added to what is there."""
        try:
            # Generators of the program run here, up to their first `yield`: before the lock.
            observing = [as_callback(each) for each in callbacks or ()]
            facts = Facts(
                cast("str", name),
                as_text("" if unit is None else unit),
                as_text("" if description is None else description),
                (),
                bounds,
                self._scope,
            )
            check(facts)
            known = self._find(_MAKERS[call], facts)
            if known is not None:
                self._observe(known, observing)
                return known.handed
        except (TypeError, ValueError) as error:
            guard.logger.warning("%s; it counts nothing", error)
        except Exception as error:  # noqa: BLE001 - the host comes first
            guard.report(f"making the instrument {name!r}", error)
        return getattr(_NOTHING, call)("nothing")

    def _find(self, maker: _Maker, facts: Facts) -> _Known | None:
        with self._lock:
            others = self._known.setdefault(facts.name.lower(), [])
            if others and others[0].held.name != facts.name:
                guard.logger.warning(
                    "%s: %s differs from it in case only, and takes its name",
                    *(_say(others[0]), facts.name),
                )
                facts = facts._replace(name=others[0].held.name)
            for known in others:
                if known.maker is maker and _is_same(known.held, facts):
                    if known.held.facts.bounds != facts.bounds:
                        guard.logger.warning(
                            "%s: it keeps its boundaries; others are advised now", _say(known)
                        )
                    return known
            if others and not _allows(others, maker, facts):
                return None
            held = self._registry.get(maker.held, facts, (maker.held, facts))
            known = _Known(maker, held, maker.handed(held), _task_of(held))
            others.append(known)
            return known

    def _observe(self, known: _Known, callbacks: list[Callback]) -> None:
        if known.task is not None and callbacks:
            is_first = not known.task.callbacks
            known.task.callbacks.extend(callbacks)
            if is_first:
                self._observer.add(known.task)

    def _begin_anew(self) -> None:
        """In a forked child."""
        self._lock = threading.RLock()


def _task_of(held: Learnt[Any]) -> ObservedTask | None:
    return ObservedTask(held) if held.observed else None


def _is_same(held: Learnt[Any], facts: Facts) -> bool:
    return (held.unit, held.description) == (facts.unit, facts.description)


def _allows(others: list[_Known], maker: _Maker, facts: Facts) -> bool:
    """Whether one more of this name can be told from the others: a mistake all the same."""
    for known in others:
        if known.held.kind == maker.held.kind and _is_same(known.held, facts):
            guard.logger.warning(
                "%s: the %s of the same name counts nothing", _say(known), maker.told
            )
            return False
    guard.logger.warning(
        "%s: it is made again as a %s with unit %r and description %r; back ends may mix them",
        *(_say(others[0]), maker.told, facts.unit, facts.description),
    )
    return True


def _say(known: _Known) -> str:
    held = known.held
    return (
        f"the {known.maker.told} {held.name} (unit {held.unit!r}, description"
        f" {held.description!r}) of {held.place}"
    )
