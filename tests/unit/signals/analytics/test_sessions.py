"""To which day a moment belongs."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.signals.analytics.libraries import exchange_calendars
from tradespan.signals.analytics.sessions import Sessions

SECOND = 1_000_000_000
HOUR = 3_600 * SECOND
PANDAS_WARNS = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")
"""Of the tests that ask the library themselves."""


def at(text: str) -> int:
    """ISO to nanoseconds; without an offset: UTC."""
    when = datetime.fromisoformat(text)
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return int(when.timestamp()) * SECOND


def day(text: str) -> date:
    return date.fromisoformat(text)


def test_days_are_those_of_utc_and_weeks_begin_on_monday() -> None:
    sessions = Sessions()
    assert sessions.day(at("2026-03-01T23:59:59")) == day("2026-03-01")
    assert sessions.day(at("2026-03-02T00:00:00")) == day("2026-03-02")
    assert sessions.week(at("2026-03-01T23:59:59")) == day("2026-02-23")
    assert sessions.week(at("2026-03-02T00:00:00")) == day("2026-03-02")
    assert sessions.day(-1) == day("1969-12-31")
    assert sessions.periods_per_year is None


def test_an_fx_day_ends_at_five_in_new_york() -> None:
    sessions = Sessions(timezone="America/New_York", day_starts="17:00")
    assert sessions.day(at("2026-01-04T16:59:59-05:00")) == day("2026-01-04")
    sunday_evening = at("2026-01-04T17:00:00-05:00")
    assert sessions.day(sunday_evening) == day("2026-01-05")
    assert sessions.week(sunday_evening) == day("2026-01-05")


@pytest.mark.parametrize(
    ("name", "starts", "on", "hours"),
    [
        ("America/New_York", "17:00", "2026-03-08", 23),
        ("America/New_York", "17:00", "2026-11-01", 25),
        ("Europe/Berlin", "00:00", "2026-03-29", 23),
        ("Europe/Berlin", "00:00", "2026-10-25", 25),
        ("Asia/Tokyo", "00:00", "2026-03-29", 24),
        ("Africa/Cairo", "00:00", "2026-04-24", 23),  # its midnight is skipped
        ("Europe/Berlin", "02:30", "2026-10-24", 24),  # the first of two
        ("Europe/Berlin", "02:30", "2026-10-25", 25),
    ],
)
def test_a_day_on_which_the_clock_changes_has_its_hours(
    name: str, starts: str, on: str, hours: int
) -> None:
    sessions = Sessions(timezone=name, day_starts=starts)
    middle = at(on) - 48 * HOUR
    found = [sessions.day(middle + each * HOUR // 2) for each in range(2 * 96)]
    assert found.count(day(on)) == 2 * hours


def test_a_date_that_a_zone_left_out_has_no_session() -> None:
    sessions = Sessions(timezone="Pacific/Apia")
    found = {sessions.day(at("2011-12-29T00:00") + each * HOUR) for each in range(72)}
    assert day("2011-12-30") not in found
    assert {day("2011-12-29"), day("2011-12-31")} <= found


@given(
    st.integers(0, 4 * 10**18),
    st.integers(0, 10**15),
    st.sampled_from(["UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
    st.sampled_from(["00:00", "09:30", "17:00", "23:59"]),
)
def test_days_follow_each_other_whichever_is_asked_for_first(
    ts: int, further: int, zone: str, starts: str
) -> None:
    sessions, other = (Sessions(timezone=zone, day_starts=starts) for _ in range(2))
    first, second = sessions.day(ts), sessions.day(ts + further)
    assert first <= second
    assert (second - first) <= timedelta(days=further // (23 * HOUR) + 1)
    assert (other.day(ts + further), other.day(ts)) == (second, first)


def test_an_exchanges_session_ends_with_its_close() -> None:
    sessions = Sessions("XNYS")
    friday = at("2024-06-14T16:00:00-04:00")
    assert sessions.day(friday) == day("2024-06-14")
    assert sessions.day(friday + 1) == day("2024-06-17")
    assert sessions.day(at("2024-06-14T04:00:00-04:00")) == day("2024-06-14")


def test_an_early_close_and_holidays_are_the_calendars() -> None:
    sessions = Sessions("XNYS")
    half_day = at("2024-07-03T13:00:00-04:00")
    assert sessions.day(half_day) == day("2024-07-03")
    assert sessions.day(half_day + SECOND) == day("2024-07-05")
    assert sessions.day(at("2024-07-04T12:00:00-04:00")) == day("2024-07-05")
    assert sessions.week(at("2024-12-31T23:00:00-05:00")) == day("2024-12-30")


def test_an_exchange_that_opens_as_it_closes_begins_the_next_session() -> None:
    sessions = Sessions("CMES")
    assert sessions.day(at("2024-06-12T16:59:59-05:00")) == day("2024-06-12")
    assert sessions.day(at("2024-06-12T17:00:00-05:00")) == day("2024-06-13")


@PANDAS_WARNS
@pytest.mark.parametrize("name", ["XNYS", "XTKS", "XLON", "24/5", "CMES"])
def test_each_minute_of_trade_is_in_the_session_that_the_library_names(name: str) -> None:
    calendar = exchange_calendars.get_calendar(name, start="2019-12-20", end="2020-01-20")
    sessions = Sessions(name)
    for minute in calendar.minutes[::17]:
        assert sessions.day(minute.value) == calendar.minute_to_session(minute).date()


def test_a_calendar_reaches_over_decades_in_any_order() -> None:
    sessions = Sessions("XNYS")
    asked = ["2029-12-31T12:00", "1994-07-01T15:00", "2010-01-01T00:00", "1999-12-31T23:00"]
    expected = ["2029-12-31", "1994-07-01", "2010-01-04", "2000-01-03"]
    assert [sessions.day(at(each)) for each in asked] == [day(each) for each in expected]


def test_what_a_calendar_does_not_know_is_an_error() -> None:
    with pytest.raises(ValueError, match="XKRX does not reach to the year 1950"):
        Sessions("XKRX").day(at("1950-06-01"))
    with pytest.raises(ValueError, match="no date is"):
        Sessions("XNYS").day(10**30)
    with pytest.raises(ValueError, match="no date is"):
        Sessions().day(10**30)


def test_crypto_trades_each_day() -> None:
    sessions = Sessions("24/7", timezone="Asia/Tokyo")
    assert sessions.day(at("2026-03-01T15:00:00")) == day("2026-03-02")
    assert sessions.periods_per_year == 365


@PANDAS_WARNS
@pytest.mark.parametrize(("name", "periods"), [("XNYS", 252), ("XLON", 253), ("24/5", 261)])
def test_periods_are_the_mean_of_the_calendars_years(name: str, periods: int) -> None:
    calendar = exchange_calendars.get_calendar(name, start="2015-01-01", end="2024-12-31")
    assert Sessions(name).periods_per_year == periods == round(len(calendar.sessions) / 10)


def test_periods_may_be_given() -> None:
    assert Sessions(timezone="UTC", periods_per_year=260).periods_per_year == 260
    assert Sessions("XNYS", periods_per_year=250).periods_per_year == 250


def test_a_week_may_begin_on_sunday() -> None:
    sessions = Sessions(week_starts=6)
    assert sessions.week(at("2026-03-01")) == day("2026-03-01")
    assert sessions.week(at("2026-03-07")) == day("2026-03-01")


def test_times_are_integers() -> None:
    sessions = Sessions()
    sessions.day(0)
    with pytest.raises(TypeError):
        sessions.day(1.5)  # type: ignore[arg-type]
    assert sessions.day(np.int64(5)) == day("1970-01-01")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"calendar": "XNOPE"}, "there is no calendar 'XNOPE'"),
        ({"calendar": "XNYS", "timezone": "UTC"}, "its own time zone"),
        ({"timezone": "Mars/Olympus"}, "there is no time zone"),
        ({"timezone": "../etc"}, "there is no time zone"),
        ({"day_starts": "5pm"}, "a day starts at HH:MM"),
        ({"day_starts": "17:00+01:00"}, "a day starts at HH:MM of its time zone"),
        ({"week_starts": 7}, "week_starts is 0"),
        ({"periods_per_year": 0}, "periods_per_year is positive"),
        ({"periods_per_year": float("nan")}, "periods_per_year is positive"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sessions(**arguments)  # type: ignore[arg-type]


def test_without_the_extra_only_calendars_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "exchange_calendars", None)
    assert Sessions("24/7").day(0) == day("1970-01-01")
    with pytest.raises(ModuleNotFoundError, match=r"tradespan\[calendars\]"):
        Sessions("XNYS")
