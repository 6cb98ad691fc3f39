"""Delivery to a sink that denies us: a token that has expired, rights that are not given yet."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.support.fakes import ListSink, SteppingClock
from tests.unit.forward.builders import (
    Bot,
    ids,
    make_courier,
    parked_files,
    parked_ids,
    taken,
    work_on,
)
from tests.unit.forward.roots import Root
from tradespan.core.delivery import Accepted, Batch, Denied, Outcome, Parked, Retry, Split
from tradespan.core.records import Span
from tradespan.forward.agent import STATUS
from tradespan.forward.courier import DENIALS, Courier
from tradespan.forward.source import BatchLimits
from tradespan.forward.transitions import TRANSITIONS, Action, State, transition
from tradespan.spool.folder import RunFolder, read_json

NO = Denied("HTTP 401: token expired")


class Gateway:
    """A sink's rule: it denies everybody while it is shut, and always what it does not like."""

    def __init__(self, *disliked: int) -> None:
        self.shut = False
        self.disliked = set(disliked)

    def __call__(self, batch: Batch[Span]) -> Outcome:
        return NO if self.shut or self.disliked & set(ids(batch)) else Accepted()


def keep_trying(
    courier: Courier[Span], folder: RunFolder, clock: SteppingClock, times: int
) -> None:
    for _ in range(times):
        courier.work([folder])
        clock.step(60)


def test_nothing_is_parked_while_we_are_denied_and_all_goes_once_we_are_not(
    bot: Bot, clock: SteppingClock
) -> None:
    gateway = Gateway()
    gateway.shut = True
    sink = ListSink(rule=gateway)
    courier = make_courier(sink, clock=clock)
    bot.record(300)
    keep_trying(courier, bot.folder, clock, 50)
    assert courier.state.waits_for is State.DENIED
    assert courier.state.last_error == "HTTP 401: token expired"
    assert (taken(sink), parked_files(bot.folder)) == ([], [])
    gateway.shut = False
    bot.record(10)
    work_on(courier, bot.folder)
    assert sorted(taken(sink)) == list(range(1, 311))
    assert parked_files(bot.folder) == []
    assert (courier.state.waits_for, courier.state.failing_since) == (State.READY, None)
    assert courier.cursor(bot.folder).accepted == 310


def test_a_denied_courier_asks_with_one_record_at_most_every_half_minute(
    bot: Bot, clock: SteppingClock
) -> None:
    gateway = Gateway()
    gateway.shut = True
    sink = ListSink(rule=gateway)
    courier = make_courier(sink, clock=clock)
    bot.record(300)
    asked = []
    for _ in range(600):
        before = len(sink.offered)
        courier.work([bot.folder])
        asked.append(len(sink.offered) - before)
        clock.step(1)
    assert max(asked) == 1
    assert [batch.count for batch in sink.offered[1:]] == [1] * (len(sink.offered) - 1)
    assert 10 <= len(sink.offered) <= 40


def test_the_first_that_is_taken_opens_the_way_for_all_folders_at_once(
    tmp_path: Path, clock: SteppingClock
) -> None:
    gateway = Gateway()
    gateway.shut = True
    sink = ListSink(rule=gateway)
    courier = make_courier(sink, clock=clock)
    bots = [Bot(tmp_path / name) for name in ("a", "b", "c")]
    for each in bots:
        each.record(50)
    folders = [each.folder for each in bots]
    for _ in range(20):
        courier.work(folders)
        clock.step(60)
    gateway.shut = False
    assert courier.work(folders)
    assert len(taken(sink)) == 150


@pytest.mark.parametrize("disliked", [(77,), (1,), (300,), (1, 2, 299), tuple(range(1, 9))])
def test_what_is_denied_while_others_are_taken_is_parked_and_holds_up_nobody(
    bot: Bot, clock: SteppingClock, disliked: tuple[int, ...]
) -> None:
    sink = ListSink(rule=Gateway(*disliked))
    courier = make_courier(sink, clock=clock)
    bot.record(300)
    keep_trying(courier, bot.folder, clock, 40 + 4 * len(disliked))
    assert sorted(taken(sink)) == [n for n in range(1, 301) if n not in disliked]
    assert sorted(parked_ids(bot.folder)) == list(disliked)
    cursor = courier.cursor(bot.folder)
    assert (cursor.accepted, cursor.parked) == (300 - len(disliked), len(disliked))


