"""A turn of the trading loop: a span around it, an event before it and one behind it.

Turns are found again through a context variable, as spans are: they nest, and run side by side in
threads and tasks. What ends in another context than it began in (a generator that somebody left)
ends all the same.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager, aclosing
from contextvars import ContextVar, Token
from functools import wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from itertools import count
from types import TracebackType
from typing import Any, Final, TypeVar

from tradespan.capture.frames import own_code
from tradespan.core import guard
from tradespan.core.forks import after_fork_in_child, process_generation
from tradespan.declare import names
from tradespan.signals.events.types import Event, EventType
from tradespan.signals.hooks.outlets import Outlets

F = TypeVar("F", bound=Callable[..., Any])

SPAN: Final = "cycle"
MOST_STRATEGIES: Final = 1_000
"""That have numbers of their own; those of all others are counted together."""
_NAMES: Final = {
    name: f"trading.{name}" for name in ("symbol", "venue", "account", "currency", "reason")
}
"""Short names of facts that spans have by the conventions' ones."""

_open: ContextVar[Turn | None] = ContextVar("tradespan.cycle", default=None)


class Numbers:
    """Counts each strategy's cycles from 1."""

    def __init__(self) -> None:
        self._counts: dict[str, count[int]] = {}
        after_fork_in_child(self._begin_anew)

    def take(self, strategy: str) -> int:
        """The next one."""
        counts = self._counts
        found = counts.get(strategy)
        if found is None:
            key = strategy if len(counts) < MOST_STRATEGIES else ""
            found = counts.setdefault(key, count(1))
        return next(found)

    def _begin_anew(self) -> None:
        """In a forked child, whose cycles are its own."""
        self._counts = {}


