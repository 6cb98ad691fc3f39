"""Two naive models that guess where a price goes next."""

from __future__ import annotations

from typing import Any


class Drift:
    """What went up goes on up."""

    name = "drift"

    def __init__(self) -> None:
        self.n = 0
        self.open: dict[str, str] = {}
        self.right = 0
        self.settled = 0

    def guess(self, symbol: str, window: list[int]) -> dict[str, Any]:
        self.n += 1
        move = window[-1] - window[0]
        ident = f"{self.name}:{symbol}:{self.n}"
        self.open[ident] = self.lean(move)
        strength = min(1.0, abs(move) / (window[0] * 0.004))
        return {"id": ident, "dir": self.open[ident], "p": round(0.5 + 0.3 * strength, 4)}

    def lean(self, move: int) -> str:
        return "UP" if move >= 0 else "DN"

    def settle(self, id: str, dir: str) -> bool:  # noqa: A002 - as the feed of results names them
        said = self.open.pop(id)
        self.settled += 1
        self.right += said == dir
        return said == dir


class Rubber(Drift):
    """What went up comes back."""

    name = "rubber"

    def lean(self, move: int) -> str:
        return "DN" if move >= 0 else "UP"
