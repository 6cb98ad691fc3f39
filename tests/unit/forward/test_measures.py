"""The agent's own instruments say what the books say."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.fakes import ListSink, SteppingClock
from tests.unit.forward.builders import Bot, add_up_for, deliver, make_courier
from tests.unit.forward.roots import Root
from tests.unit.forward.test_limits import PLENTY
from tradespan.core.delivery import Parked
from tradespan.declare import instruments
from tradespan.forward import measures
from tradespan.forward.agent import STATUS
from tradespan.forward.limits import SpaceKeeper, SpaceLimits
from tradespan.forward.measures import Meter, Reading, add_readings, measure_books, measure_space
from tradespan.spool.folder import read_json

Told = dict[str, float]


def told(readings: list[Reading]) -> Told:
    """`name{labels}` → value, without zeros."""
    return {
        "{}{}".format(
            each.instrument.name.removeprefix("tradespan."), [value for _, value in each.labels]
        ): each.value
        for each in readings
        if each.value
    }


def test_each_term_of_the_equation_is_a_series(bot: Bot, tmp_path: Path) -> None:
    one, other = make_courier(ListSink(name="one")), make_courier(ListSink(name="other"))
    bot.record(200)
    bot.record(30, failed=True)
    bot.spool.ordinary.count_discarded("oversize")
    bot.close()
    deliver(one, bot.folder)
    other.sink.rule = lambda batch: Parked("no")  # type: ignore[attr-defined]
    clock = SteppingClock()
    keeper = SpaceKeeper(
        tmp_path, SpaceLimits(8192, None), clock=clock, measure=lambda path: PLENTY
    )
    for _ in range(2):
        keeper.work([bot.folder])
        clock.step(1)
    books = add_up_for(bot.folder, one, other)
    gone = books.lanes["ordinary"].sinks["other"].discarded["limit_bytes"]
    deliver(other, bot.folder)
    readings = told(list(measure_books(add_up_for(bot.folder, one, other))))
    assert 0 < gone < 200
    assert readings == {
        "spool.records['ordinary', 'recorded']": 201,
        "spool.records['error', 'recorded']": 30,
        "spool.discarded['ordinary', 'one', 'oversize']": 1,
        "spool.discarded['ordinary', 'other', 'oversize']": 1,
        "spool.discarded['ordinary', 'other', 'limit_bytes']": gone,
        "forward.accepted['one']": 230,
        "forward.parked['other']": 230 - gone,
    }
    space = told(list(measure_space(keeper.told)))
    assert space.keys() == {"spool.bytes['ordinary']", "spool.bytes['error']"}


def test_lost_records_are_a_series_of_their_own(bot: Bot) -> None:
    bot.record(200)
    bot.close()
    (bot.folder.path / str(bot.folder.segments()[0])).unlink()
    readings = told(list(measure_books(add_up_for(bot.folder, make_courier(ListSink())))))
    lost = readings["spool.unaccounted['list']"]
    assert lost == 200 - readings["spool.undelivered['ordinary', 'list']"] > 0


def test_every_reading_has_the_labels_that_its_instrument_declares(bot: Bot) -> None:
    bot.record(3)
    readings = [*measure_books(add_up_for(bot.folder, make_courier(ListSink())))]
    readings += measure_space({"ordinary": 1, "error": 2, "set_aside": 3})
    for each in readings:
        assert sorted(label for label, _ in each.labels) == sorted(each.instrument.labels)
    declared = {each for each in vars(instruments) if each.startswith("TRADESPAN_SPOOL")}
    declared |= {each for each in vars(instruments) if each.startswith("TRADESPAN_FORWARD")}
    used = {each.instrument.name for each in readings} | {"tradespan.spool.discarded"}
    assert {getattr(instruments, each).name for each in declared} == used


def test_runs_are_added_and_a_run_that_is_over_lowers_no_counter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measures, "_LOOK_EVERY", 0.0)
    bots = [Bot(tmp_path / name) for name in ("one", "two")]
    couriers = {str(bot.folder.path): make_courier(ListSink()) for bot in bots}
    for count, bot in enumerate(bots, start=5):
        bot.record(count)
        deliver(couriers[str(bot.folder.path)], bot.folder)
    meter = Meter(lambda folder: add_up_for(folder, couriers[str(folder.path)]))
    meter.look([bot.folder for bot in bots], {})
    first = told(list(meter.readings))
    assert first["forward.accepted['list']"] == 11
    meter.look([bots[1].folder], {})
    assert told(list(meter.readings)) == first
    assert add_readings([]) == []


def test_agent_tells_them_in_its_status(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "_LOOK_EVERY", 0.0)
    bot = root.start("run", "store")
    bot.record(7)

    def look() -> bool:
        told = (read_json(root.path / STATUS) or {}).get("metrics", [])
        accepted = [each for each in told if each["name"] == "tradespan.forward.accepted"]
        return accepted == [
            {
                "name": "tradespan.forward.accepted",
                "kind": "counter",
                "unit": "{record}",
                "labels": {"tradespan.sink": "store"},
                "value": 7,
            }
        ]

    root.step_until(look)


def test_of_runs_whose_folders_are_removed_the_sum_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measures, "_LOOK_EVERY", 0.0)
    meter = Meter(lambda folder: add_up_for(folder, courier))
    for number in range(3):
        courier = make_courier(ListSink())
        bot = Bot(tmp_path / str(number))
        bot.record(100)
        bot.close()
        deliver(courier, bot.folder)
        meter.look([bot.folder], {})
        shutil.rmtree(bot.folder.path)
        meter.look([], {})
        assert told(list(meter.readings))["forward.accepted['list']"] == 100 * (number + 1)
