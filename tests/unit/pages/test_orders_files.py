"""The open-order table's files: without space, at ends, in forked children, and with any bytes."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.pages.builders import Writer
from tests.unit.pages.orders import OWNER, Process, order
from tradespan.core import guard
from tradespan.pages import ordertable
from tradespan.pages.orders import (
    FIRST_FILE,
    HEADER_SIZE,
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
