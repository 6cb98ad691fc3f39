"""Mean and deviation of a window that changes at both ends, exact however long it runs.

A float is an integer times a power of two, so the sums of values and of their squares are kept as
integers: what goes out takes away precisely what it brought in, and nothing drifts or cancels.
The integers have as many digits as the spread of the values' exponents asks for, 2 to 5 words for
returns, and at most some 8,000 bits.
"""

from __future__ import annotations

from math import isqrt, ldexp, sqrt
from typing import Final

_DIGITS: Final = 128
"""Bits of the argument of a square root beyond the range of floats: more than twice their 53."""


class WindowMoments:
    """Sums of finite floats and of their squares. Not safe for threads by itself."""

    __slots__ = ("_scale", "_squares", "_sum", "count")

    def __init__(self) -> None:
        self.count = 0
        """How many values are in."""
        self._sum = 0
        """Of the values times `2 ** _scale`."""
        self._squares = 0
        self._scale = 0

    def add(self, value: float) -> None:
        """Take a value in.

        Raises:
            OverflowError: It is infinite.
            ValueError: It is NaN.
        """
        number = self._scaled(value)
        self._sum += number
        self._squares += number * number
        self.count += 1

    def remove(self, value: float) -> None:
        """Take a value out that was put in."""
        number = self._scaled(value)
        self._sum -= number
        self._squares -= number * number
        self.count -= 1

    def mean(self) -> float | None:
        """The arithmetic mean, correctly rounded; None without values."""
        return self._sum / (self.count << self._scale) if self.count else None

    def deviation(self, ddof: int = 1) -> float | None:
        """The standard deviation about the mean, `sqrt(sum((x - mean)²) / (n - ddof))`.

        None with `ddof` values or fewer.
        """
        count = self.count
        if count <= ddof:
            return None
        numerator = count * self._squares - self._sum * self._sum
        return _root_of(numerator, count * (count - ddof) << 2 * self._scale)

    def root_mean_square(self) -> float | None:
        """The deviation about zero, `sqrt(sum(x²) / n)`; None without values."""
        return _root_of(self._squares, self.count << 2 * self._scale) if self.count else None

    def _scaled(self, value: float) -> int:
        numerator, denominator = value.as_integer_ratio()
        shift = denominator.bit_length() - 1
        finer = shift - self._scale
        if finer <= 0:
            return numerator << -finer
        self._sum <<= finer
        self._squares <<= 2 * finer
        self._scale = shift
        return numerator


def _root_of(numerator: int, denominator: int) -> float:
    """The square root of a fraction, which may be smaller or larger than any float."""
    if numerator == 0:
        return 0.0
    exponent = numerator.bit_length() - denominator.bit_length()
    if -900 < exponent < 900:
        return sqrt(numerator / denominator)
    half = (_DIGITS - exponent) // 2
    if half >= 0:
        return ldexp(isqrt((numerator << 2 * half) // denominator), -half)
    return ldexp(isqrt(numerator // (denominator << -2 * half)), -half)