def test_one_record_is_asked_for_several_times_before_it_is_parked(
    bot: Bot, clock: SteppingClock
) -> None:
    sink = ListSink(rule=Gateway(2))
    courier = make_courier(sink, clock=clock)
    bot.record(2)
    keep_trying(courier, bot.folder, clock, 10)
    alone = [batch for batch in sink.offered if ids(batch) == [2]]
    assert len(alone) >= DENIALS
    assert parked_ids(bot.folder) == [2]


def test_a_receiver_that_is_gone_while_it_denied_us_is_waited_for(
    bot: Bot, sink: ListSink[Span], clock: SteppingClock
) -> None:
    sink.answers.extend([NO, Retry("connection refused"), NO, Retry("HTTP 503")])
    courier = make_courier(sink, clock=clock)
    bot.record(20)
    states = []
    for _ in range(4):
        courier.work([bot.folder])
        states.append(courier.state.waits_for)
        clock.step(60)
    assert states == [State.DENIED, State.WAITING, State.DENIED, State.WAITING]
    work_on(courier, bot.folder)
    assert sorted(taken(sink)) == list(range(1, 21))


def test_the_agents_status_tells_who_denies_us_why_and_how_much_waits(root: Root) -> None:
    gateway = Gateway()
    gateway.shut = True
    root.sink("here", gateway)
    bot = root.start("run", "here")
    bot.record(300)

    def told() -> dict[str, Any]:
        status = read_json(root.path / STATUS) or {}
        sink: dict[str, Any] = status.get("sinks", {}).get("here", {})
        return sink

    root.step_until(lambda: told().get("state") == "denied" and told()["undelivered"] == 300)
    assert (told()["failing"], told()["last_error"]) == (True, "HTTP 401: token expired")
    gateway.shut = False
    root.step_until(lambda: told()["state"] == "ready" and told()["undelivered"] == 0)
    assert len(root.sink("here").records) == 300


# ── memory ──────────────────────────────────────────────────────────────────────────────────────


def test_a_courier_holds_one_full_batch_however_much_waits_wherever(
    tmp_path: Path, clock: SteppingClock
) -> None:
    def refuse(batch: Batch[Span]) -> Outcome:
        return Retry("connection refused")

    courier = make_courier(ListSink(rule=refuse), clock=clock, limits=BatchLimits(records=100))
    bots = [Bot(tmp_path / f"run{number}") for number in range(10)]
    for each in bots:
        each.record(2_000)
    for _ in range(30):
        courier.work([each.folder for each in bots])
        clock.step(60)
    pieces = [piece for held in courier._held.values() for piece in held.pieces]  # noqa: SLF001
    assert len(pieces) == 1
    # A batch ends with the read that fills it: one segment of 4 KiB here, some sixty records.
    assert 100 <= pieces[0].count < 200


def test_batches_grow_with_the_backlog(bot: Bot, sink: ListSink[Span]) -> None:
    courier = make_courier(sink)
    for waiting in (1, 50, 2_000):
        bot.record(waiting)
        work_on(courier, bot.folder)
    assert [batch.count for batch in sink.taken] == [1, 50, 2_000]


# ── the table ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("of_one", [True, False])
@pytest.mark.parametrize("others_taken", [True, False])
@pytest.mark.parametrize("outcome", [Accepted(), Retry("x"), Denied("x"), Split("x"), Parked("x")])
def test_each_outcome_leads_somewhere(outcome: Outcome, of_one: bool, others_taken: bool) -> None:
    row = transition(outcome, of_one, others_taken)
    # A record leaves the disk by one of two ways only, and one record cannot be halved.
    acknowledged = row.action is Action.ACKNOWLEDGE
    assert acknowledged == isinstance(outcome, Accepted)
    assert not (of_one and row.action is Action.HALVE)
    waits = row.action in (Action.KEEP, Action.PROBE)
    assert waits == (row.state is not State.READY)


def test_no_row_of_the_table_is_unreachable() -> None:
    outcomes: list[Outcome] = [Accepted(), Retry("x"), Denied("x"), Split("x"), Parked("x")]
    met = {transition(*each) for each in product(outcomes, (True, False), (True, False))}
    assert met == set(TRANSITIONS)
