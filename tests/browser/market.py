"""A day at the market, invented but shaped like the real thing: what the pages are shown with.

Everything follows from a seed and a moment, so that two runs tell the same story.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tradespan.core.delivery import Batch, Cursor, Origin, Slice
from tradespan.core.records import Event, Failure, Frame, Kind, Lane, Link, Resource, Site, Span
from tradespan.store.store import Store

MICROSECOND = 1_000
MILLISECOND = 1_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND

ERROR, SAMPLED = 2, 1 << 8
CLIENT = 2 << 2
BOT = Resource(
    {
        "service.name": "momentum-bot",
        "service.version": "1.4.2",
        "service.instance.id": "6f1c2a90",
        "host.name": "fra-2",
        "process.pid": 4127,
        "telemetry.sdk.name": "tradespan",
    }
)
SYMBOLS = ("AAPL", "MSFT", "AMZN", "GOOG", "NFLX")

FUNCTIONS: dict[str, tuple[str, int, tuple[str, ...]]] = {
    # name: group, line, parameters
    "market.on_tick": ("feed", 31, ("symbol", "price", "volume", "sequence")),
    "strategy.decide": ("strategy", 44, ("symbol", "prices")),
    "indicators.momentum": ("strategy", 12, ("prices", "window")),
    "indicators.volatility": ("strategy", 29, ("prices", "window")),
    "model.predict": ("agent", 18, ("features",)),
    "risk.check": ("risk", 21, ("symbol", "quantity", "limit")),
    "risk.exposure": ("risk", 52, ("positions",)),
    "risk.var_95": ("risk", 70, ("positions", "window")),
    "execution.submit": ("execution", 64, ("symbol", "quantity", "side")),
    "execution.sign": ("execution", 88, ("payload", "api_key")),
    "execution.await_acknowledgement": ("execution", 97, ("client_id", "timeout")),
    "execution.retry_reserve": ("execution", 120, ("client_id",)),
    "execution.on_fill": ("execution", 141, ("symbol", "quantity", "price", "client_id")),
    "portfolio.reserve": ("portfolio", 112, ("symbol", "quantity", "prices", "api_key")),
    "portfolio.mark": ("portfolio", 40, ("symbol", "quantity", "price", "currency")),
    "portfolio.apply": ("portfolio", 58, ("fill",)),
    "ledger.append": ("portfolio", 9, ("entry",)),
}
SOCKET = Site(100, "opentelemetry.instrumentation.websockets", "0.66b1")


def make_sites() -> dict[str, Site]:
    """A site for each function, and the socket library's tracer."""
    sites = {"": SOCKET}
    for number, (name, (group, line, parameters)) in enumerate(FUNCTIONS.items(), start=1):
        module = name.split(".")[0]
        facts: dict[str, Any] = {
            "code.function.name": name,
            "code.file.path": f"/srv/momentum_bot/{module}.py",
            "code.line.number": line,
            "tradespan.process_group": group,
        }
        sites[name] = Site(number, "tradespan", "0.1.0", "", {}, name, facts, parameters)
    return sites


SITES = make_sites()


@dataclass(slots=True)
class Call:
    """A call to come: when in its trace, how long, and what it calls."""

    name: str
    at: float
    """Milliseconds from the trace's start."""
    lasts: float
    children: list[Call] = field(default_factory=list)
    arguments: list[Any] = field(default_factory=list)
    result: Any = None
    failure: Failure | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    events: list[tuple[str, float, dict[str, Any]]] = field(default_factory=list)


class Recorder:
    """Turns calls into spans, with ids of its own."""

    def __init__(self, seed: int = 11) -> None:
        self.random = random.Random(seed)

    def trace_id(self) -> bytes:
        return self.random.randbytes(16)

    def record(self, root: Call, start: int, trace_id: bytes) -> list[Span]:
        """All spans of a trace that starts at `start` (nanoseconds UTC)."""
        return list(self._spans(root, start, trace_id, 0))

    def _spans(self, call: Call, start: int, trace_id: bytes, parent: int) -> Iterator[Span]:
        span_id = self.random.getrandbits(63) or 1
        begin = start + round(call.at * MILLISECOND)
        end = begin + round(call.lasts * MILLISECOND)
        socket = call.name not in SITES
        events = [
            Event(name, start + round(at * MILLISECOND), facts) for name, at, facts in call.events
        ]
        if call.failure is not None:
            events.append(Event("exception", end, {}, call.failure))
        yield Span(
            site=SOCKET.number if socket else SITES[call.name].number,
            trace_id=trace_id,
            span_id=span_id,
            parent_id=parent,
            start=begin,
            duration=end - begin,
            flags=SAMPLED | (CLIENT if socket else 0) | (ERROR if call.failure is not None else 0),
            arguments=call.arguments or None,
            result=call.result,
            attributes=call.attributes or None,
            name=call.name if socket else None,
            events=events or None,
            links=call.links or None,
        )
        for child in call.children:
            yield from self._spans(child, start, trace_id, span_id)


