"""One order's state machine."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradespan.signals.orders.journey import Fill, Journey
from tradespan.signals.orders.moments import Moment

Message = Callable[[Journey], Any]


def at(ts: int | None = None, mono: float | None = None) -> Moment:
    return Moment(ts, mono)


def submit(quantity: Any = None, price: Any = None) -> Message:
    return lambda each: each.note_submitted("A", at(), quantity=quantity, price=price)


def fill(*facts: Any, **named: Any) -> Message:
    return lambda each: each.note_filled(Fill(*facts, **named), at())


def ack(journey: Journey) -> bool:
    return journey.note_acknowledged(at())


def ask_cancel(journey: Journey) -> bool:
    return journey.note_cancel_requested(at())


def cancel(journey: Journey) -> bool:
    return journey.note_cancelled(at())


def expire(journey: Journey) -> bool:
    return journey.note_expired(at())


def reject(journey: Journey) -> bool:
    return journey.note_rejected(at())


def told(*messages: Message) -> Journey:
    journey = Journey("A")
    for each in messages:
        each(journey)
    return journey


def standing(journey: Journey) -> tuple[Any, ...]:
    return (
        journey.state, journey.cumulative, journey.average_price, journey.leaves,
        journey.ended, journey.client_id, journey.quantity, journey.fees,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("messages", "state"),
    [
        ((submit(10),), "pending_new"),
        ((submit(10), ack), "new"),
        ((submit(10), ack, fill(4)), "partially_filled"),
        ((submit(10), fill(4)), "partially_filled"),
        ((submit(10), ack, fill(4), fill(6)), "filled"),
        ((submit(), ack, fill(4, complete=True)), "filled"),
        ((submit(), ack, fill(4, leaves=0)), "filled"),
        ((submit(), ack, fill(4)), "partially_filled"),
        ((submit(10), ack, fill(cumulative=10)), "filled"),
        ((submit(10), ack, ask_cancel), "pending_cancel"),
        ((submit(10), ack, ask_cancel, cancel), "canceled"),
        ((submit(10), ack, cancel, fill(10)), "filled"),
        ((submit(10), ack, cancel, fill(4, leaves=0)), "canceled"),
        ((submit(10), expire), "expired"),
        ((submit(10), reject), "rejected"),
    ],
)
def test_a_state_follows_from_what_was_said(messages: tuple[Message, ...], state: str) -> None:
    journey = told(*messages)
    assert journey.state == state
    assert journey.ended == (state in ("filled", "canceled", "rejected", "expired"))


def test_a_fill_that_crossed_the_cancel_still_adds_up() -> None:
    journey = told(submit(10, 100), ack, fill(4, 100), cancel, fill(2, 103))
    assert (journey.state, journey.cumulative, journey.average_price) == ("canceled", 6, 101)
    assert journey.leaves == 0


@pytest.mark.parametrize(
    ("first", "again", "other"),
    [
        (
            {"execution_id": "e1", "cumulative": 4},
            {"execution_id": "e1", "cumulative": 4},
            {"execution_id": "e2", "cumulative": 4},
        ),
        ({"cumulative": 4}, {"cumulative": 4}, {"cumulative": 8}),
        ({"leaves": 6}, {"leaves": 6}, {"leaves": 2}),
        ({"cumulative": 4}, {"execution_id": "e1", "cumulative": 4}, {"execution_id": "e2"}),
        ({"execution_id": "e1", "cumulative": 4}, {"cumulative": 4}, {"cumulative": 8}),
    ],
)
def test_a_repetition_is_told_by_its_id_or_else_by_what_was_traded_by_then(
    first: dict[str, Any], again: dict[str, Any], other: dict[str, Any]
) -> None:
    journey = told(submit(10))
    assert journey.note_filled(Fill(4, 100, **first), at())
    assert not journey.note_filled(Fill(4, 100, **again), at())
    assert not journey.note_filled(Fill(4, 100, **again), at())
    assert journey.note_filled(Fill(4, 100, **other), at())
    assert journey.cumulative == 8


def test_fills_of_which_nothing_tells_a_repetition_all_count() -> None:
    assert told(submit(10), fill(4, 100), fill(4, 100)).cumulative == 8


def test_a_missed_fill_shows_in_what_was_traded_and_not_in_the_average() -> None:
    journey = told(submit(10), fill(2, 100, cumulative=8))
    assert (journey.cumulative, journey.leaves, journey.average_price) == (8, 2, 100)


@pytest.mark.parametrize(
    ("quantity", "price", "average"),
    [
        (Decimal("0.1"), Decimal("0.3"), Decimal("0.3")),
        (0.1, 0.3, 0.3),
        (1, 3, 3),
        (Decimal("0.1"), 0.3, 0.3),
    ],
)
def test_numbers_come_back_as_they_went_in_and_exact(
    quantity: Any, price: Any, average: Any
) -> None:
    journey = told(submit(quantity * 3), *(fill(quantity, price) for _ in range(3)))
    assert journey.average_price == average
    assert type(journey.average_price) is type(average)
    assert journey.cumulative == (0.3 if type(quantity) is float else quantity * 3)
    assert type(journey.cumulative) is type(quantity)


def test_three_tenths_fill_an_order_of_three_tenths() -> None:
    assert told(submit(0.3), fill(0.1), fill(0.2)).state == "filled"


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), Decimal("NaN"), Decimal("-Infinity")]
)
def test_what_is_not_finite_is_refused_and_changes_nothing(value: Any) -> None:
    journey = told(submit(10), fill(4, 100))
    before = standing(journey)
    for facts in ({"quantity": value}, {"quantity": 1, "price": value}, {"cumulative": value}):
        with pytest.raises(ValueError, match="no amount"):
            journey.note_filled(Fill(**facts), at())
    assert standing(journey) == before


@pytest.mark.parametrize("value", [True, "many", None])
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        told(submit([value]))


def test_an_order_that_was_replaced_goes_on_under_its_new_id() -> None:
    journey = told(submit(10, 100), ack, fill(4, 100))
    assert journey.note_replaced("B", "A", at(), quantity=20)
    assert not journey.note_replaced("B", "A", at(), quantity=20)
    assert (journey.client_id, journey.client_ids) == ("B", ("B", "A"))
    assert (journey.quantity, journey.price, journey.leaves) == (20, 100, 16)
    assert journey.state == "partially_filled"


def test_a_chain_told_backwards_ends_with_the_same_id() -> None:
    journey = told(submit(10))
    journey.note_replaced("C", "B", at(), quantity=30)
    journey.note_replaced("B", "A", at(), quantity=20)
    assert (journey.client_ids, journey.quantity) == (("C", "B", "A"), 30)


def test_fills_that_are_remembered_are_bounded_and_sums_are_not() -> None:
    journey = told(submit(5_000), *(fill(1, 2, f"e{each}") for each in range(3_000)))
    assert (journey.cumulative, journey.average_price) == (3_000, 2)
    assert journey.note_filled(Fill(1, 2, "e0"), at())
    assert not journey.note_filled(Fill(1, 2, "e2999"), at())


amounts = st.one_of(
    st.integers(1, 1_000),
    st.decimals("0.00001", "1000", places=5),
    st.floats(0.001, 1e6, allow_nan=False).map(lambda each: round(each, 6)),
)
endings = st.sampled_from(
    [(), (ask_cancel,), (ask_cancel, cancel), (cancel,), (expire,), (reject,)]
)


@st.composite
def stories(draw: st.DrawFn) -> list[Message]:
    """An order's messages, as they were sent."""
    parts = draw(st.lists(st.tuples(amounts, amounts), max_size=6))
    whole = sum((Decimal(str(quantity)) for quantity, _ in parts), Decimal(0))
    more = draw(st.sampled_from([Decimal(0), Decimal(7)]))
    messages = [submit(whole + more, 5), ack]
    with_ids = draw(st.booleans())
    so_far = Decimal(0)
    for number, (quantity, price) in enumerate(parts):
        so_far += Decimal(str(quantity))
        if with_ids:
            messages.append(fill(quantity, price, f"e{number}", fee=1))
        else:
            messages.append(fill(quantity, price, cumulative=so_far, fee=1))
    if draw(st.booleans()):
        messages.append(lambda each: each.note_replaced("B", "A", at(), quantity=whole + more + 1))
    return [*messages, *draw(endings)]


@given(st.data())
def test_messages_in_any_order_and_number_end_in_the_same_state(data: st.DataObject) -> None:
    story = data.draw(stories())
    again = data.draw(st.lists(st.sampled_from(story), max_size=5))
    assert standing(told(*data.draw(st.permutations(story + again)))) == standing(told(*story))
