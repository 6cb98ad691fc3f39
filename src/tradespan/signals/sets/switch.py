"""`tradespan.sets`: all sets, each made and switched on at its first use.

`tradespan.sets("system", "feed")`, or the setting `sets`, switches on; a verb's use does as well:
`tradespan.sets.orders.submitted(venue="XNAS", symbol="AAPL")`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from tradespan.config.sets import KNOWN
from tradespan.core import guard
from tradespan.core.forks import after_fork_in_child
from tradespan.signals.metrics.callbacks import OBSERVER
from tradespan.signals.metrics.registry import from_declaration
from tradespan.signals.orders.flow import Clocks
from tradespan.signals.orders.front import Journeys
from tradespan.signals.sets.agents import Agents
from tradespan.signals.sets.base import Maker
from tradespan.signals.sets.engine import Engine
from tradespan.signals.sets.exchange import Exchange
from tradespan.signals.sets.feed import Feed
from tradespan.signals.sets.orders import Orders
from tradespan.signals.sets.performance import Performance
from tradespan.signals.sets.portfolio import Portfolio
from tradespan.signals.sets.risk import Risk

if TYPE_CHECKING:
    from tradespan.config.model import FiguresConfig
    from tradespan.signals.sets.books import Books
    from tradespan.signals.sets.system import System

INTERVAL: Final = 15.0
"""Seconds between two readings of the system's set."""

_TOLERANCE: Final = 0.5


T = TypeVar("T")


class _once(Generic[T]):  # noqa: N801 - reads as a decorator
    """A set, made at its first use, by one thread.

    `functools.cached_property` makes it twice (3.12), or has a lock that a forked child inherits.
    """

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self._name = make.__name__
        self.__doc__ = make.__doc__

    def __get__(self, owner: Sets, kind: type[Sets]) -> T:
        with owner.lock:
            found = owner.__dict__.get(self._name)
            if found is None:
                # A signal handler may have made it meanwhile.
                found = owner.__dict__.setdefault(self._name, self._make(owner))
        made: T = found
        return made


class Observer(Protocol):
    """The thread in which what nobody reports is read."""

    def add(self, task: Any, /) -> None:
        """Have `task.run()` called every few seconds; `task.label`: whose it is."""
        ...


class Sets:
    """Instruments by subject. They count before `configure()` too, in memory."""

    def __init__(
        self,
        make: Maker = from_declaration,
        clock: Callable[[], float] = time.monotonic,
        observer: Observer = OBSERVER,
    ) -> None:
        """`clock`: seconds; `observer`: calls `run` once there is something to read."""
        self._make = make
        self._clock = clock
        self.lock = threading.RLock()
        """Held while a set is made."""
        self._system_due = clock()
        self._observer = observer
        self._observed = False
        self.books: Books | None = None
        """Of accounts, kept of what is mapped; None: nobody keeps any."""
        after_fork_in_child(self._begin_anew)

    def __call__(self, *names: str) -> Sets:
        """Switch sets on: `engine`, `orders`, `exchange`, `feed`, `portfolio`, `performance`,
        `risk`, `agents`, `system`, or `all`.

        Raises:
            ValueError: There is no such set.
            InstrumentConflict: The program has made an instrument of a set's by hand, otherwise.
        """
        chosen = KNOWN if "all" in names else names
        unknown = [name for name in chosen if name not in KNOWN]
        if unknown:
            raise ValueError(f"there is no set {unknown[0]!r}: {', '.join(KNOWN)}, or all")
        with self.lock:
            for name in chosen:
                getattr(self, name)
        return self

    @property
    def on(self) -> tuple[str, ...]:
        """Those that are switched on."""
        return tuple(name for name in KNOWN if name in self.__dict__)

    @_once
    def engine(self) -> Engine:
        """Cycles, decisions, trades, errors."""
        return Engine(self._make)

    @_once
    def orders(self) -> Orders:
        """What became of orders, how fast, and at which price."""
        return Orders(self._make, self._clock)

    @_once
    def journeys(self) -> Journeys:
        """Each order from tick to last fill (`tradespan.orders`); the orders' set counts them."""
        clocks = Clocks(monotonic=self._clock)
        journeys = Journeys(self.orders, make=self._make, clocks=clocks)
        self._observer.add(journeys.watch)
        return journeys

    @_once
    def exchange(self) -> Exchange:
        """Each venue as the program reaches it."""
        return Exchange(self._make)

    @_once
    def feed(self) -> Feed:
        """Market data as it arrives."""
        feed = Feed(self._make, self._clock)
        self._be_observed()
        return feed

    @_once
    def portfolio(self) -> Portfolio:
        """The account as it stands."""
        return Portfolio(self._make)

    @_once
    def performance(self) -> Performance:
        """How an account or a strategy does."""
        return Performance(self._make)

    @_once
    def risk(self) -> Risk:
        """What may be lost, and what was."""
        return Risk(self._make)

    @_once
    def agents(self) -> Agents:
        """Models that predict."""
        return Agents(self._make)

    @_once
    def system(self) -> System:
        """The process and its computer."""
        # Only who wants it loads psutil.
        system: System = import_module("tradespan.signals.sets.system").System(
            self._make, self._clock
        )
        self._be_observed()
        return system

    def keep_books(self, figures: FiguresConfig) -> None:
        """Work out positions, performance and risk of what is mapped, from now on.

        Raises:
            ValueError: There is no such calendar, or it does not go with the other settings.
            ModuleNotFoundError: The extra `calendars` is not installed.
        """
        # Only who wants them loads what computes them.
        self.books = import_module("tradespan.signals.sets.books").Books(figures)
        self("portfolio", "performance", "risk")
        self._be_observed()

    label: Final = "tradespan.sets"
    """Whose time it is that the thread spends."""

    def run(self) -> None:
        """As the thread calls it, every few seconds."""
        self.collect()

    def collect(self) -> None:
        """Read what nobody reports: how stale feeds are, the event loops' lag, and, every 15 s, the
        system. Called every few seconds, by one thread. Never raises.
        """
        on = self.__dict__
        with guard.guarded("collecting sets"):
            if "feed" in on:
                self.feed.collect()
            if "system" in on:
                now = self._clock()
                if now >= self._system_due:
                    # A little before: of calls every 5 s the third, not the fourth.
                    self._system_due = now + INTERVAL - _TOLERANCE
                    self.system.collect()
                self.system.loops.ask()
            if self.books is not None:
                self.books.tell(self)

    def end(self) -> None:
        """Read the system once more, close the books, and let go of what is Python's own."""
        with guard.guarded("closing the books"):
            books, self.books = self.books, None
            if books is not None:
                books.tell(self)
        if "system" in self.__dict__:
            with guard.guarded("collecting sets"):
                self.system.collect()
                self.system.end()
                del self.__dict__["system"]

    def _be_observed(self) -> None:
        with self.lock:
            if not self._observed:
                self._observed = True
                self._observer.add(self)

    def _begin_anew(self) -> None:
        """In a forked child."""
        self.lock = threading.RLock()
        self._system_due = self._clock()


sets: Final = Sets()
"""The process's own."""
