"""What metric pages hold, as metrics and series: of one process, or added up over several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from tradespan.core.version import SCOPE
from tradespan.declare.instruments import (
    TRADESPAN_FUNCTION_CALLS,
    TRADESPAN_FUNCTION_DURATION,
    TRADESPAN_FUNCTION_ERRORS,
    TRADESPAN_FUNCTION_GOOD,
    TRADESPAN_OBJECTIVE_TARGET,
    Instrument,
)
from tradespan.declare.names import TRADESPAN_PROCESS_GROUP
from tradespan.forward.exemplars import Buckets, FunctionKey, key_of
from tradespan.pages.measured import CellExemplar, HistogramReading, NumberReading
from tradespan.pages.readings import FunctionReading, MetricReading
from tradespan.wire.measured import Distribution, Exemplar, Labels, Metric

_SECOND = 1e9
_KINDS = {"updowncounter": "up_down_counter"}
_FUNCTION = "code.function.name"

IsNew = Callable[[MetricReading, int], bool]
"""Whether the series at a byte of a file has not been read before."""
Functions = Mapping[FunctionKey, Buckets]
"""The exemplars of functions, by `forward/exemplars.py`."""


class Series(NamedTuple):
    """One label set of a metric, and what it has now."""

    value: float | Distribution
    is_new: bool = False
    set_at: int = 0
    """Of a gauge: when it was set; nanoseconds, UTC."""
    exemplars: tuple[Exemplar, ...] = ()


Gathered = dict[Metric, dict[Labels, Series]]


def metric_of(instrument: Instrument) -> Metric:
    """One of our own instruments as a metric."""
    kind = _KINDS.get(instrument.kind, instrument.kind)
    return Metric(instrument.name, instrument.unit, kind, instrument.description, SCOPE)


_CALLS = metric_of(TRADESPAN_FUNCTION_CALLS)
_ERRORS = metric_of(TRADESPAN_FUNCTION_ERRORS)
_GOOD = metric_of(TRADESPAN_FUNCTION_GOOD)
_TARGET = metric_of(TRADESPAN_OBJECTIVE_TARGET)
_DURATION = metric_of(TRADESPAN_FUNCTION_DURATION)


def gather(
    readings: Iterable[MetricReading],
    is_new: IsNew = lambda reading, place: False,
    functions: Functions | None = None,
) -> Gathered:
    """All series of some files. Those with the same metric and labels are one: added up; of a gauge
    the one that was set last. One that was never set is not among them.
    """
    gathered: Gathered = {}
    for reading in readings:
        for metric, labels, series in _series_of(reading, is_new, functions or {}):
            known = gathered.setdefault(metric, {})
            before = known.get(labels)
            known[labels] = series if before is None else add_series(metric, before, series)
    return gathered


def _series_of(
    reading: MetricReading, is_new: IsNew, functions: Functions
) -> Iterator[tuple[Metric, Labels, Series]]:
    for number in reading.numbers:
        if number.has_value:
            yield _number(number, is_new(reading, number.place))
    for histogram in reading.histograms:
        yield _histogram(histogram, is_new(reading, histogram.place))
    for function in reading.functions:
        yield from _function(function, is_new(reading, function.place), functions)


def _number(reading: NumberReading, is_new: bool) -> tuple[Metric, Labels, Series]:
    told = reading.series
    metric = Metric(told.name, told.unit, told.instrument, told.description, told.scope)
    value = reading.value
    exemplars = _cell_exemplars(reading.exemplar)
    return metric, told.labels, Series(value, is_new, reading.set_at, exemplars)


def _histogram(reading: HistogramReading, is_new: bool) -> tuple[Metric, Labels, Series]:
    told = reading.series
    metric = Metric(told.name, told.unit, "histogram", told.description, told.scope)
    spread = (reading.min, reading.max) if reading.count else (None, None)
    value = Distribution(reading.counts, told.bounds, reading.sum, *spread)
    return metric, told.labels, Series(value, is_new, 0, _cell_exemplars(reading.exemplar))


def _cell_exemplars(seen: CellExemplar | None) -> tuple[Exemplar, ...]:
    if seen is None:
        return ()
    span_id = seen.span_id.to_bytes(8, "big")
    return (Exemplar(seen.time, seen.value, seen.trace_id, span_id),)


def _function(
    reading: FunctionReading, is_new: bool, functions: Functions
) -> Iterator[tuple[Metric, Labels, Series]]:
    told, counts = reading.series, reading.counts
    # A function that was given another name is told by that name: two of one function stay two.
    labels: Labels = ((_FUNCTION, told.name),)
    if told.process_group:
        labels += ((TRADESPAN_PROCESS_GROUP, told.process_group),)
    bounds = tuple(bound / _SECOND for bound in told.bounds)
    exemplars = tuple(
        Exemplar(
            seen.time,
            seen.value / _SECOND,
            bytes.fromhex(seen.trace_id),
            bytes.fromhex(seen.span_id),
        )
        for seen in functions.get(key_of(told), {}).values()
        if seen.writer == reading.page.writer
    )
    duration = Distribution(counts.buckets, bounds, counts.total / _SECOND)
    yield _DURATION, labels, Series(duration, is_new, 0, exemplars)
    yield _CALLS, labels, Series(counts.calls, is_new)
    yield _ERRORS, labels, Series(counts.errors, is_new)
    if told.target is not None:
        yield _GOOD, labels, Series(counts.good, is_new)
        yield _TARGET, labels, Series(told.target, is_new, reading.page.created)


def add_series(metric: Metric, one: Series, other: Series) -> Series:
    """Two of the same labels; a histogram with other bounds than the first is left out."""
    if metric.kind == "gauge":
        return one if one.set_at >= other.set_at else other
    is_new = one.is_new and other.is_new
    exemplars = (*one.exemplars, *other.exemplars)
    mine, theirs = one.value, other.value
    if isinstance(mine, Distribution) or isinstance(theirs, Distribution):
        assert isinstance(mine, Distribution)
        assert isinstance(theirs, Distribution)
        if mine.bounds != theirs.bounds:
            return one
        return Series(_add_distributions(mine, theirs), is_new, 0, exemplars)
    return Series(mine + theirs, is_new, 0, exemplars)


def _add_distributions(one: Distribution, other: Distribution) -> Distribution:
    least = [each for each in (one.min, other.min) if each is not None]
    most = [each for each in (one.max, other.max) if each is not None]
    return Distribution(
        tuple(map(sum, zip(one.counts, other.counts, strict=True))),
        one.bounds,
        one.sum + other.sum,
        min(least) if least else None,
        max(most) if most else None,
    )