def tick(symbol: str, order: str, scale: float = 1.0, *, failure: Failure | None = None) -> Call:
    """A tick that leads to an order: 14 spans over five groups; `scale` 1 takes 41.2 ms."""

    def call(name: str, at: float, lasts: float, *children: Call, **facts: Any) -> Call:
        return Call(name, at * scale, lasts * scale, list(children), **facts)

    named = {"trading.order.client_id": order, "trading.symbol": symbol}
    frames = "[DataFrame 1000×5]"
    return call(
        "market.on_tick", 0, 41.2,
        call(
            "strategy.decide", 0.6, 9.8,
            call("indicators.momentum", 0.9, 4.1, arguments=[frames, 20], result=0.0142),
            call("indicators.volatility", 5.2, 3.0, arguments=[frames, 60], result=0.0088),
            call("model.predict", 8.3, 1.9, arguments=["[ndarray float64 (1,12)]"], result=0.71),
            arguments=[f"'{symbol}'", frames], result="Decision(side='BUY', confidence=0.71)",
        ),
        call(
            "risk.check", 10.8, 5.5,
            call("risk.exposure", 11.0, 2.0, arguments=["{'AAPL': 1200, +4 more}"], result=0.41),
            call("risk.var_95", 13.1, 2.9, arguments=["{'AAPL': 1200, +4 more}", 250], result=8.1),
            arguments=[f"'{symbol}'", "Decimal('300')", "Decimal('1000')"], result=True,
        ),
        call(
            "execution.submit", 16.8, 23.9,
            call("execution.sign", 17.0, 0.8, arguments=["{'clOrdID': 'C-20931', +5 more}", "***"]),
            call(
                "ws.send order", 17.9, 1.1,
                attributes={"trading.venue": "SIM", "network.peer.port": 8765, **named},
            ),
            call(
                "execution.await_acknowledgement", 19.1, 16.4,
                arguments=[f"'{order}'", 2.0], result="Acknowledgement(status='NEW')",
                attributes=named,
                events=[("venue.received", 27.3, {"venue.queue": 3})],
            ),
            call(
                "portfolio.reserve", 35.8, 2.3,
                arguments=[f"'{symbol}'", "Decimal('300')", frames, "***"], failure=failure,
            ),
            call("execution.retry_reserve", 38.3, 2.1, arguments=[f"'{order}'"], result=True),
            arguments=[f"'{symbol}'", "Decimal('300')", "'BUY'"], attributes=named,
        ),
        arguments=[f"'{symbol}'", "Decimal('174.37')", 300, 88_211],
    )  # fmt: skip


def mark(symbol: str, lasts: float) -> Call:
    """The position is valued: one call and what it writes."""
    children = [Call("ledger.append", lasts * 0.55, lasts * 0.35, arguments=["Entry(mark)"])]
    values = [f"'{symbol}'", 300, "Decimal('174.41')", "'USD'"]
    return Call("portfolio.mark", 0, lasts, children, values)


def fill(symbol: str, order: str, lasts: float, before: Link | None = None) -> Call:
    """A fill arrives and changes the portfolio; it points back to its order's trace."""
    return Call(
        "execution.on_fill", 0, lasts,
        [
            Call(
                "portfolio.apply", lasts * 0.12, lasts * 0.7,
                [Call("ledger.append", lasts * 0.4, lasts * 0.3, arguments=["Entry(fill)"])],
                ["Fill(AAPL, 300)"],
            )
        ],
        [f"'{symbol}'", "Decimal('300')", "Decimal('174.38')", f"'{order}'"],
        attributes={"trading.order.client_id": order, "trading.execution.type": "FILL"},
        links=[before] if before else [],
    )  # fmt: skip


def decide(symbol: str, lasts: float, failure: Failure | None = None) -> Call:
    """A decision outside of a tick."""
    children = [
        Call("indicators.momentum", lasts * 0.05, lasts * 0.4, arguments=["[DataFrame 500×5]", 20]),
        Call("model.predict", lasts * 0.5, lasts * 0.45, arguments=["[ndarray]"], failure=failure),
    ]
    return Call("strategy.decide", 0, lasts, children, [f"'{symbol}'", "[DataFrame 500×5]"],
                failure=failure)  # fmt: skip


