"""A module under a governor that looks when the test says so, by a clock of the test's."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from tradespan.instrument.auto.governor import Governor
from tradespan.instrument.auto.governor_choice import CALM
from tradespan.instrument.auto.inplace import Level


class Gate:
    """Stands for the lock that ends the thread; what waits at it lets the program run."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self.meanwhile: Callable[[], object] = int
        self.open = False

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        self.meanwhile()
        self._now.seconds += timeout
        return self.open

    def release(self) -> None: ...

    def locked(self) -> bool:
        return not self.open


class Now:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


class Bot:
    """A module that is watched, and a governor that looks when it is told to."""

    def __init__(self, module: ModuleType, governor: Governor, now: Now) -> None:
        self.module = module
        self.governor = governor
        self._now = now
        self.gate = Gate(now)

    def call(self, name: str, times: int) -> None:
        function = getattr(self.module, name)
        for number in range(times):
            function(number)

    def look(self, after: float = 1.0) -> None:
        """The governor's next look, so many seconds after the last."""
        self._now.seconds += after
        self.governor.look(self.gate)  # type: ignore[arg-type]

    def calm_down(self) -> None:
        for _ in range(CALM):
            self.look()

    def level(self, name: str) -> Level:
        (unit,) = [
            each
            for each in self.governor.units.values()
            if each.governed.name == f"{self.module.__name__}.{name}"
        ]
        (twin,) = unit.living()
        assert twin.level is unit.governed.level
        return twin.level
