"""Trading days and weeks: by a time zone and the time a day starts, or by an exchange's calendar.

A session is named by a date, and begins where the one before it ends: each moment is in one.

By time zone, a day goes from `day_starts` to the next one, on the clock of the zone: the days on
which it changes have 23 or 25 hours. It is named by the date on which most of it lies: the FX day
that starts at 17:00 in New York on Sunday is Monday. (A start that the clock skips is where it
would have been by the offset before; of one that comes twice the first counts.) Nothing is left
out: Saturday is a day as well.

By calendar, a session ends with its close, the early one where there is one, and that moment is
its last. What comes later, over night, over a weekend, on a holiday, is the next session's. Where
an exchange closes and opens in the same moment, that moment is the next session's first.
Source: `exchange_calendars`, extra `calendars`. `24/7` needs no extra: each day is a session.

A week is named by its first day, a Monday unless `week_starts` says otherwise.
"""

from __future__ import annotations

import warnings
from bisect import bisect_right
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from importlib import import_module
from operator import index
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

ALWAYS: Final = "24/7"
COUNTED_YEARS: Final = (2015, 2024)
"""The first and the last of the years whose sessions `periods_per_year` counts. They are fixed, so
that a backtest of today and one of next year are annualised alike.
"""

_SECOND: Final = 1_000_000_000
_DAY: Final = timedelta(days=1)
_NOON: Final = time(12)


class _Span(NamedTuple):
    """A session: from its first nanosecond to the one that is the next one's."""

    begins: int
    ends: int
    day: date
    week: date


