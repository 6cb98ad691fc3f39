"""Our meter provider against the SDK's: the same program, the same numbers.

What differs on purpose is in docs/guides/opentelemetry.md; programs here keep clear of it.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider as SdkProvider
from opentelemetry.sdk.metrics.export import (
    Histogram,
    HistogramDataPoint,
    InMemoryMetricReader,
    Sum,
)

from tests.unit.signals.metrics.conftest import Run
from tests.unit.signals.metrics.reading import read_run
from tradespan.signals.metrics.callbacks import Observer
from tradespan.signals.metrics.provider import MeterProvider
from tradespan.signals.metrics.registry import InstrumentRegistry
from tradespan.signals.slot import SignalSlot

SYNCHRONOUS = ("counter", "up_down_counter", "gauge", "histogram")
OBSERVABLE = ("observable_counter", "observable_up_down_counter", "observable_gauge")
SCOPES = (("lib", "1.0", "https://example.com/1"), ("other", "", ""))
PATIENCE = 30.0
Key = tuple[Any, ...]
"""Scope, name, unit, description, kind and labels of a series."""


class Made(NamedTuple):
    """An instrument of a program."""

    kind: str
    name: str
    unit: str
    description: str
    scope: int
    bounds: tuple[float, ...] | None


class Step(NamedTuple):
    """A call of a synchronous instrument, or what a callback gives from then on."""

    instrument: int
    amount: float
    attributes: tuple[tuple[str, str], ...]


amounts = st.one_of(
    st.integers(-1_000, 1_000),
    st.floats(-1e6, 1e6),
    st.sampled_from([0.0, 5.0, 10_000.0, 0.1, float("nan"), float("inf")]),
)
labels = st.dictionaries(
    st.sampled_from(["a", "b", "trading.venue"]), st.sampled_from(["x", "y", "z=1,2"]), max_size=2
).map(lambda found: tuple(found.items()))
made = st.builds(
    Made,
    st.sampled_from(SYNCHRONOUS + OBSERVABLE),
    st.sampled_from(["one", "two.three"]),
    st.sampled_from(["", "s", "{order}"]),
    st.sampled_from(["", "Some."]),
    st.integers(0, 1),
    st.none()
    | st.sets(st.integers(-5, 50), max_size=4).map(lambda s: tuple(map(float, sorted(s)))),
)
programs = st.tuples(
    # What duplicates do, `test_meters.py` tells.
    st.lists(made, min_size=1, max_size=6, unique_by=lambda each: (each.scope, each.name)),
    st.lists(st.builds(Step, st.integers(0, 5), amounts, labels), max_size=40),
)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


def run_program(provider: Any, program: tuple[list[Made], list[Step]]) -> None:
    """Make its instruments, then count; observable ones give the last of each label set."""
    instruments, steps = program
    observed: list[dict[Any, float]] = [{} for _ in instruments]
    live = []
    for each, told in zip(instruments, observed, strict=True):
        meter = provider.get_meter(*SCOPES[each.scope])
        create = getattr(meter, f"create_{each.kind}")
        given: dict[str, Any] = {"unit": each.unit, "description": each.description}
        if each.kind == "histogram":
            given["explicit_bucket_boundaries_advisory"] = each.bounds
        if each.kind in OBSERVABLE:
            given["callbacks"] = [as_callback(told)]
        live.append(create(each.name, **given))
    for step in steps:
        at = step.instrument % len(instruments)
        kind = instruments[at].kind
        if kind in OBSERVABLE:
            observed[at][tuple(sorted(step.attributes))] = step.amount
            continue
        call = {"gauge": "set", "histogram": "record"}.get(kind, "add")
        getattr(live[at], call)(step.amount, dict(step.attributes))


def as_callback(told: dict[Any, float]) -> Any:
    def observe(_: CallbackOptions) -> list[Observation]:
        return [Observation(amount, dict(key)) for key, amount in told.items()]

    return observe


def count_by_sdk(program: tuple[list[Made], list[Step]]) -> dict[Key, Any]:
    reader = InMemoryMetricReader()
    provider = SdkProvider([reader], shutdown_on_exit=False)
    run_program(provider, program)
    data = reader.get_metrics_data()
    found: dict[Key, Any] = {}
    for scoped in data.resource_metrics[0].scope_metrics if data and data.resource_metrics else ():
        scope = (scoped.scope.name, scoped.scope.version or "", scoped.scope.schema_url or "")
        for metric in scoped.metrics:
            kind = "gauge"
            if isinstance(metric.data, Sum):
                kind = "counter" if metric.data.is_monotonic else "up_down_counter"
            elif isinstance(metric.data, Histogram):
                kind = "histogram"
            for point in metric.data.data_points:
                attributes = tuple(sorted((point.attributes or {}).items()))
                key = (scope, metric.name, metric.unit, metric.description, kind, attributes)
                found[key] = (
                    (
                        tuple(point.bucket_counts),
                        tuple(point.explicit_bounds),
                        (point.sum, point.min, point.max),
                    )
                    if isinstance(point, HistogramDataPoint)
                    else getattr(point, "value", None)
                )
    return found


def count_by_us(program: tuple[list[Made], list[Step]], folder: Path) -> dict[Key, Any]:
    signals = SignalSlot()
    Run(folder, signals)
    registry = InstrumentRegistry(signals)
    observer = Observer(registry)
    observer.begin(3_600.0)
    run_program(MeterProvider(registry, observer), program)
    assert observer.observe(PATIENCE)
    observer.pause()
    found: dict[Key, Any] = {}
    for each in read_run(folder):
        facts = each.declaration
        if facts["scope"][0] == "tradespan":
            continue
        kind = facts["instrument"]
        attributes = tuple(map(tuple, facts["labels"]))
        key = (tuple(facts["scope"]), each.name, facts["unit"], facts["description"], kind)
        if kind == "histogram":
            if sum(each.buckets):
                counted = (each.buckets, tuple(facts["bounds"]), each.parts)
                found[*key, attributes] = counted
        elif kind != "gauge" or each.set_at:
            found[*key, attributes] = each.value
    return found


def is_untold(value: Any) -> bool:
    """A label set of which everything was refused: it is there with us, at 0."""
    return bool(value == 0)


@given(programs)
@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_same_program_gives_the_same_numbers(
    way: str, program: tuple[list[Made], list[Step]]
) -> None:
    expected = count_by_sdk(program)
    with tempfile.TemporaryDirectory() as folder:
        counted = count_by_us(program, Path(folder))
    extra = {key: value for key, value in counted.items() if key not in expected}
    assert all(map(is_untold, extra.values())), extra
    assert {key: value for key, value in counted.items() if key in expected} == expected