SHORT_OF_CASH = Failure(
    "portfolio.InsufficientCash",
    "need 52,311.00, have 51,904.12",
    [
        Frame("/srv/momentum_bot/bot.py", 31, "on_tick"),
        Frame("/srv/momentum_bot/execution.py", 64, "submit"),
        Frame("/srv/momentum_bot/portfolio.py", 118, "reserve"),
    ],
)
NO_ANSWER = Failure(
    "execution.ExchangeTimeout",
    "no answer in 2.0 s",
    [
        Frame("/srv/momentum_bot/execution.py", 64, "submit"),
        Frame("/srv/momentum_bot/execution.py", 104, "await_acknowledgement"),
    ],
)


@dataclass(frozen=True, slots=True)
class Story:
    """What was written, for the tests to look for."""

    shown: str
    """The trace of the pictures: a tick whose reservation failed."""
    linked: str
    """A fill that points back to it."""
    traces: int
    errors: int


def tell(store: Store, now: int, *, traces: int = 900, minutes: int = 30, seed: int = 11) -> Story:
    """Fill a store with `traces` traces of the last minutes."""
    recorder = Recorder(seed)
    chance = recorder.random
    spans: list[Span] = []
    errors = 0
    for number in range(traces):
        start = now - round((traces - number) / traces * (minutes * MINUTE - 5 * SECOND)) - SECOND
        start += chance.randrange(-800, 800) * MILLISECOND
        lasts = min(90.0, chance.lognormvariate(1.8, 0.85))
        failed = chance.random() < (0.045 if number < traces * 0.7 else 0.09)
        root = choose(chance, number, lasts, failed=failed)
        errors += has_failed(root)
        spans += recorder.record(root, start, recorder.trace_id())
    shown = recorder.trace_id()
    story = recorder.record(tick("AAPL", "C-20931", failure=SHORT_OF_CASH), now - 9 * SECOND, shown)
    back = Link(shown, story[0].span_id, {"tradespan.link": "order"})
    linked = recorder.trace_id()
    spans += story
    spans += recorder.record(fill("AAPL", "C-20931", 6.5, back), now - 4 * SECOND, linked)
    write(store, spans)
    return Story(shown.hex(), linked.hex(), traces + 2, errors + 1)


def has_failed(call: Call) -> bool:
    return call.failure is not None or any(has_failed(child) for child in call.children)


def choose(chance: random.Random, number: int, lasts: float, *, failed: bool) -> Call:
    symbol = chance.choice(SYMBOLS)
    order = f"C-{20_000 + number}"
    kind = chance.random()
    if failed and kind < 0.6:
        return tick(symbol, order, max(lasts, 4) / 20, failure=NO_ANSWER)
    if kind < 0.22:
        return tick(symbol, order, max(lasts, 2) / 25)
    if kind < 0.7:
        return mark(symbol, lasts * 0.6)
    if kind < 0.85:
        return fill(symbol, order, lasts * 0.7)
    return decide(symbol, lasts, NO_ANSWER if failed else None)


def big_trace(now: int, spans: int = 10_000) -> tuple[str, list[Span]]:
    """A replay: one root over many ticks."""
    recorder = Recorder(5)
    trace_id = recorder.trace_id()
    root = Call("market.on_tick", 0, spans * 1.1, arguments=["'AAPL'", 1, 2, 3])
    while len(root.children) * 5 < spans - 1:
        at = len(root.children) * 5.5
        root.children.append(
            Call("strategy.decide", at, 5.2, [
                Call("indicators.momentum", at + 0.1, 2.0),
                Call("risk.check", at + 2.3, 2.6, [
                    Call("risk.exposure", at + 2.4, 1.0), Call("risk.var_95", at + 3.5, 1.2),
                ]),
            ])
        )  # fmt: skip
    return trace_id.hex(), recorder.record(root, now - 20 * SECOND, trace_id)[:spans]


def write(store: Store, spans: Sequence[Span]) -> None:
    """Insert spans as one batch of one process."""
    origin = Origin("a" * 32, Lane.ORDINARY, BOT)
    sites = {site.number: site for site in SITES.values()}
    batch = Batch(
        "/var/lib/tradespan/run-1", Kind.SPAN, [Slice(origin, sites, list(spans), "1", len(spans))]
    )
    store.insert(batch, Cursor())
