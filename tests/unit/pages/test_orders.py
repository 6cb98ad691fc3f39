"""The open-order table: what a reader finds after each change, each kill, and in damaged files."""

from __future__ import annotations

import errno
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
    is_kept,
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


def _call_between_all_steps(table: OrderTable, call: Any) -> int:
    """Put an order again and again, with `call` before the first, the second … line of it."""
    point = 0
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
        if seen <= point:
            return point
        point += 1


# ── space, ends, forks ──────────────────────────────────────────────────────────────────────────


def test_orders_wait_in_memory_while_the_disk_is_full_and_are_written_when_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0
    table = OrderTable(Writer(tmp_path), OWNER, monotonic=lambda: now)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "no space")

    guarded = guard.raise_errors(False)
    with monkeypatch.context() as patched:
        patched.setattr(os, "posix_fallocate", full)
        for number in range(3):
            table.put(order(f"{number}"))
        table.put(order("1", state="Filled"))
        table.drop("2")
    guard.raise_errors(guarded)
    assert guard.counts
    assert list(tmp_path.iterdir()) == []
    assert len(table) == 2
    table.put(order("3"))
    assert len(table) == 3, "not tried again within the second"
    now = ordertable.RETRY_AFTER
    table.put(order("4"))
    left = read_orders(table.path)
    assert left is not None
    assert sorted((row.client_id, row.state) for row in left.rows) == [
        ("0", "New"),
        ("1", "Filled"),
        ("3", "New"),
        ("4", "New"),
    ]
    assert left.unwritten == 0


def test_a_full_disk_later_is_told_in_the_file(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(SLOTS):
        process.table.put(order(f"{number}"))

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "no space")

    before = guard.raise_errors(False)
    monkeypatch.setattr(os, "posix_fallocate", full)
    process.table.put(order("more"))
    guard.raise_errors(before)
    assert process.left.unwritten == 1
    process.table.drop("more")
    assert process.left.unwritten == 0
    process.table.drop("0")
    process.table.put(order("last"))
    assert "last" in process.ids


def test_an_end_with_open_orders_keeps_the_file_and_says_that_it_was_one(
    process: Process,
) -> None:
    process.table.put(order())
    process.table.end()
    process.die()
    assert process.left.ended == process.writer.clock.wall()
    assert process.left.is_waiting


def test_an_order_put_after_the_end_is_in_a_file_again(process: Process) -> None:
    process.table.put(order("a"))
    process.table.drop("a")
    process.table.end()
    process.table.put(order("b"))
    assert process.ids == ["b"]
    assert process.left.alive


def test_a_table_that_was_left_is_nobodys(process: Process) -> None:
    process.table.put(order())
    assert process.left.alive
    process.table.leave()
    assert process.left.is_waiting


def test_a_forked_child_has_no_orders_and_writes_its_parents_file_never(process: Process) -> None:
    process.table.put(order("parents"))
    before = process.table.path.read_bytes()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        process.writer.identity = os.urandom(16)
        process.writer.locks.abandon()
        process.table.drop("parents")
        process.table.put(order("childs"))
        os.write(write, f"{len(process.table)} {process.table.path.name}".encode())
        os._exit(0)
    os.close(write)
    count, name = os.read(read, 1000).decode().split()
    os.close(read)
    os.waitpid(child, 0)
    assert count == "1"
    assert process.table.path.read_bytes() == before
    assert process.left.alive
    childs = read_orders(process.table.path.with_name(name))
    assert childs is not None
    assert [row.client_id for row in childs.rows] == ["childs"]
    assert not childs.alive


# ── damaged and hostile files ───────────────────────────────────────────────────────────────────


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(at=st.integers(0, 2_000), junk=st.binary(min_size=1, max_size=64), cut=st.integers(0, 4_000))
def test_any_bytes_are_read_without_an_error(
    tmp_path: Path, at: int, junk: bytes, cut: int
) -> None:
    table = OrderTable(Writer(tmp_path), OWNER)
    for number in range(3):
        table.put(order(f"{number}"))
    data = bytearray(table.path.read_bytes())
    data[at : at + len(junk)] = junk
    table.path.write_bytes(data[: len(data) - cut * 16])
    left = read_orders(table.path)
    if left is not None:
        assert {row.client_id for row in left.rows} <= {"0", "1", "2"}
    for path in tmp_path.iterdir():
        path.unlink()


def test_what_is_no_table_is_none(tmp_path: Path) -> None:
    path = tmp_path / f"{'0' * 32}.orders"
    assert read_orders(path) is None
    path.write_bytes(b"")
    assert read_orders(path) is None
    path.unlink()
    path.mkdir()
    assert read_orders(path) is None
    assert tables_in(tmp_path / "nowhere") == []


def test_a_table_keeps_its_folder_while_somebody_may_want_its_orders(tmp_path: Path) -> None:
    process = Process(tmp_path, within=100)
    process.table.put(order())
    now = process.table.path.stat().st_mtime_ns
    created = process.left.created
    later = max(now, created) + 101 * 10**9
    assert is_kept(process.table.path, later), "its process lives"
    process.die()
    assert is_kept(process.table.path, max(now, created) + 99 * 10**9)
    assert not is_kept(process.table.path, later)
    process.table.drop("MOM-1")
    assert not is_kept(process.table.path, now)