class Sessions:
    """Says to which day and which week a moment belongs; 0.3 µs while the day is the same one."""

    def __init__(
        self,
        calendar: str | None = None,
        *,
        timezone: str | None = None,
        day_starts: str = "00:00",
        week_starts: int = 0,
        periods_per_year: float | None = None,
    ) -> None:
        """Days of UTC, and ISO's weeks, unless something is said.

        Args:
            calendar: Of `exchange_calendars` (`XNYS`, `CMES`, …), or `24/7`.
            timezone: By IANA's name; not with an exchange, which has one.
            day_starts: `HH:MM` on the clock of the zone; not with an exchange either.
            week_starts: 0 for Monday to 6 for Sunday, as `date.weekday()`.
            periods_per_year: Sessions a year, if not those of the calendar.

        Raises:
            ValueError: There is no such calendar, time zone or time, or an exchange and a time zone
                are given.
            ModuleNotFoundError: The extra `calendars` is not installed.
        """
        self._exchange = calendar is not None and calendar != ALWAYS
        if self._exchange and (timezone is not None or day_starts != "00:00"):
            raise ValueError("an exchange's calendar has its own time zone and closes")
        if week_starts not in range(7):
            raise ValueError(f"week_starts is 0 for Monday to 6 for Sunday, not {week_starts}")
        if periods_per_year is not None and not 0 < periods_per_year < 1e9:
            raise ValueError(f"periods_per_year is positive, not {periods_per_year}")
        self.calendar = calendar
        self.timezone = timezone or "UTC"
        self._zone = _zone_of(self.timezone)
        self._starts = _time_of(day_starts)
        self._week_starts = week_starts
        self._periods = periods_per_year
        self._closes = _Closes(calendar or "") if self._exchange else None
        self._span = _Span(0, 0, date.min, date.min)

    def day(self, ts: int) -> date:
        """The session that a moment belongs to.

        Args:
            ts: Nanoseconds since 1970, UTC.

        Raises:
            ValueError: The calendar does not reach that far, or no date does.
            TypeError: It is no integer.
        """
        span = self._span
        if span.begins <= ts < span.ends and type(ts) is int:
            return span.day
        return self._find(ts).day

    def week(self, ts: int) -> date:
        """The first day of the week of the session. Raises what `day` does."""
        span = self._span
        if span.begins <= ts < span.ends and type(ts) is int:
            return span.week
        return self._find(ts).week

    @cached_property
    def periods_per_year(self) -> float | None:
        """Sessions a year, to annualise by: what was given; else, of a calendar, the number of its
        sessions in the years 2015 to 2024, by the number of those years that it knows entirely,
        rounded: 252 for `XNYS`, 365 for `24/7`. None without a calendar, or if it knows none.
        """
        if self._periods is not None:
            return self._periods
        if self.calendar is None:
            return None
        first, last = COUNTED_YEARS
        if self._closes is None:
            days, years = (date(last + 1, 1, 1) - date(first, 1, 1)).days, last + 1 - first
        else:
            days, years = self._closes.count(first, last)
        return float((2 * days + years) // (2 * years)) if years else None

    def _find(self, ts: int) -> _Span:
        ts = index(ts)
        begins, ends, day = self._closes.find(ts) if self._closes else self._by_clock(ts)
        week = day - timedelta((day.weekday() - self._week_starts) % 7)
        # One store of one tuple: whichever thread reads it, reads a whole session.
        self._span = found = _Span(begins, ends, day, week)
        return found

    def _by_clock(self, ts: int) -> tuple[int, int, date]:
        try:
            day = datetime.fromtimestamp(ts // _SECOND, self._zone).date()
            while ts < (begins := self._begins(day)):
                day -= _DAY
            while ts >= (ends := self._begins(day + _DAY)):
                begins, day = ends, day + _DAY
            return begins, ends, day + _DAY if self._starts >= _NOON else day
        except (OverflowError, OSError) as error:
            raise ValueError(f"no date is {ts} ns from 1970") from error

    def _begins(self, day: date) -> int:
        begins = datetime.combine(day, self._starts, self._zone)
        return int(begins.timestamp()) * _SECOND


class _Closes:
    """An exchange's sessions, loaded by decades as they are asked for.

    Memory: about 500 kB a decade, besides what `exchange_calendars` takes.
    """

    def __init__(self, name: str) -> None:
        self._library = _load_library()
        known = self._library.get_calendar_names(include_aliases=True)
        if name not in known:
            raise ValueError(f"there is no calendar {name!r}: {', '.join(known)}, {ALWAYS}")
        self._name = name
        self._decades: dict[int, tuple[list[int], list[date]]] = {}
        """By the first year: the first moments after each session, and the sessions."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pandas' to the library, none of the bot's
            calendar = self._library.get_calendar(name)
        self._bounds = tuple(
            None if bound is None else bound.date()
            for bound in (calendar.bound_min(), calendar.bound_max())
        )

    def find(self, ts: int) -> tuple[int, int, date]:
        """First moment, first moment after, and name of the session of a moment."""
        try:
            year = datetime.fromtimestamp(ts // _SECOND, UTC).year
        except (OverflowError, OSError, ValueError) as error:
            raise ValueError(f"no date is {ts} ns from 1970") from error
        ends, days = self._load(year // 10 * 10)
        at = bisect_right(ends, ts)
        # The first one of a table is there for where the second begins.
        if not 0 < at < len(ends):
            raise ValueError(f"the calendar {self._name} does not reach to the year {year}")
        return ends[at - 1], ends[at], days[at]

    def count(self, first: int, last: int) -> tuple[int, int]:
        """Sessions, and years that are known entirely."""
        low, high = self._bounds
        years = [
            year
            for year in range(first, last + 1)
            if (low is None or low <= date(year, 1, 1))
            and (high is None or high >= date(year, 12, 31))
        ]
        sessions = {
            day
            for decade in sorted({year // 10 * 10 for year in years})
            for day in self._load(decade)[1]
            if day.year in years
        }
        return len(sessions), len(years)

    def _load(self, decade: int) -> tuple[list[int], list[date]]:
        found = self._decades.get(decade)
        if found is None:
            # A month more on either side: the session before the first, and the one after the last.
            begins, ends = date(max(decade - 1, 1900), 12, 1), date(decade + 10, 1, 31)
            low, high = self._bounds
            begins = begins if low is None else max(begins, low)
            ends = ends if high is None else min(ends, high)
            found = self._read(begins, ends) if begins < ends else ([], [])
            self._decades[decade] = found
        return found

    def _read(self, begins: date, ends: date) -> tuple[list[int], list[date]]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            calendar = self._library.get_calendar(
                self._name, start=begins.isoformat(), end=ends.isoformat()
            )
        opens = [int(each) for each in calendar.opens_nanos]
        after = [
            # The close itself is the session's, unless the next one opens with it.
            int(close) + (following != close)
            for close, following in zip(calendar.closes_nanos, [*opens[1:], None], strict=True)
        ]
        return after, [each.date() for each in calendar.sessions]


def _load_library() -> Any:
    try:
        return import_module("exchange_calendars")  # optional extra: calendars
    except ModuleNotFoundError as error:
        if error.name != "exchange_calendars":
            raise
        raise ModuleNotFoundError(
            "calendars of exchanges need the extra: pip install 'tradespan[calendars]'",
            name=error.name,
        ) from error


def _zone_of(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"there is no time zone {name!r}") from error


def _time_of(text: str) -> time:
    try:
        found = time.fromisoformat(text)
    except (ValueError, TypeError) as error:
        raise ValueError(f"a day starts at HH:MM, not at {text!r}") from error
    if found.tzinfo is not None or found.microsecond:
        raise ValueError(f"a day starts at HH:MM of its time zone, not at {text!r}")
    return found
