"""`MetricsRegistry`: metrics by name, with a prefix, as trading engines have them.

    metrics = MetricsRegistry(prefix="live_trading")
    metrics.trades_total.inc(labels={"symbol": "AAPL"})
    metrics.histogram("fill_seconds", buckets=[0.1, 1]).observe(0.3)

They count in the same cells as `tradespan.counter` and its like, before `configure()` and after it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from tradespan.core import guard
from tradespan.core.clock import Clock, SystemClock
from tradespan.core.errors import InstrumentConflict
from tradespan.declare.instruments import ALIASES, Alias
from tradespan.signals.metrics.arguments import Facts, hint_at_unit, read_bounds
from tradespan.signals.metrics.callbacks import OBSERVER, Observer
from tradespan.signals.metrics.learnt import Learnt, LearntCounter, LearntGauge, LearntHistogram
from tradespan.signals.metrics.othernames import OtherName, find_alias
from tradespan.signals.metrics.plainvalues import as_json, write_labels
from tradespan.signals.metrics.registry import (
    DEFAULT_BOUNDS,
    OWN_SCOPE,
    REGISTRY,
    InstrumentRegistry,
    find_caller,
)
from tradespan.signals.metrics.summary import Summary, read_quantiles
from tradespan.signals.metrics.verbs import (
    Counter,
    Gauge,
    Histogram,
    HistogramValue,
    Info,
    LabelSet,
    Metric,
    MetricValue,
)

__all__ = [
    "Counter",
    "Gauge",
    "Histogram",
    "HistogramValue",
    "Info",
    "MetricValue",
    "MetricsRegistry",
    "Summary",
    "metrics",
]

PREFIX: Final = "live_trading"
POWERS_OF_TWO: Final = tuple(2.0**power for power in range(-20, 21))
"""Bounds of a histogram that is `exponential`: 0.00000095 to 1,048,576."""
SET: Final = {alias.name: alias for alias in ALIASES if alias.prefix == PREFIX}
"""The metrics that each registry has as attributes, by name."""
_SHORT: Final = {
    "cash_balance": "cash_balance_usd",
    "cycle_duration": "cycle_duration_seconds",
    "daily_pnl": "daily_pnl_usd",
    "order_latency": "order_latency_seconds",
    "portfolio_value": "portfolio_value_usd",
    "trades_value": "trades_value_usd",
}
Made = TypeVar("Made", bound=Metric)


class MetricsRegistry:
    """Metrics whose names begin with a prefix; two of one prefix make the same metrics.

    Those of the set, such as `cycles_total`, are attributes, made when they are first used.
    """

    if TYPE_CHECKING:
        cash_balance: Gauge
        cash_balance_usd: Gauge
        cycle_duration: Histogram
        cycle_duration_seconds: Histogram
        cycles_total: Counter
        daily_pnl: Gauge
        daily_pnl_usd: Gauge
        decisions_total: Counter
        errors_total: Counter
        order_latency: Histogram
        order_latency_seconds: Histogram
        portfolio_value: Gauge
        portfolio_value_usd: Gauge
        positions_count: Gauge
        trades_total: Counter
        trades_value: Counter
        trades_value_usd: Counter

    def __init__(
        self,
        prefix: str = PREFIX,
        *,
        registry: InstrumentRegistry = REGISTRY,
        observer: Observer = OBSERVER,
        clock: Clock | None = None,
    ) -> None:
        """`prefix`: stands before each name, with `_` between; may be empty. Others: for tests."""
        self.prefix = prefix
        self._registry = registry
        self._observer = observer
        self._clock: Clock = SystemClock() if clock is None else clock
        self._metrics: dict[str, Metric] = {}
        self._before = _Before(prefix)

    def counter(self, name: str, description: str = "", *, unit: str | None = None) -> Counter:
        """The counter of this name, made at the first call.

        Args:
            name: Without the prefix. Prometheus shows it with `_total` at its end.
            description: One sentence.
            unit: Of what is counted, by UCUM; that of the name's declaration, or none.

        Raises:
            InstrumentConflict: There is something else of this name.
            ValueError: The name cannot be used.
        """
        return self._make(Counter, LearntCounter, name, description, unit)

    def gauge(self, name: str, description: str = "", *, unit: str | None = None) -> Gauge:
        """The gauge of this name, made at the first call. As `counter`."""
        return self._make(Gauge, LearntGauge, name, description, unit)

    def histogram(
        self,
        name: str,
        description: str = "",
        buckets: Iterable[float] | None = None,
        *,
        unit: str | None = None,
        exponential: bool = False,
    ) -> Histogram:
        """The histogram of this name, made at the first call. As `counter`.

        Args:
            name: See `counter`, as the others.
            description: One sentence.
            buckets: Upper bounds, in any order, 200 at most; those of the name's declaration, or
                0.005 to 10.
            unit: Of the values.
            exponential: Bounds are the powers of two from 2^-20 to 2^20.

        Raises:
            InstrumentConflict: There is something else of this name, or it has other bounds.
            TypeError: `buckets` are no numbers.
            ValueError: A name or a bound cannot be used, or `buckets` go with `exponential`.
        """
        bounds: tuple[float, ...] | None = None
        if exponential:
            if buckets is not None:
                raise ValueError(f"{name}: either buckets are given or it is exponential")
            bounds = POWERS_OF_TWO
        elif buckets is not None:
            bounds = read_bounds(sorted(set(buckets)))
        return self._make(Histogram, LearntHistogram, name, description, unit, bounds)

    def summary(
        self,
        name: str,
        description: str = "",
        *,
        quantiles: Iterable[float] = (0.5, 0.9, 0.99),
        window: float = 600.0,
        most: int = 1_000,
        unit: str | None = None,
    ) -> Summary:
        """The summary of this name, made at the first call. As `counter`.

        Args:
            name: See `counter`, as the others.
            description: One sentence.
            quantiles: Between 0 and 1.
            window: Seconds; what is older is left out.
            most: Observations of a label set that are kept, the latest.
            unit: Of the values.

        Raises:
            InstrumentConflict: There is something else of this name.
            ValueError: A name or a quantile cannot be used, or there is no window.
        """
        found = self._metrics.get(self._whole(name))
        if isinstance(found, Summary):
            return found
        asked = read_quantiles(quantiles)
        if not (window > 0 and most > 0):
            raise ValueError(f"{name}: window ({window}) and most ({most}) are above 0")
        facts = Facts(self._whole(name), unit or "", description, (), (), OWN_SCOPE)
        held = self._registry.get(LearntGauge, facts, (OWN_SCOPE, facts.name))
        made = Summary(held, self._clock, asked, window, most)
        kept = self._keep(made)
        if kept is made:
            self._observer.add(made)
        return kept

    def info(self, name: str, labels: LabelSet = None, description: str = "") -> Info:
        """What something is, such as `info("bot", {"strategy": "momentum", "version": "2.1"})`.

        `_info` is put behind a name that has it not. Each call with labels says it anew.

        Raises:
            InstrumentConflict: There is something else of this name.
            ValueError: The name cannot be used.
        """
        whole = name if name.endswith("_info") else f"{name}_info"
        made = self._make(Info, LearntGauge, whole, description, None)
        if labels is not None:
            made.set(labels)
        return made

    def get(self, name: str) -> Metric | None:
        """The metric of a name, with or without the prefix, if it has been made."""
        return self._metrics.get(name) or self._metrics.get(self._whole(name))

    def collect_all(self) -> dict[str, list[MetricValue]]:
        """All metrics by name, with the prefix, and what each label set stands at."""
        self._before.tell()
        return {name: each.collect() for name, each in self._metrics.copy().items()}

    def to_dict(self) -> dict[str, Any]:
        """The same for JSON: name and labels, as Prometheus writes them, and a number.

        A histogram's is a dict of `count`, `sum` and `buckets`, by upper bound as text. A metric
        that has counted nothing is there with 0; a summary is not.
        """
        told: dict[str, Any] = {}
        for name, values in self.collect_all().items():
            for each in values:
                told[name + write_labels(each.labels)] = as_json(each)
            metric = self._metrics[name]
            if not values and isinstance(metric, Counter | Gauge):
                told[name] = 0.0
            elif not values and isinstance(metric, Histogram):
                told[name] = as_json(metric.get())
        return told

    def register_callback(self, callback: Callable[[], Any]) -> Callable[[], Any]:
        """Call it, without arguments, before metrics are collected here, and at each interval.

        In the bot's thread for callbacks, or in that of who collects. What it raises is counted.
        """
        is_first = not self._before.callbacks
        self._before.callbacks.append(callback)
        if is_first:
            self._observer.add(self._before)
        return callback

    def __getattr__(self, name: str) -> Metric:
        alias = SET.get(_SHORT.get(name, name))
        if alias is None:
            near = get_close_matches(name, [*SET, *_SHORT], 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise AttributeError(f"MetricsRegistry has no {name!r}{hint}")
        made = self._of_set(alias)
        self.__dict__[name] = made
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        # Objects that hold it are copied, and go to other processes.
        return MetricsRegistry, (self.prefix,)

    def __repr__(self) -> str:
        return f"<MetricsRegistry {self.prefix!r}, {len(self._metrics)} metrics>"

    def _of_set(self, alias: Alias) -> Metric:
        kinds = {"counter": self.counter, "gauge": self.gauge, "histogram": self.histogram}
        return kinds[alias.instrument.kind](alias.name)

    def _whole(self, name: str) -> str:
        return f"{self.prefix}_{name}" if self.prefix else name

    def _make(
        self,
        kind: Callable[[Any, Clock], Made],
        held: type[Learnt[Any]],
        name: str,
        description: str,
        unit: str | None,
        bounds: tuple[float, ...] | None = None,
    ) -> Made:
        whole = self._whole(name)
        found = self._metrics.get(whole)
        has_bounds = bounds is None or bounds == tuple(getattr(found, "buckets", ()))
        if found is not None and type(found) is kind and unit in {None, found.unit} and has_bounds:
            return cast("Made", found)
        asked = self._ask(held, whole, description, unit, bounds)
        alias = find_alias(ALIASES, self.prefix, name)
        if alias is not None and _stands_for(alias, held, unit, bounds):
            fact = alias.instrument
            asked = Facts(whole, fact.unit, fact.description, (), fact.bounds, OWN_SCOPE)
            made = self._registry.get(held, asked, (OWN_SCOPE, whole))
            self._registry.export_as(fact.name, OtherName(whole, alias))
        else:
            hint_at_unit(whole, asked.unit)
            made = self._registry.get(held, asked, (OWN_SCOPE, whole))
        return self._keep(kind(made, self._clock))

    def _ask(
        self,
        held: type[Learnt[Any]],
        whole: str,
        description: str,
        unit: str | None,
        bounds: tuple[float, ...] | None,
    ) -> Facts:
        """What is left out is as another registry made it, or as usual."""
        known = self._registry.find((OWN_SCOPE, whole))
        if known is not None:
            unit = known.unit if unit is None else unit
            bounds = known.facts.bounds if bounds is None else bounds
        elif bounds is None:
            bounds = DEFAULT_BOUNDS if held is LearntHistogram else ()
        return Facts(whole, unit or "", description, (), bounds, OWN_SCOPE)

    def _keep(self, made: Made) -> Made:
        """That, or the one that another thread has made.

        Raises:
            InstrumentConflict: What there is is something else.
        """
        kept = self._metrics.setdefault(made.name, made)
        if type(kept) is not type(made):
            differs = ("its type", type(kept).__name__, type(made).__name__)
            raise InstrumentConflict(made.name, made.place, find_caller(), [differs])
        return kept


def _stands_for(
    alias: Alias, held: type[Learnt[Any]], unit: str | None, bounds: tuple[float, ...] | None
) -> bool:
    """Whether a metric that is asked for is the conventional instrument by another name."""
    fact = alias.instrument
    return (
        fact.kind == held.kind
        and unit in {None, fact.unit}
        and bounds in {None, tuple(fact.bounds)}
    )


class _Before:
    """The callbacks of a registry, as a task."""

    def __init__(self, prefix: str) -> None:
        self.label = f"callbacks of {prefix or 'a registry'}"
        self.callbacks: list[Callable[[], Any]] = []
        self._running = threading.local()

    def tell(self) -> None:
        """Run them, guarded."""
        with guard.guarded(self.label):
            self.run()

    def run(self) -> None:
        """Run them; one that collects runs them not again.

        Raises:
            BaseException: The first that one raised; the others have run.
        """
        if getattr(self._running, "now", False):
            return
        failed: BaseException | None = None
        self._running.now = True
        try:
            for each in self.callbacks.copy():
                try:
                    each()
                except Exception as error:  # noqa: BLE001 - raised when the others have run
                    failed = failed or error
        finally:
            self._running.now = False
        if failed is not None:
            raise failed


metrics: Final = MetricsRegistry()
"""The process's own, with the prefix `live_trading`."""
