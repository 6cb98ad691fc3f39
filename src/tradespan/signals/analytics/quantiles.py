"""Where a quantile lies between the numbers of a sample: numpy's thirteen ways, by its names.

Source: `numpy.percentile(method=)`; R. J. Hyndman and Y. Fan, "Sample quantiles in statistical
packages", The American Statistician 50 (1996).
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, floor
from typing import Final, NamedTuple


class Place(NamedTuple):
    """Between two numbers of a sorted sample."""

    lower: int
    upper: int
    share: float
    """How far from the lower one to the upper one, 0 to 1."""

    def between(self, low: float, high: float) -> float:
        """The value at this place between two numbers, as numpy rounds it."""
        step = high - low
        if self.share < 0.5:
            return low + step * self.share
        return high - step * (1 - self.share)


def _continuous(alpha: float, beta: float) -> Callable[[int, float], Place]:
    def place(count: int, quantile: float) -> Place:
        return _interpolated(count * quantile + (alpha + quantile * (1 - alpha - beta)) - 1, count)

    return place


def _interpolated(index: float, count: int) -> Place:
    if index >= count - 1:
        return Place(count - 1, count - 1, 0.0)
    if index < 0:
        return Place(0, 0, 0.0)
    lower = floor(index)
    return Place(lower, lower + 1, index - lower)


def _linear(count: int, quantile: float) -> Place:
    return _interpolated((count - 1) * quantile, count)


def _inverted(count: int, quantile: float) -> Place:
    return _one(ceil(count * quantile - 1), count)


def _averaged(count: int, quantile: float) -> Place:
    index = count * quantile - 1
    lower = floor(index)
    if index < 0 or index >= count - 1:
        return _one(lower, count)
    return Place(lower, lower + 1, 0.5 if index == lower else 1.0)


def _closest(count: int, quantile: float) -> Place:
    index = count * quantile - 1.5
    lower = floor(index)
    return _one(lower if index == lower and lower % 2 == 1 else lower + 1, count)


def _lower(count: int, quantile: float) -> Place:
    return _one(floor((count - 1) * quantile), count)


def _higher(count: int, quantile: float) -> Place:
    return _one(ceil((count - 1) * quantile), count)


def _midpoint(count: int, quantile: float) -> Place:
    index = (count - 1) * quantile
    return Place(floor(index), ceil(index), 0.5)


def _nearest(count: int, quantile: float) -> Place:
    return _one(round((count - 1) * quantile), count)


def _one(index: int, count: int) -> Place:
    index = min(max(index, 0), count - 1)
    return Place(index, index, 0.0)


INTERPOLATIONS: Final[dict[str, Callable[[int, float], Place]]] = {
    "linear": _linear,
    "lower": _lower,
    "higher": _higher,
    "midpoint": _midpoint,
    "nearest": _nearest,
    "inverted_cdf": _inverted,
    "averaged_inverted_cdf": _averaged,
    "closest_observation": _closest,
    "interpolated_inverted_cdf": _continuous(0.0, 1.0),
    "hazen": _continuous(0.5, 0.5),
    "weibull": _continuous(0.0, 0.0),
    "median_unbiased": _continuous(1 / 3.0, 1 / 3.0),
    "normal_unbiased": _continuous(3 / 8.0, 3 / 8.0),
}
"""By name, given the size of a sample (at least 1) and a share of 1."""
