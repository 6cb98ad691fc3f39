"""Anything that a program may do with its instruments, against what a page has to hold then."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.signals.metrics.conftest import Run
from tests.unit.signals.metrics.reading import read_run
from tradespan.signals.metrics.registry import InstrumentRegistry
from tradespan.signals.slot import SignalSlot

BOUNDS = (-1.0, 0.0, 10.0)
VALUES = st.integers(-50, 50).map(lambda halves: halves / 2)
COUNTING = ["add", "balance", "set", "record"]
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(["add", "balance", "set", "record"]), st.sampled_from("ab"), VALUES
        ),
        st.tuples(st.sampled_from(["configure", "shutdown"]), st.just(""), st.just(0.0)),
    ),
    max_size=40,
)


class Model:
    """What is counted now, by instrument and label; and whether it is in a page."""

    def __init__(self) -> None:
        self.numbers: dict[tuple[str, str], float] = {}
        self.buckets: dict[str, list[int]] = {}
        self.placed: set[tuple[str, str]] = set()

    def do(self, step: str, label: str, value: float) -> None:
        key = step, label
        if step == "record":
            self.buckets.setdefault(label, [0] * 4)[bisect_left(BOUNDS, value)] += 1
        elif step == "set":
            self.numbers[key] = value
        else:
            self.numbers.setdefault(key, 0.0)
            if step == "balance" or value >= 0:
                self.numbers[key] += value

    def begin_run(self) -> None:
        """Those that were in an earlier run's page are at zero in the next one's."""
        for key in self.placed:
            if key[0] == "record":
                self.buckets[key[1]] = [0] * 4
            else:
                self.numbers[key] = 0.0
        self.note_places()

    def note_places(self) -> None:
        self.placed = {*self.numbers, *(("record", label) for label in self.buckets)}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_page_in_force_holds_what_was_counted_for_it(
    steps: list[tuple[str, str, float]], way: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    signals = SignalSlot()
    registry, model = InstrumentRegistry(signals), Model()
    instruments: dict[str, Any] = {
        "add": registry.counter("add", labels=("v",)).labels,
        "balance": registry.up_down_counter("balance", labels=("v",)).labels,
        "set": registry.gauge("set", labels=("v",)).labels,
        "record": registry.histogram("record", labels=("v",), bounds=BOUNDS).labels,
    }
    run: Run | None = None
    for step, label, value in steps:
        if step == "configure":
            run = Run(tmp_path_factory.mktemp("run"), signals)
            model.begin_run()
        elif step == "shutdown":
            signals.clear()
            run = None
        else:
            method = "add" if step == "balance" else step
            getattr(instruments[step](label), method)(value)
            model.do(step, label, value)
            if run is not None:
                model.note_places()
    if run is None:
        return
    found = [each for each in read_run(run.folder) if not each.name.startswith("tradespan.")]

    assert {(each.name, each.labels["v"]): each.value for each in found if each.kind == 3} == (
        model.numbers
    )
    assert {each.labels["v"]: list(each.buckets) for each in found if each.kind == 4} == (
        model.buckets
    )
