"""Open orders change hands: to one process, once, whoever is killed in between."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.pages.orders import Process, order
from tradespan.core import guard
from tradespan.core.orders import OpenOrder
from tradespan.pages import adoption
from tradespan.pages.orders import pack_owner


def ids(rows: list[OpenOrder]) -> list[str]:
    return [row.client_id for row in rows]


def leave(root: Path, run: str, *client_ids: str, **options: Any) -> Process:
    """A process that died with these orders open."""
    process = Process(root, run, **options)
    for client_id in client_ids:
        process.table.put(order(client_id))
    process.die()
    return process


def test_the_next_process_gets_what_dead_ones_left_and_nobody_gets_it_again(
    tmp_path: Path,
) -> None:
    before_last = leave(tmp_path, "one", "a")
    last = leave(tmp_path, "two", "b", "c")
    heir = Process(tmp_path, "three")
    rows = heir.table.adopt()
    assert rows == [order("a"), order("b"), order("c")]
    assert heir.ids == ["a", "b", "c"]
    for dead in (before_last, last):
        assert dead.left.adopted == heir.writer.clock.wall()
        assert dead.left.heir == heir.writer.identity.hex()
        assert not dead.left.is_waiting
    assert heir.table.adopt() == []
    assert Process(tmp_path, "four").table.adopt() == []
    heir.table.drop("b")
    heir.die()
    assert ids(Process(tmp_path, "five").table.adopt()) == ["a", "c"]


def test_what_was_left_by_an_orderly_end_is_taken_over_too(tmp_path: Path) -> None:
    ended = Process(tmp_path, "one")
    ended.table.put(order("a"))
    ended.table.end()
    ended.die()
    assert ids(Process(tmp_path, "two").table.adopt()) == ["a"]


def test_a_process_that_lives_keeps_its_orders(tmp_path: Path) -> None:
    living = Process(tmp_path, "one")
    living.table.put(order("a"))
    assert Process(tmp_path, "two").table.adopt() == []
    assert living.left.adopted == 0


@pytest.mark.parametrize(
    "owner", [("other", "", "live"), ("bot", "desk", "live"), ("bot", "", "paper")]
)
def test_orders_of_another_service_namespace_or_mode_are_not_taken(
    tmp_path: Path, owner: tuple[str, str, str]
) -> None:
    dead = leave(tmp_path, "one", "a", owner=pack_owner(*owner))
    assert Process(tmp_path, "two").table.adopt() == []
    assert dead.left.is_waiting


def test_what_is_older_than_the_setting_is_left_alone(tmp_path: Path) -> None:
    dead = leave(tmp_path, "one", "a")
    heir = Process(tmp_path, "two", within=60)
    sign = max(dead.table.path.stat().st_mtime_ns, dead.left.created)
    heir.writer.clock.set_wall(sign + 61 * 10**9)  # type: ignore[attr-defined]
    assert heir.table.adopt() == []
    assert dead.left.is_waiting
    # Any file of that process says when it lived.
    page = dead.writer.folder / f"{dead.writer.identity.hex()}.page"
    page.touch()
    os.utime(page, ns=(sign + 2 * 10**9,) * 2)
    assert ids(heir.table.adopt()) == ["a"]


def test_orders_of_a_process_that_has_orders_of_its_own_already(tmp_path: Path) -> None:
    dead = leave(tmp_path, "one", "a", "b")
    heir = Process(tmp_path, "two")
    heir.table.put(order("a", state="mine"))
    assert ids(heir.table.adopt()) == ["b"]
    assert [row.state for row in heir.left.rows] == ["mine", "New"]
    assert dead.left.adopted


def test_two_that_start_at_once_share_nothing(tmp_path: Path) -> None:
    for number in range(20):
        leave(tmp_path, f"dead-{number:02d}", f"{number:02d}-a", f"{number:02d}-b")
    heirs = [Process(tmp_path, f"heir-{number}") for number in range(4)]
    ready = threading.Barrier(4)
    got: list[list[OpenOrder]] = [[] for _ in heirs]

    def start(number: int) -> None:
        ready.wait()
        got[number] = heirs[number].table.adopt()

    threads = [threading.Thread(target=start, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each for rows in got for each in ids(rows)) == sorted(
        f"{number:02d}-{letter}" for number in range(20) for letter in "ab"
    )
    assert sum(map(bool, got)) == 1


def test_who_finds_another_at_it_gives_up_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(adoption, "PATIENCE", 0.02)
    dead = leave(tmp_path, "one", "a")
    other, heir = Process(tmp_path, "two"), Process(tmp_path, "three")
    (tmp_path / adoption.LOCK).touch()
    other.writer.locks.lock(tmp_path / adoption.LOCK)
    assert heir.table.adopt() == []
    assert "another process takes over" in caplog.text
    assert dead.left.is_waiting
    other.die()
    assert ids(heir.table.adopt()) == ["a"]


# ── kills and failures in between ───────────────────────────────────────────────────────────────


class Killed(KeyboardInterrupt):
    """Stands for a kill: nothing of ours catches it."""


def kill_after(calls: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, but the call after so many raises before it does anything."""
    count = 0

    def call(*arguments: Any) -> Any:
        nonlocal count
        if count == calls:
            raise Killed
        count += 1
        return function(*arguments)

    return call


