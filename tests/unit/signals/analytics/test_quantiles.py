"""Quantiles in numpy's thirteen ways, held against numpy."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradespan.signals.analytics.quantiles import INTERPOLATIONS

SHARES = (0.0, 0.001, 0.01, 0.025, 0.05, 0.1, 1 / 3, 0.5, 0.9, 0.99, 1.0)


def test_there_are_all_that_numpy_has() -> None:
    with pytest.raises(ValueError, match=r"'linear'") as refusal:
        np.quantile([1.0], 0.5, method="another")  # type: ignore[call-overload]
    known = set(re.findall(r"'(\w+)'", str(refusal.value))) - {"another"}
    assert known == set(INTERPOLATIONS)


@pytest.mark.parametrize("name", INTERPOLATIONS)
def test_a_quantile_is_numpys(name: Any) -> None:
    for count in (*range(1, 45), 100, 101, 252):
        numbers = np.sort(np.random.default_rng(count).normal(size=count))
        for share in SHARES:
            place = INTERPOLATIONS[name](count, share)
            found = place.between(float(numbers[place.lower]), float(numbers[place.upper]))
            assert found == np.quantile(numbers, share, method=name), (count, share)


@settings(deadline=None)
@given(
    st.lists(st.floats(-1e150, 1e150), min_size=1, max_size=40),
    st.floats(0, 1),
    st.sampled_from(sorted(INTERPOLATIONS)),
)
def test_of_any_numbers_too(numbers: list[float], share: float, name: Any) -> None:
    numbers.sort()
    place = INTERPOLATIONS[name](len(numbers), share)
    found = place.between(numbers[place.lower], numbers[place.upper])
    assert found == np.quantile(numbers, share, method=name)
