"""How a span begins in the two common cases: below a plain span of ours, and as a root.

Two of the same: `Starter` of `native/spans.c`, and the one here. Everything else (a foreign parent,
a sampler to ask, a clock to compare anew) is `begin_span`'s.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from tradespan.core import native
from tradespan.instrument.context import SPAN_KEY, Context
from tradespan.instrument.span import KEPT_BITS, ROOT_FLAGS, Span

if TYPE_CHECKING:
    from tradespan.instrument.pen import Pen
    from tradespan.pages.flights import Flights


class Starter(Protocol):
    """Belongs to one recorder, who keeps its facts up to date."""

    offset: int
    """Nanoseconds from the monotonic to the wall clock."""
    anchor_until: int
    """Monotonic nanoseconds until which `offset` is good."""
    plain: bool
    """Whether a span begins without asking anybody: no sampler, no processors, our own ids."""
    plain_roots: bool
    """Whether a root does: the process was not started below somebody else's span, either."""
    flights: Flights | None
    """Where a span that is the first of its trace in this process has a slot; None: nowhere."""

    def begin(
        self,
        site: int,
        flags: int,
        outer: Any,
        trace_key: bytes | None,
        name: str | None = None,
        /,
    ) -> Span | None:
        """A span below what is current; None where it has to begin in another way.

        `flags`: the kind's bits. `outer`: what `CURRENT.get()` gave. `trace_key`: a root's; None:
        any. `name`: its own, if it is not the site's.
        """
        ...


class PureStarter:
    """The way in Python; for injected clocks, too."""

    def __init__(
        self, recorder: Pen, monotonic: Callable[[], int], bits: Callable[[int], int]
    ) -> None:
        self._recorder = recorder
        self._monotonic = monotonic
        self._bits = bits
        self.offset = self.anchor_until = 0
        self.plain = self.plain_roots = False
        self.flights: Flights | None = None

    def begin(
        self,
        site: int,
        flags: int,
        outer: Any,
        trace_key: bytes | None,
        name: str | None = None,
        /,
    ) -> Span | None:
        kind = type(outer)
        base = outer
        if kind is Span:
            parent = outer
            # Not the span itself: each would hold the one before, where tasks start tasks.
            base = outer.outer
        elif kind is Context:
            parent = outer.get(SPAN_KEY)
        else:
            return None
        began = self._monotonic()
        if type(parent) is Span and parent.extras is None and self.plain:
            span = Span()
            span.trace_key = parent.trace_key
            span.parent_id = parent.span_id
            span.offset = parent.offset
            span.flags = flags | parent.flags & KEPT_BITS
        elif parent is None and began < self.anchor_until and self.plain_roots:
            span = Span()
            span.trace_key = trace_key or self._bits(128).to_bytes(16, "big")
            span.parent_id = 0
            span.offset = self.offset
            span.flags = flags | ROOT_FLAGS
        else:
            return None
        span.recorder = self._recorder
        span.site = site
        span.outer = base
        span.span_id = self._bits(64) or 1
        span.ended = span.held = span.arguments = span.result = span.extras = span.flights = None
        span.name_set = name
        span.began = began
        if self.flights is not None and (parent is None or parent.recorder is not self._recorder):
            self.flights.enter(span, False)
        return span


def make_starter(
    recorder: Pen, monotonic: Callable[[], int], bits: Callable[[int], int], *, own_clock: bool
) -> Starter:
    """The native one, where there is one and the clock is the system's."""
    if native.module is None or own_clock:
        return PureStarter(recorder, monotonic, bits)
    made: Starter = native.module.Starter(Span, Context, SPAN_KEY, recorder, os.urandom(32))
    return made