@pytest.mark.parametrize("puts", range(4))
def test_killed_while_putting_them_into_its_own_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, puts: int
) -> None:
    leave(tmp_path, "one", "a", "b")
    leave(tmp_path, "two", "c")
    killed = Process(tmp_path, "three")
    monkeypatch.setattr(killed.table, "put", kill_after(puts, killed.table.put))
    if puts < 3:
        with pytest.raises(Killed):
            killed.table.adopt()
    else:
        assert len(killed.table.adopt()) == 3
    killed.die()
    heir = Process(tmp_path, "four")
    assert ids(heir.table.adopt()) == ["a", "b", "c"]
    assert Process(tmp_path, "five").table.adopt() == []


@pytest.mark.parametrize("stores", range(5))
def test_killed_while_marking_the_dead_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stores: int
) -> None:
    leave(tmp_path, "one", "a", "b")
    leave(tmp_path, "two", "c")
    killed = Process(tmp_path, "three")
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", kill_after(stores, os.pwrite))
        if stores < 4:
            with pytest.raises(Killed):
                killed.table.adopt()
        else:
            killed.table.adopt()
    killed.die()
    heir = Process(tmp_path, "four")
    assert ids(heir.table.adopt()) == ["a", "b", "c"]
    assert Process(tmp_path, "five").table.adopt() == []


def test_of_an_order_in_two_tables_the_state_that_changed_last_holds(tmp_path: Path) -> None:
    dead = Process(tmp_path, "one")
    dead.table.put(order("a", state="New", changed=5))
    dead.table.put(order("b", state="New", changed=9))
    later = Process(tmp_path, "two")
    later.table.put(order("a", state="PartiallyFilled", changed=6))
    later.table.put(order("b", state="PendingNew", changed=1))
    dead.die()
    later.die()
    rows = Process(tmp_path, "three").table.adopt()
    assert [(row.client_id, row.state) for row in rows] == [("a", "PartiallyFilled"), ("b", "New")]


def test_an_order_that_a_dying_process_still_holds_is_left_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adoption, "DYING", 0.02)
    leave(tmp_path, "one", "a")
    leave(tmp_path, "two", "b")
    dying = Process(tmp_path, "three")
    dying.table.put(order("a"))
    heir = Process(tmp_path, "four")
    assert ids(heir.table.adopt()) == ["b"]
    dying.die()
    assert ids(Process(tmp_path, "five").table.adopt()) == ["a"]


def test_what_cannot_be_marked_is_left_for_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = leave(tmp_path, "one", "a", "b")
    leave(tmp_path, "two", "b", "c")
    heir = Process(tmp_path, "three")
    opened = os.open

    def refuse(path: Any, *arguments: Any) -> int:
        if path == stuck.table.path and arguments[0] & os.O_RDWR:
            raise PermissionError(13, "no", str(path))
        return opened(path, *arguments)

    strict = guard.raise_errors(False)
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        assert ids(heir.table.adopt()) == ["c"]
    guard.raise_errors(strict)
    assert heir.ids == ["c"]
    assert ids(Process(tmp_path, "four").table.adopt()) == ["a", "b"]


def test_without_space_for_a_table_of_its_own_nothing_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = leave(tmp_path, "one", "a")
    heir = Process(tmp_path, "two")

    def full(*_: Any) -> None:
        raise OSError(28, "no space")

    strict = guard.raise_errors(False)
    with monkeypatch.context() as patched:
        patched.setattr(os, "posix_fallocate", full)
        assert heir.table.adopt() == []
    guard.raise_errors(strict)
    assert len(heir.table) == 0
    assert dead.left.is_waiting
    assert ids(Process(tmp_path, "three").table.adopt()) == ["a"]


def test_a_root_that_cannot_be_written_reaches_nobody(tmp_path: Path) -> None:
    heir = Process(tmp_path, "two")
    (tmp_path / adoption.LOCK).mkdir()
    strict = guard.raise_errors(False)
    try:
        assert heir.table.adopt() == []
    finally:
        guard.raise_errors(strict)
