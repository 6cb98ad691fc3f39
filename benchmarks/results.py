"""What a run found out, as rows: a cost, what it is compared with, and whether the bar is met."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    group: str
    """What `--only` names."""
    name: str
    cost: float
    """Microseconds."""
    against: str = ""
    """What it is compared with; empty: with nothing."""
    reference: float | None = None
    """That one's microseconds."""
    ratio: float | None = None
    """Cost in multiples of the reference."""
    at_most: float | None = None
    """The bar: the largest ratio that meets it; None: printed beside."""
    why: str = ""
    """Where the time goes, told if the bar is not met."""
    bare: float | None = None
    """What the same takes without any instrumentation, in µs, where that is much of it."""

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; None if there is none."""
        if self.at_most is None or self.ratio is None:
            return None
        return self.ratio <= self.at_most


@dataclass(frozen=True, slots=True)
class PeerRow:
    """What another library costs, and what SDK and tradespan cost in the same process."""

    peer: str
    what: str
    cost: float
    sdk: float
    monitor: float


@dataclass(frozen=True, slots=True)
class TailRow:
    """The quantiles of one way of recording, over several runs, in µs."""

    way: str
    measure: str
    runs: int
    median: dict[str, float]
    """Of the runs' quantiles, by the quantile's name."""
    least: dict[str, float]
    most: dict[str, float]


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes in memory around many calls: `own`, and `all` with mapped files and libraries."""

    calls: int
    before: dict[str, int]
    after: dict[str, int]

    @property
    def growth(self) -> int:
        """Bytes that the process's own memory grew by."""
        return self.after["own"] - self.before["own"]

    @property
    def met(self) -> bool:
        """Whether that is less than a bit per call: what is kept of calls would be more."""
        return self.growth * 8 < self.calls


@dataclass(slots=True)
class Report:
    """All that a run found out."""

    rows: list[Row] = field(default_factory=list)
    tail: list[TailRow] = field(default_factory=list)
    peers: list[PeerRow] = field(default_factory=list)
    memory: Memory | None = None
    notes: list[str] = field(default_factory=list)
    """What a reader has to know: what could not be measured, and why."""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        plain = asdict(self)
        plain["rows"] = [asdict(row) | {"met": row.met} for row in self.rows]
        if self.memory is not None:
            plain["memory"]["met"] = self.memory.met
        return plain


def compare(
    row: Row, costs: dict[str, float], reference: str, *, at_most: float | None = None
) -> Row:
    """The row, with its ratio to another subject of the same run."""
    other = costs[reference]
    return replace(row, against=reference, reference=other, ratio=row.cost / other, at_most=at_most)


def quantile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank quantile of values in ascending order: the least value that so large a share
    does not exceed.

    Raises:
        ValueError: There are no values.
    """
    if not ordered:
        raise ValueError("no values, no quantile")
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1]


def show_ratio(ratio: float | None) -> str:
    """`1/12.3` for what is cheaper, `3.4 ×` for what is not."""
    if ratio is None:
        return ""
    return f"1/{_short(1 / ratio)}" if ratio < 0.995 else f"{_short(ratio)} ×"


def _short(number: float) -> str:
    return f"{number:.2f}" if number < 3 else f"{number:.1f}"


def show_bar(bar: float | None) -> str:
    """A bar as people say it: `1/8`, `1.2 ×`."""
    if bar is None:
        return ""
    return f"1/{1 / bar:g}" if bar < 1 else f"{bar:g} ×"
