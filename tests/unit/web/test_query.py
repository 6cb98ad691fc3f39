from __future__ import annotations

import pytest

from tests.unit.web.builders import MILLISECOND, NOON, SECOND
from tradespan.store.rows import TraceFilter
from tradespan.web.query import InvalidQuery, ListQuery, show_position


def test_nothing_asked_for_is_the_last_half_hour() -> None:
    assert ListQuery().to_filter(NOON) == TraceFilter(since=NOON - 1800 * SECOND)


def test_every_parameter_becomes_a_condition() -> None:
    query = ListQuery(
        q="symbol=AAPL",
        status="err",
        group="risk",
        service="momentum-bot",
        slower="1.5ms",
        faster="2s",
        range="all",
        before=f"{NOON}-17",
    )
    assert query.to_filter(NOON) == TraceFilter(
        errors=True,
        text="symbol=AAPL",
        group="risk",
        service="momentum-bot",
        minimum_duration=1_500_000,
        maximum_duration=2 * SECOND,
        before=(NOON, 17),
    )


def test_only_successes_are_asked_for_in_the_search_language() -> None:
    assert ListQuery(q="AAPL", status="ok").to_filter(NOON).text == "AAPL status:ok"


def test_chosen_stretch_of_time_replaces_the_range() -> None:
    start = NOON // MILLISECOND
    wanted = ListQuery(since=str(start), until=str(start + 60_000), range="5m").to_filter(NOON)
    assert (wanted.since, wanted.until) == (NOON, NOON + 60 * SECOND)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        (ListQuery(status="maybe"), "status"),
        (ListQuery(range="2 weeks"), "range"),
        (ListQuery(slower="fast"), "slower"),
        (ListQuery(faster="10"), "faster"),
        (ListQuery(since="yesterday"), "since"),
        (ListQuery(until="-5"), "until"),
        (ListQuery(before="5"), "before"),
    ],
)
def test_parameter_without_meaning_is_named(query: ListQuery, parameter: str) -> None:
    with pytest.raises(InvalidQuery, match=f"{parameter}=") as caught:
        query.to_filter(NOON)
    assert caught.value.parameter == parameter


def test_position_survives_the_way_through_a_browser() -> None:
    position = (NOON + 1, 2**62 + 1)
    assert ListQuery(before=show_position(position) or "").to_filter(NOON).before == position
    assert show_position(None) is None
