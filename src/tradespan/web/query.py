"""The state of the trace list, as it stands in its address, becomes a filter of the store."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tradespan.store.filters import UNITS
from tradespan.store.rows import TraceFilter
from tradespan.web.format import HOUR, MINUTE

RANGES = {"5m": 5 * MINUTE, "30m": 30 * MINUTE, "6h": 6 * HOUR, "all": None}
"""The choices of the range, as the address spells them."""
DEFAULT_RANGE = "30m"
PAGE = 50

_LENGTH = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>ns|us|µs|ms|s|m|h)")


class InvalidQuery(ValueError):
    """A parameter of the address that cannot be understood."""

    def __init__(self, parameter: str, value: str, expected: str) -> None:
        self.parameter = parameter
        super().__init__(f"{parameter}={value[:80]}: expected {expected}.")


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What the trace list shows; the fields are the address's parameters."""

    q: str = ""
    """The search box."""
    status: str = ""
    """`err`, `ok`, or empty for both."""
    group: str = ""
    service: str = ""
    slower: str = ""
    """A duration such as `10ms`: only traces that took at least that long."""
    faster: str = ""
    """Only traces that took at most that long."""
    range: str = DEFAULT_RANGE
    since: str = ""
    """Milliseconds since 1970; with `until` in place of `range`."""
    until: str = ""
    before: str = ""
    """`next` of the page before."""

    def to_filter(self, now: int, limit: int = PAGE) -> TraceFilter:
        """The store's filter for this state at the moment `now`.

        Raises:
            InvalidQuery: A parameter has a value that means nothing.
        """
        if self.status not in {"", "err", "ok", "running"}:
            raise InvalidQuery("status", self.status, "err, ok or running")
        since, until = self._interval(now)
        return TraceFilter(
            since=since,
            until=until,
            errors=self.status == "err",
            text=f"{self.q} status:{self.status}" if self.status in {"ok", "running"} else self.q,
            group=self.group or None,
            service=self.service or None,
            minimum_duration=parse_length("slower", self.slower),
            maximum_duration=parse_length("faster", self.faster),
            limit=limit,
            before=parse_position(self.before),
        )

    def _interval(self, now: int) -> tuple[int | None, int | None]:
        if self.since or self.until:
            return parse_moment("since", self.since), parse_moment("until", self.until)
        if self.range not in RANGES:
            raise InvalidQuery("range", self.range, ", ".join(RANGES))
        length = RANGES[self.range]
        return (None if length is None else now - length), None


def parse_length(parameter: str, text: str) -> int | None:
    """A duration with its unit, in nanoseconds; None if it is empty."""
    if not text:
        return None
    match = _LENGTH.fullmatch(text)
    if match is None:
        raise InvalidQuery(parameter, text, "a duration such as 10ms or 1.5s")
    return round(float(match["number"]) * UNITS[match["unit"]])


def parse_moment(parameter: str, text: str) -> int | None:
    """Milliseconds since 1970, as nanoseconds; None if it is empty."""
    if not text:
        return None
    if not re.fullmatch(r"\d{1,16}", text):
        raise InvalidQuery(parameter, text, "milliseconds since 1970")
    return int(text) * 1_000_000


def parse_position(text: str) -> tuple[int, int] | None:
    """`TracePage.next` as `show_position` wrote it; None if it is empty."""
    if not text:
        return None
    match = re.fullmatch(r"(\d{1,19})-(\d{1,19})", text)
    if match is None:
        raise InvalidQuery("before", text, "the `next` of a page")
    return int(match[1]), int(match[2])


def show_position(position: tuple[int, int] | None) -> str | None:
    """A position in the list, exact: a browser's numbers don't hold nanoseconds."""
    return None if position is None else f"{position[0]}-{position[1]}"
