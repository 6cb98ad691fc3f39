"""`kill -9` at any moment: each acknowledged open order is the next process's, exactly once."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.desk import Desk, Program
from tests.crash.kills import REPOSITORY

MOST = 50
ROUNDS = 12


class Ledger:
    """What bots have acknowledged; all of it has to be the next one's."""

    def __init__(self) -> None:
        self.standing: dict[str, str] = {}
        """Client id → state, of orders that stand for sure."""
        self.unsure: set[str] = set()
        """Orders of which a kill cut the answer off: they may stand or not."""
        self.holder: dict[str, int] = {}
        """Which bot took an order over."""

    def hear(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        client_id = rest.split(" ")[0]
        if word == "sent":
            self.standing[client_id] = "New"
        elif word == "changed":
            self.standing[client_id] = "PartiallyFilled"
        elif word == "ending":
            self.unsure.add(client_id)
        elif word == "over":
            self.standing.pop(client_id)
            self.unsure.discard(client_id)

    def check(self, adopted: list[str]) -> None:
        """What one process, or several that started at once, have taken over."""
        found = [line.split(" ") for line in adopted]
        counts = Counter(client_id for client_id, _ in found)
        assert set(counts.values()) <= {1}, "taken over once"
        states = dict(found)
        assert self.standing.keys() - self.unsure <= states.keys(), "none is lost"
        for client_id, state in states.items():
            known = self.standing.get(client_id)
            # Of one that was cut off in the middle of a change: the state before, or that.
            assert known is None or state in (known, "PartiallyFilled")
        beyond = states.keys() - self.standing.keys()
        assert len(beyond) <= 4, "one a thread, whose answer was cut off"
        self.standing = states
        self.unsure = set()


def start(desk: Desk, play: int, most: int = MOST) -> Program:
    return desk.start_python("-m", "tests.crash.orders_bot", f"{play}", f"{most}", cwd=REPOSITORY)


def count_tables(desk: Desk) -> int:
    return len(list(desk.root.glob("runs/*/*.orders")))


def read_adopted(bot: Program) -> list[str]:
    found = []
    while (line := bot.line()) != "ready":
        found.append(line.removeprefix("adopted "))
    return found


def kill(bot: Program, ledger: Ledger, lines: int) -> None:
    """After so many of its lines; what it said until then counts."""
    for _ in range(lines):
        ledger.hear(bot.line())
    bot.send(signal.SIGKILL)
    for line in bot.end().out.splitlines():
        ledger.hear(line)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    desk.environment["TRADESPAN_ROOT"] = str(desk.root)
    yield desk
    desk.close()


def test_every_acknowledged_open_order_is_taken_over_exactly_once(desk: Desk) -> None:
    chance = random.Random(6)
    ledger = Ledger()
    for play in range(ROUNDS):
        bot = start(desk, play)
        ledger.check(read_adopted(bot))
        # 4 threads say 200 times `sent`, and 146 lines beside.
        kill(bot, ledger, chance.randrange(1, 340))
    assert ledger.standing
    last = start(desk, ROUNDS, most=0)
    ledger.check(read_adopted(last))
    other = start(desk, ROUNDS + 1, most=0)
    assert read_adopted(other) == [], "they are that one's, who lives"


def test_who_is_killed_while_taking_over_loses_and_doubles_nothing(desk: Desk) -> None:
    chance = random.Random(8)
    ledger = Ledger()
    bot = start(desk, 0)
    assert read_adopted(bot) == []
    kill(bot, ledger, 300)
    expected = dict(ledger.standing)
    for play in range(1, 9):
        heir = start(desk, play, most=0)
        # It is killed somewhere between its start and its last word; nobody else speaks of these.
        if chance.random() < 0.8:
            before = count_tables(desk)
            while count_tables(desk) == before and heir.process.poll() is None:
                os.sched_yield()
        heir.send(signal.SIGKILL)
        heir.end()
    last = start(desk, 9, most=0)
    states = dict(line.split(" ") for line in read_adopted(last))
    assert expected.keys() - ledger.unsure <= states.keys()
    ledger.check([f"{client_id} {state}" for client_id, state in states.items()])


def test_of_several_that_start_at_once_one_takes_them_over(desk: Desk) -> None:
    ledger = Ledger()
    first = start(desk, 0)
    assert read_adopted(first) == []
    kill(first, ledger, 250)
    bots = [start(desk, play, most=0) for play in (1, 2, 3)]
    taken = [read_adopted(bot) for bot in bots]
    ledger.check([line for each in taken for line in each])
    assert sum(map(bool, taken)) == 1
    assert count_tables(desk) == 2
