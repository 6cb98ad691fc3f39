"""How often somebody was right, and whether as often as they said they would be.

With p the confidence of a prediction and y = 1 if it was right, else 0, over n of them:

- Brier score: sum of (p - y)² / n; 0 is best, always saying 0.5 gives 0.25.
  Source: G. W. Brier, "Verification of forecasts expressed in terms of probability", Monthly
  Weather Review 78 (1950), in the form for two outcomes that scikit-learn's `brier_score_loss` has.
- Reliability table: ten bins of confidence, (0, 0.1], (0.1, 0.2] … (0.9, 1], with 0 in the first;
  in each the mean confidence and the share that was right.
  Source: M. H. DeGroot and S. E. Fienberg, "The comparison and evaluation of forecasters", The
  Statistician 32 (1983); bins as `sklearn.calibration.calibration_curve` has them.
- Expected calibration error: sum over the bins of n(bin) / n · |share right - mean confidence|.
  Source: M. P. Naeini, G. F. Cooper, M. Hauskrecht, "Obtaining well calibrated probabilities using
  Bayesian binning", AAAI 2015; C. Guo and others, "On calibration of modern neural networks", ICML
  2017.

Predictions without a confidence count for accuracy alone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final

BINS: Final = 10
EDGES: Final = tuple(upper / BINS for upper in range(1, BINS))
"""Between the bins; one that is met belongs to the lower bin."""


@dataclass(frozen=True)
class Bin:
    """A row of the reliability table."""

    lower: float
    upper: float
    count: int
    confidence: float
    """Mean of what was said."""
    accuracy: float
    """Share that was right."""


class _Sum:
    """A running sum that keeps what addition rounds off (Neumaier 1974)."""

    __slots__ = ("_lost", "_sum")

    def __init__(self) -> None:
        self._sum = self._lost = 0.0

    def add(self, value: float) -> None:
        total = self._sum + value
        if abs(self._sum) >= abs(value):
            self._lost += (self._sum - total) + value
        else:
            self._lost += (value - total) + self._sum
        self._sum = total

    @property
    def value(self) -> float:
        return self._sum + self._lost


class Calibration:
    """Figures of all that was added, in constant memory. What is undefined is None."""

    __slots__ = ("_confidence", "_counts", "_right", "_squares", "count", "right")

    def __init__(self) -> None:
        self.count = 0
        """How many were judged."""
        self.right = 0
        self._squares = _Sum()
        self._counts = [0] * BINS
        self._right = [0] * BINS
        self._confidence = [_Sum() for _ in range(BINS)]

    def add(self, right: bool, confidence: float | None) -> None:
        """One was judged; `confidence` from 0 to 1."""
        self.count += 1
        self.right += right
        if confidence is not None:
            self._squares.add((confidence - right) ** 2)
            place = bisect_left(EDGES, confidence)
            self._counts[place] += 1
            self._right[place] += right
            self._confidence[place].add(confidence)

    @property
    def accuracy(self) -> float | None:
        """The share that was right, 0 to 1."""
        return self.right / self.count if self.count else None

    @property
    def brier_score(self) -> float | None:
        """See the module; 0 to 1."""
        told = sum(self._counts)
        return self._squares.value / told if told else None

    @property
    def calibration_error(self) -> float | None:
        """The expected one, see the module; 0 to 1."""
        told = sum(self._counts)
        if not told:
            return None
        bins = zip(self._right, self._confidence, strict=True)
        return sum(abs(right - confidence.value) for right, confidence in bins) / told

    @property
    def reliability(self) -> list[Bin]:
        """The bins that have any, by rising confidence."""
        return [
            Bin(
                place / BINS,
                (place + 1) / BINS,
                count,
                self._confidence[place].value / count,
                self._right[place] / count,
            )
            for place, count in enumerate(self._counts)
            if count
        ]

    def to_dict(self) -> dict[str, Any]:
        """Those that are defined."""
        found = {
            "judged": self.count,
            "accuracy": self.accuracy,
            "brier_score": self.brier_score,
            "calibration_error": self.calibration_error,
            "reliability": [asdict(each) for each in self.reliability] or None,
        }
        return {name: value for name, value in found.items() if value is not None}


class Judged:
    """The same figures of the latest ones: accuracy at once, the others reckoned when asked."""

    __slots__ = ("_held", "_right")

    def __init__(self, window: int) -> None:
        self._held: deque[tuple[bool, float | None]] = deque(maxlen=window)
        self._right = 0

    def add(self, right: bool, confidence: float | None) -> None:
        """One was judged; the oldest of a full window leaves it."""
        held = self._held
        if len(held) == held.maxlen:
            self._right -= held[0][0]
        held.append((right, confidence))
        self._right += right

    @property
    def count(self) -> int:
        """How many there are: at most the window."""
        return len(self._held)

    @property
    def right(self) -> int:
        """How many of them were right."""
        return self._right

    @property
    def accuracy(self) -> float | None:
        """The share that was right, 0 to 1."""
        return self._right / len(self._held) if self._held else None

    @property
    def brier_score(self) -> float | None:
        """As of `Calibration`, of the window; takes as long as that is large."""
        return calibration_of(self._held.copy()).brier_score

    @property
    def calibration_error(self) -> float | None:
        """See `brier_score`."""
        return calibration_of(self._held.copy()).calibration_error

    @property
    def reliability(self) -> list[Bin]:
        """See `brier_score`."""
        return calibration_of(self._held.copy()).reliability

    def to_dict(self) -> dict[str, Any]:
        """Those that are defined."""
        return calibration_of(self._held.copy()).to_dict()


def calibration_of(judged: Iterable[tuple[bool, float | None]]) -> Calibration:
    """The figures of these."""
    made = Calibration()
    for right, confidence in judged:
        made.add(right, confidence)
    return made
