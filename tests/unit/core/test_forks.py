"""What a forked child is told, by the one registry."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from typing import Any

import pytest

from tradespan.core import forks, guard


class Owner:
    def __init__(self, told: list[str], name: str) -> None:
        self.told = told
        self.name = name

    def after_fork(self) -> None:
        self.told.append(self.name)


class Failing:
    def after_fork(self) -> None:
        raise ValueError("a handler that fails")


def in_child(work: Callable[[], bytes]) -> bytes:
    """What `work` returns in a forked child."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writing, work())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    os.waitpid(pid, 0)
    return said


def test_handlers_run_in_the_child_in_the_order_of_registration() -> None:
    told: list[str] = []
    owners = [Owner(told, name) for name in ("first", "second")]
    for owner in owners:
        forks.after_fork_in_child(owner.after_fork)
    assert in_child(lambda: " ".join(told).encode()) == b"first second"
    assert told == []


def test_a_handler_does_not_keep_its_object_alive() -> None:
    told: list[str] = []
    owner = Owner(told, "gone")
    forks.after_fork_in_child(owner.after_fork)
    del owner
    gc.collect()
    assert in_child(lambda: " ".join(told).encode()) == b""


def test_a_handler_that_fails_does_not_keep_the_others_from_running() -> None:
    told: list[str] = []
    before = guard.raise_errors(False)
    failing, owner = Failing(), Owner(told, "ran")
    forks.after_fork_in_child(failing.after_fork)
    forks.after_fork_in_child(owner.after_fork)
    try:
        assert in_child(lambda: " ".join(told).encode()) == b"ran"
    finally:
        guard.raise_errors(before)


@pytest.mark.parametrize("forked", [1, 2])
def test_each_fork_is_a_generation(forked: int) -> None:
    def count() -> bytes:
        if forked == 2:
            return in_child(lambda: str(forks.process_generation()).encode())
        return str(forks.process_generation()).encode()

    assert int(in_child(count)) == forks.process_generation() + forked


def test_an_owner_that_dies_in_a_circle_leaves_without_a_word() -> None:
    told: list[str] = []
    before = len(forks._in_child)  # noqa: SLF001 - what is left in the registry shows nowhere else
    owners: list[Any] = [Owner(told, "circle") for _ in range(100)]
    for owner in owners:
        owner.owners = owners
        forks.after_fork_in_child(owner.after_fork)
    del owner, owners
    gc.collect()
    assert len(forks._in_child) == before  # noqa: SLF001


@pytest.mark.parametrize("later", range(10, 310, 10))
def test_owners_that_are_collected_meanwhile_do_not_keep_the_others_from_running(
    later: int,
) -> None:
    told: list[str] = []
    owner = Owner(told, "ran")
    forks.after_fork_in_child(owner.after_fork)
    before = gc.get_threshold()
    gc.collect()
    gc.disable()
    try:
        for _ in range(200):
            gone = Owner(told, "gone")
            gone.itself = gone  # type: ignore[attr-defined]
            forks.after_fork_in_child(gone.after_fork)
            del gone
        # The collector runs after so many more allocations: somewhere in the child's handlers.
        gc.set_threshold(gc.get_count()[0] + later)
        gc.enable()
        assert b"ran" in in_child(lambda: " ".join(told).encode())
    finally:
        gc.set_threshold(*before)
        gc.enable()
        gc.collect()


def test_handlers_run_once_and_after_what_others_registered_before_run_last() -> None:
    told: list[str] = []
    owner = Owner(told, "ours")

    def register_and_fork_again() -> bytes:
        # In a child: what is registered with the interpreter stays registered.
        os.register_at_fork(after_in_child=lambda: told.append("theirs"))
        forks.run_last()
        forks.after_fork_in_child(owner.after_fork)
        return in_child(lambda: " ".join(told).encode())

    assert in_child(register_and_fork_again) == b"theirs ours"
