"""Calibration against scikit-learn, NumPy, and a recomputation."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from tradespan.signals.analytics.calibration import Calibration, Judged, calibration_of

# Two decimals, so that the edges of bins are met often, and are the same floats everywhere.
CONFIDENCES = st.integers(0, 100).map(lambda hundredths: hundredths / 100)
JUDGED = st.lists(st.tuples(st.booleans(), CONFIDENCES), min_size=1, max_size=300)


@settings(deadline=None)
@given(JUDGED)
def test_the_brier_score_is_scikit_learns(judged: list[tuple[bool, float]]) -> None:
    right = np.array([each for each, _ in judged], dtype=int)
    said = np.array([confidence for _, confidence in judged])
    expected = brier_score_loss(right, said, pos_label=1)
    assert calibration_of(judged).brier_score == pytest.approx(expected, abs=1e-15)


@settings(deadline=None)
@given(JUDGED)
def test_the_reliability_table_is_scikit_learns(judged: list[tuple[bool, float]]) -> None:
    right = [int(each) for each, _ in judged]
    # It wants both kinds; a pair far from what is asked would add a bin, so one kind is left out.
    if len(set(right)) == 1:
        return
    said = [confidence for _, confidence in judged]
    # Its edges come from linspace, and 0.3 there is not 0.3: the same ones, rounded as ours are.
    shares, means = calibration_curve(right, np.nextafter(said, -1).clip(0), n_bins=10)
    table = calibration_of(judged).reliability
    assert [each.accuracy for each in table] == pytest.approx(list(shares))
    assert [each.confidence for each in table] == pytest.approx(list(means))
    assert sum(each.count for each in table) == len(judged)


@settings(deadline=None)
@given(JUDGED)
def test_the_calibration_error_is_the_definitions(judged: list[tuple[bool, float]]) -> None:
    expected = 0.0
    for place in range(10):
        held = [
            (right, said)
            for right, said in judged
            if place / 10 < said <= (place + 1) / 10 or (place == 0 and said == 0)
        ]
        if held:
            accuracy = sum(right for right, _ in held) / len(held)
            confidence = math.fsum(said for _, said in held) / len(held)
            expected += len(held) / len(judged) * abs(accuracy - confidence)
    assert calibration_of(judged).calibration_error == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.none() | CONFIDENCES), max_size=60), st.integers(1, 9))
def test_a_window_has_the_figures_of_its_latest(
    judged: list[tuple[bool, float | None]], window: int
) -> None:
    rolling = Judged(window)
    for each in judged:
        rolling.add(*each)
    expected = calibration_of(judged[-window:])
    assert rolling.to_dict() == expected.to_dict()
    assert (rolling.accuracy, rolling.count) == (expected.accuracy, expected.count)
    assert (rolling.brier_score, rolling.calibration_error) == (
        expected.brier_score, expected.calibration_error,
    )  # fmt: skip
    assert (rolling.reliability, rolling.right) == (expected.reliability, expected.right)


def test_what_nobody_told_is_undefined() -> None:
    empty = Calibration()
    assert (empty.accuracy, empty.brier_score, empty.calibration_error) == (None, None, None)
    assert empty.reliability == []
    empty.add(True, None)
    assert (empty.accuracy, empty.brier_score) == (1.0, None)


def test_sums_of_a_million_do_not_drift() -> None:
    random = Random(3)
    judged = [(random.random() < 0.6, random.random() * 1e-9 + 0.7) for _ in range(1_000_000)]
    exact = math.fsum((said - right) ** 2 for right, said in judged) / len(judged)
    # Of the terms' own rounding something stays.
    assert calibration_of(judged).brier_score == pytest.approx(exact, rel=1e-15)
