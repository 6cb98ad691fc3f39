"""Our own instruments as metrics."""

from __future__ import annotations

import pytest

from tests.support.ids import shown
from tradespan.declare.instruments import INSTRUMENTS, Instrument
from tradespan.forward.gathering import metric_of


@pytest.mark.parametrize("instrument", INSTRUMENTS.values(), ids=shown)
def test_what_an_instrument_measures_is_told_with_it(instrument: Instrument) -> None:
    metric = metric_of(instrument)
    assert (metric.name, metric.unit) == (instrument.name, instrument.unit)
    assert metric.description == instrument.description != ""