class Turn:
    """One turn: what `with cycle() as c` gives. It is the same whether anybody listens or not."""

    # No slots: what is as it is by default costs a turn nothing.
    seconds: float | None = None
    """How long it took; None while it runs."""
    over = False
    told: _Told | None = None
    """What there is to close; None: nobody was told of its beginning."""

    def __init__(self, owner: Cycle, number: Any, began: int) -> None:
        self.owner = owner
        self.number = number
        """Which turn of the strategy's: the given one, or counted from 1 in this process."""
        self.began = began
        """Nanoseconds, by the monotonic clock."""

    @property
    def strategy(self) -> str:
        """Whose it is."""
        return self.owner.strategy

    def begin(self, outlets: Outlets) -> None:
        """Open the span, make this the current turn, and tell that it began."""
        told = self.told = _Told(current_turn())
        try:
            tracer = outlets.tracer
            if tracer is not None:
                scope = tracer.start_as_current_span(SPAN, attributes=self._attributes())
                scope.__enter__()
                told.scope = scope
            told.token = _open.set(self)
            self._publish(outlets, EventType.CYCLE_START, {})
        except BaseException as error:
            # With what is no Exception `with` does not begin, and nobody would end the span.
            if not isinstance(error, Exception):
                self.over = True
                told.close(None, None, None)
                raise
            guard.report("engine_hooks: cycle", error)

    def end(
        self,
        outlets: Outlets,
        told: _Told,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Tell that it is over, and how, and close the span. Never raises what is ours."""
        seconds = self.seconds
        assert seconds is not None
        try:
            # In a child that was forked inside it, it is the parent's.
            if told.generation == process_generation():
                failed = error if isinstance(error, Exception) else None
                outlets.sets.engine.cycle(seconds, strategy=self.strategy, error=failed)
                data: dict[str, Any] = {"duration": seconds}
                if kind is not None:
                    data["error.type"] = kind.__qualname__
                self._publish(outlets, EventType.CYCLE_END, data)
        except Exception as broken:  # noqa: BLE001 - the host comes first
            guard.report("engine_hooks: cycle", broken)
        finally:
            told.close(kind, error, trace)

    def _attributes(self) -> dict[str, Any]:
        attributes = {names.TRADESPAN_SIGNAL: "cycle", names.TRADING_CYCLE_NUMBER: self.number}
        if self.strategy:
            attributes[names.TRADING_STRATEGY] = self.strategy
        if self.owner.ts is not None:
            attributes[names.TRADING_EVENT_TIME] = self.owner.ts
        for name, value in self.owner.facts.items():
            attributes[_NAMES.get(name, name)] = value
        return attributes

    def _publish(self, outlets: Outlets, event_type: EventType, data: dict[str, Any]) -> None:
        data["cycle"] = self.number
        if self.strategy:
            data["strategy"] = self.strategy
        if self.owner.ts is not None:
            data["event_time"] = self.owner.ts
        outlets.bus.publish(Event(event_type, data=self.owner.facts | data, severity="debug"))


class _Told:
    """What has to be closed of a turn that somebody was told of."""

    __slots__ = ("generation", "outer", "scope", "token")

    def __init__(self, outer: Turn | None) -> None:
        self.generation = process_generation()
        self.outer = outer
        self.scope: AbstractContextManager[Any] | None = None
        self.token: Token[Turn | None] | None = None

    def close(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the turn be current no more, and end its span."""
        # Tasks that begin tasks in turns: each would hold all those before it.
        self.outer = None
        token, self.token = self.token, None
        scope, self.scope = self.scope, None
        if token is not None:
            try:
                _open.reset(token)
            except (ValueError, RuntimeError):  # begun in another context
                pass
        if scope is not None:
            try:
                scope.__exit__(kind, error, trace)
            except Exception as broken:  # noqa: BLE001 - the host comes first
                if broken is not error:
                    guard.report("engine_hooks: cycle", broken)


def current_turn() -> Turn | None:
    """The innermost turn that runs, in this thread or task, of those that were told."""
    turn = _open.get()
    while turn is not None and turn.over:
        turn = None if turn.told is None else turn.told.outer
    return turn


class Cycle:
    """`with cycle() as c`, `async with`, or a decorator: one turn for each time it is entered.

    It may be entered by several threads and tasks at once, and inside itself.
    """

    __slots__ = ("_numbers", "_outlets", "_turns", "facts", "number", "strategy", "ts")

    def __init__(
        self,
        outlets: Outlets,
        numbers: Numbers,
        number: int | None,
        strategy: str,
        ts: int | None,
        facts: dict[str, Any],
    ) -> None:
        self._outlets = outlets
        self._numbers = numbers
        self._turns: list[Turn] = []
        self.number = number
        self.strategy = strategy
        self.ts = ts
        self.facts = facts

    def __enter__(self) -> Turn:
        outlets = self._outlets
        number = self.number
        if number is None:
            number = self._numbers.take(self.strategy)
        turn = Turn(self, number, outlets.clock())
        if outlets.slot.spool is not None or outlets.bus.heard:
            turn.begin(outlets)
        self._turns.append(turn)
        return turn

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        turns = self._turns
        turn = turns.pop(0) if len(turns) == 1 else self._take()
        if turn is None:
            return
        turn.over = True
        turn.seconds = (self._outlets.clock() - turn.began) / 1e9
        if turn.told is not None:
            turn.end(self._outlets, turn.told, kind, error, trace)

    async def __aenter__(self) -> Turn:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: F) -> F:
        """Have each call of a function be a turn: plain, `async`, or a generator of either kind."""
        watched: Any = _decorate(self, function)
        own_code.add(watched.__code__)
        return watched  # type: ignore[no-any-return]

    def _take(self) -> Turn | None:
        """The turn of several that ends: this context's innermost one, else the latest."""
        turn = current_turn()
        try:
            if turn is not None and turn.owner is self:
                self._turns.remove(turn)
                return turn
            return self._turns.pop()
        except (ValueError, IndexError):  # left more often than entered
            return None


def _decorate(cycle: Cycle, function: Callable[..., Any]) -> Callable[..., Any]:
    if isasyncgenfunction(function):

        @wraps(function)
        async def in_turn_of_items(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
            with cycle:
                async with aclosing(function(*args, **kwargs)) as items:
                    async for item in items:
                        yield item

        return in_turn_of_items
    if iscoroutinefunction(function):

        @wraps(function)
        async def in_turn_awaited(*args: Any, **kwargs: Any) -> Any:
            with cycle:
                return await function(*args, **kwargs)

        return in_turn_awaited
    if isgeneratorfunction(function):

        @wraps(function)
        def in_turn_of_yields(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            with cycle:
                return (yield from function(*args, **kwargs))

        return in_turn_of_yields

    @wraps(function)
    def in_turn(*args: Any, **kwargs: Any) -> Any:
        with cycle:
            return function(*args, **kwargs)

    return in_turn
