"""The open-order table: what a reader finds after each change, each kill, and in damaged files."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.pages.builders import Writer
from tests.unit.pages.orders import OWNER, Process, order
from tradespan.core import guard
from tradespan.core.orders import OpenOrder
from tradespan.pages import ordertable
from tradespan.pages.locks import is_held
from tradespan.pages.orders import (
    FIRST_FILE,
    HEADER_SIZE,
    MOST_OPEN,
    SLOT_SIZE,
    read_orders,
    tables_in,
)
from tradespan.pages.ordertable import OrderTable

SLOTS = (FIRST_FILE - HEADER_SIZE) // SLOT_SIZE


@pytest.fixture
def process(tmp_path: Path) -> Process:
    return Process(tmp_path)


def test_no_file_before_the_first_order_and_none_after_the_last_and_an_ordinary_end(
    process: Process,
) -> None:
    table = process.table
    table.end()
    assert not table.path.exists()
    table.put(order())
    assert table.path.stat().st_size == FIRST_FILE
    assert table.path.stat().st_blocks * 512 >= FIRST_FILE
    assert table.path.stat().st_mode & 0o777 == 0o600
    assert is_held(table.path)
    table.drop("MOM-1")
    assert process.left.rows == []
    table.end()
    assert not table.path.exists()


def test_a_row_comes_back_as_it_was_put_and_says_whose_it_is(process: Process) -> None:
    process.table.put(order())
    left = process.left
    assert left.rows == [order()]
    assert (left.service, left.owner, left.alive) == ("bot", OWNER, True)
    assert (left.writer, left.process_id) == (process.writer.identity.hex(), os.getpid())
    assert (left.ended, left.adopted, left.overflow, left.unwritten) == (0, 0, 0, 0)


def test_the_latest_state_of_an_order_stands_once(process: Process) -> None:
    for traded in ("0", "0.5", "1.0"):
        process.table.put(order(cumulative=traded))
    (row,) = process.left.rows
    assert row.cumulative == "1.0"
    assert len(process.table) == 1


def test_dropping_what_is_not_there_is_nothing(process: Process) -> None:
    process.table.drop("nobody")
    process.table.put(order())
    process.table.drop("nobody")
    process.table.drop("MOM-1")
    process.table.drop("MOM-1")
    assert process.left.rows == []


def test_slots_are_used_again_and_files_are_added_when_they_are_not_enough(
    process: Process,
) -> None:
    for turn in range(10):
        for number in range(SLOTS - 1):
            process.table.put(order(f"{number}", cumulative=f"{turn}"))
    assert len(list(process.writer.folder.iterdir())) == 1
    for number in range(3 * SLOTS):
        process.table.put(order(f"{number}", cumulative="1"))
    assert len(process.left.rows) == 3 * SLOTS
    assert len(list(process.writer.folder.iterdir())) > 1
    assert tables_in(process.writer.folder) == [process.table.path]
    for number in range(3 * SLOTS):
        process.table.drop(f"{number}")
    process.table.end()
    assert list(process.writer.folder.iterdir()) == []


def test_more_orders_than_a_table_takes_are_counted_and_known_ones_go_on(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ordertable, "MOST_OPEN", 5)
    for number in range(7):
        process.table.put(order(f"{number}"))
    process.table.put(order("0", cumulative="1"))
    assert process.ids == ["0", "1", "2", "3", "4"]
    assert process.left.overflow == 2
    process.table.drop("1")
    process.table.put(order("5"))
    assert process.ids == ["0", "2", "3", "4", "5"]


def test_ten_thousand_orders_have_room(process: Process) -> None:
    for number in range(MOST_OPEN):
        process.table.put(order(f"{number}"))
        process.table.put(order(f"{number}", state="PartiallyFilled"))
    process.table.put(order("one more"))
    assert len(process.left.rows) == MOST_OPEN
    assert {row.state for row in process.left.rows} == {"PartiallyFilled"}
    assert process.left.overflow == 1


@pytest.mark.parametrize("client_id", ["", "x" * 65, "ä" * 33])
def test_an_id_that_has_no_room_is_counted_and_not_cut(process: Process, client_id: str) -> None:
    process.table.put(order("x" * 64))
    process.table.put(order(client_id))
    assert process.ids == ["x" * 64]
    assert process.left.overflow == 1


def test_words_that_are_too_long_are_cut_and_numbers_left_out(process: Process) -> None:
    process.table.put(order(strategy="ä" * 300, price="1" * 33, quantity="2" * 32))
    (row,) = process.left.rows
    assert row.strategy == "ä" * 16
    assert (row.price, row.quantity, row.symbol) == ("", "2" * 32, "BTC-USDT")
    process.table.put(order("b", symbol="A\0B", venue="\ud800"))
    assert process.left.rows[1][2:4] == ("AB", "?")


text = st.text(max_size=60)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(words=st.lists(text, min_size=12, max_size=12))
def test_whatever_the_words_are_a_row_is_read_whole(tmp_path: Path, words: list[str]) -> None:
    table = OrderTable(Writer(tmp_path), OWNER)
    table.put(OpenOrder._make(("id", *words[:11], *order()[12:])))
    left = read_orders(table.path)
    assert left is not None
    (row,) = left.rows
    assert (row.client_id, row.submitted, row.pair_id) == ("id", order().submitted, "pair-3")
    table.drop("id")
    table.end()


def test_a_row_of_another_kind_reaches_nobody(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = guard.raise_errors(False)
    try:
        process.table.put(order(quantity=1.5))
        process.table.put(order(submitted=1 << 70))
        process.table.put(None)  # type: ignore[arg-type]
        process.table.drop([])  # type: ignore[arg-type]
    finally:
        guard.raise_errors(before)
    process.table.put(order("good"))
    assert process.ids == ["good"]


# ── kills ───────────────────────────────────────────────────────────────────────────────────────


def test_a_put_that_was_cut_off_anywhere_leaves_the_state_before(process: Process) -> None:
    process.table.put(order(cumulative="0"))
    before = process.table.path.read_bytes()
    process.table.put(order(cumulative="0.5"))
    after = process.table.path.read_bytes()
    slot = HEADER_SIZE + SLOT_SIZE
    new = after[slot : slot + SLOT_SIZE]
    path = process.table.path
    number, body = new[:8], new[8:]
    # As the stores come: the body, byte for byte, then the number, then the old slot's.
    for written in range(0, len(body) + 1, 7):
        cut = bytearray(before)
        cut[slot + 8 : slot + 8 + written] = body[:written]
        path.write_bytes(cut)
        assert [row.cumulative for row in process.left.rows] == ["0"]
    both = bytearray(before)
    both[slot : slot + SLOT_SIZE] = new
    path.write_bytes(both)
    assert [row.cumulative for row in process.left.rows] == ["0.5"]
    # Stores that another machine shows in another order: the number is there, the body is not.
    torn = bytearray(before)
    torn[slot : slot + 8] = number
    torn[slot + 8 : slot + 40] = body[:32]
    path.write_bytes(torn)
    assert [row.cumulative for row in process.left.rows] == ["0"]


def test_threads_that_change_the_same_orders_leave_no_slot_behind(process: Process) -> None:
    table = process.table
    ready = threading.Barrier(4)

    def work(number: int) -> None:
        ready.wait()
        for turn in range(400):
            client_id = f"{turn % 7}"
            table.put(order(client_id, changed=number))
            if turn % 3 == number % 3:
                table.drop(client_id)
        for each in range(7):
            table.drop(f"{each}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert process.left.rows == []
    assert len(table) == 0
    assert table.free == SLOTS


def test_a_drop_in_the_middle_of_a_put_ends_the_order(process: Process) -> None:
    """As a signal handler does, or a finalizer: in the same thread, between any two steps."""
    table = process.table
    table.put(order("other"))
    points = _call_between_all_steps(table, lambda: table.drop("MOM-1"))
    assert points > 5
    table.drop("MOM-1")
    assert process.ids == ["other"]
    assert table.free == SLOTS - 1


def test_a_put_in_the_middle_of_a_put_leaves_the_order_once(process: Process) -> None:
    table = process.table
    points = _call_between_all_steps(table, lambda: table.put(order(state="inner")))
    assert points > 5
    assert process.ids == ["MOM-1"]
    assert table.free == SLOTS - 1
    table.drop("MOM-1")
    assert process.left.rows == []


def test_a_child_forked_in_the_middle_of_a_put_writes_nothing_to_its_parents_file(
    process: Process,
) -> None:
    table, parent = process.table, os.getpid()
    table.put(order())
    untouched: list[bool] = []

    def fork() -> None:
        if os.getpid() != parent:
            return
        before = table.path.read_bytes()
        child = os.fork()
        if child == 0:
            process.writer.identity = os.urandom(16)
            process.writer.locks.abandon()
            return  # and on with what was cut off
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        untouched.append(status == 0 and table.path.read_bytes() == before)

    try:
        points = _call_between_all_steps(table, fork)
    finally:
        if os.getpid() != parent:
            os._exit(0)
    assert points > 5
    assert untouched == [True] * len(untouched)
    assert len(untouched) >= points
    assert process.ids == ["MOM-1"]


def _call_between_all_steps(table: OrderTable, call: Any) -> int:
    """Put an order again and again, with `call` before the first, the second … line of it."""
    point, process_id = 0, os.getpid()
    while True:
        seen = 0

        def trace(frame: Any, event: str, _: Any, wanted: int = point) -> Any:
            nonlocal seen
            if frame.f_code.co_filename != ordertable.__file__:
                return None
            if event == "line":
                if seen == wanted:
                    seen += 1
                    sys.settrace(None)
                    call()
                else:
                    seen += 1
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            table.put(order())
        finally:
            sys.settrace(before)
        if os.getpid() != process_id:
            os._exit(0)
        if seen <= point:
            return point
        point += 1


def test_an_order_of_another_living_process_of_the_run_is_found_and_no_other(
    tmp_path: Path,
) -> None:
    one, other = Process(tmp_path), Process(tmp_path)
    elsewhere = Process(tmp_path, "two")
    one.table.put(order("A"))
    other.table.put(order("B"))
    elsewhere.table.put(order("C"))
    now = 0
    looking = OrderTable(Writer(one.writer.folder), OWNER, monotonic=lambda: now)
    assert looking.find("A") == order("A")
    assert looking.find("B") == order("B")
    assert looking.find("C") is None
    assert one.table.find("A") is None
    now += 10**9
    other.die()
    assert looking.find("B") == order("B"), "as it was read before"
    assert looking.find("none") is None
    now += 10**9
    assert looking.find("B") is None


def test_tables_of_others_are_not_read_at_each_look(tmp_path: Path) -> None:
    one, other = Process(tmp_path), Process(tmp_path)
    now = 0
    looking = OrderTable(Writer(one.writer.folder), OWNER, monotonic=lambda: now)
    assert looking.find("B") is None
    other.table.put(order("B"))
    assert looking.find("B") is None
    now += ordertable._LEAST_PAUSE  # noqa: SLF001 - the pause is the point
    assert looking.find("B") == order("B")
