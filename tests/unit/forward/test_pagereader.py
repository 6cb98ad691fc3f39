"""The agent reads metric pages: zeros, values, ends; each once, whoever goes on."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from tests.unit.forward.metered import METRICS, SECOND, World, told
from tests.unit.pages.builders import CHECK, MILLISECOND, Writer, count
from tests.unit.pages.measured import LATENCY, OPEN, TRADES, VALUE, Page, put_exemplar
from tradespan.core.records import Resource
from tradespan.declare.instruments import TRADESPAN_FORWARD_ACCEPTED
from tradespan.forward.exemplars import Exemplar, key_of
from tradespan.forward.measures import Reading
from tradespan.forward.pagereader import Served
from tradespan.spool.folder import READINGS, RunFolder
from tradespan.spool.listing import Listing
from tradespan.spool.names import is_agents
from tradespan.spool.writer import SpoolWriter
from tradespan.wire.codec import encode_record


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "run")


def test_new_counter_is_told_as_zero_at_its_start_first(world: World) -> None:
    page = world.process()
    created = world.clock.wall()
    page.add(TRADES, 3)
    zero, value = world.step()

    assert (zero.value, zero.start, zero.time) == (0, created, created)
    assert (value.value, value.start) == (3, created)
    assert value.time > zero.time
    assert zero.labels == value.labels == {"venue": "X"}


def test_counter_that_comes_later_was_zero_at_the_reading_before(world: World) -> None:
    page = world.process()
    page.add(TRADES, 3)
    before = world.step()[-1].time
    page.histogram(LATENCY, [0.2])
    zero, _, value = sorted(world.step(), key=lambda point: (point.name, point.time))[:3]

    assert (zero.name, zero.value, zero.time) == (LATENCY.name, 0, before)
    assert zero.counts == (0, 0, 0, 0)
    assert value.name == TRADES.name


def test_values_are_cumulative_and_keep_their_start(world: World) -> None:
    page = world.process()
    for _ in range(3):
        page.add(TRADES, 2)
        world.step()
    page.add(TRADES, 1)
    (point,) = world.step()
    assert (point.value, point.kind) == (7, "counter")


def test_nothing_is_read_before_it_is_due(world: World) -> None:
    page = world.process()
    page.add(TRADES)
    assert world.step()
    assert world.step(4.9) == []
    assert world.step(0.2) != []


def test_process_that_dies_has_a_last_reading_and_no_other(world: World) -> None:
    page = world.process()
    page.add(TRADES, 1)
    page.number(VALUE, 5.0, 1)
    page.number(OPEN, 2.0)
    world.step()
    page.add(TRADES, 1)
    page.die()
    points = world.step()

    assert told(points, TRADES.name) == [2]
    assert told(points, VALUE.name) == [5.0, None]
    assert told(points, OPEN.name) == [2.0, None]
    value, end = (point for point in points if point.name == VALUE.name)
    assert end.time - value.time == 1_000_000
    assert world.step() == []


def test_gauge_that_was_removed_ends_and_comes_back(world: World) -> None:
    page = world.process()
    page.number(VALUE, 5.0, 1)
    world.step()
    page.number(VALUE, 5.0, 0)
    assert told(world.step(), VALUE.name) == [None]
    assert world.step() == []
    page.number(VALUE, 6.0, 2)
    assert told(world.step(), VALUE.name) == [6.0]


def test_next_agent_goes_on_where_the_last_one_was_killed(world: World) -> None:
    page, dead = world.process(), world.process()
    for each in (page, dead):
        each.add(TRADES, 3)
    dead.die()
    world.step()
    world.reader = world.make_reader()
    page.add(TRADES, 1)

    assert told(world.step(), TRADES.name) == [4], "no zero, and nothing of the dead one"


def test_process_that_lived_and_died_while_no_agent_was_there(world: World) -> None:
    page = world.process()
    page.add(TRADES, 3)
    page.number(VALUE, 5.0, 1)
    page.die()
    world.clock.step(3_600.0)
    points = world.step()

    assert told(points, TRADES.name) == [0, 3]
    assert told(points, VALUE.name) == [5.0, None]


def test_process_ended_when_it_touched_its_page_last(world: World) -> None:
    page = world.process()
    page.number(VALUE, 5.0, 1)
    page.die()
    died = world.clock.wall() + 60 * SECOND
    os.utime(page.writer.path, ns=(died, died))
    world.clock.step(3_600.0)
    value, end = (point for point in world.step() if point.name == VALUE.name)

    assert (value.time, end.time) == (died, died + 1_000_000)


def test_folder_is_not_listed_anew_for_each_process(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    listing = RunFolder._listing  # noqa: SLF001

    def look(folder: RunFolder) -> Listing:
        nonlocal looks
        looks += 1
        return listing(folder)

    monkeypatch.setattr(RunFolder, "_listing", look)

    def read(processes: int) -> int:
        nonlocal looks
        for _ in range(processes):
            page = world.process()
            page.add(TRADES)
            page.die()
        looks = 0
        world.clock.step(5.0)
        world.reader.read_now(world.folder)
        return looks

    assert read(2) == read(20), "a server's thousand workers took ten seconds"


def test_dead_are_told_of_before_the_living(world: World) -> None:
    old = world.process()
    old.number(VALUE, 1.0, 1)
    world.step()
    old.die()
    new = world.process()
    new.number(VALUE, 2.0, 1)
    points = [point for point in world.step() if point.name == VALUE.name]

    assert told(points, VALUE.name) == [1.0, None, 2.0]
    assert len({point.instance for point in points}) == 2


def test_end_of_a_run_reads_all_and_closes_the_segment(world: World) -> None:
    page = world.process()
    page.add(TRADES, 1)
    world.step()
    page.add(TRADES, 1)
    page.die()
    points = world.finish()

    assert told(points, TRADES.name) == [2]
    assert [each.alive for each in world.folder.pages() if is_agents(each.writer)] == [False]
    assert world.reader.may_fold(world.folder, page.name)


def test_reading_at_once_ends_nothing(world: World) -> None:
    page = world.process()
    page.add(TRADES, 1)
    page.number(VALUE, 5.0, 1)
    world.step()
    page.add(TRADES, 1)
    world.clock.step(0.1)
    world.reader.read_now(world.folder)
    points = world.recorded()

    assert told(points, TRADES.name) == [2]
    assert all(point.has_value for point in points)


def test_heartbeat_ends_with_the_run(world: World) -> None:
    world.process().add(TRADES)
    world.step()
    world.clock.step(0.5)
    assert told(world.finish(), "tradespan.agent.heartbeat") == [None]


def test_process_that_is_about_to_end_is_told_as_ended_and_read_once_more(world: World) -> None:
    page = world.process()
    page.add(TRADES, 1)
    page.number(VALUE, 5.0, 1)
    world.step()
    points = world.finish(leaving=os.getpid())
    assert told(points, VALUE.name) == [5.0, None]
    assert not world.reader.may_fold(world.folder, page.name)

    page.add(TRADES, 1)
    page.die()
    world.reader = world.make_reader()
    points = world.step()
    assert told(points, TRADES.name) == [2]
    assert told(points, VALUE.name) == []


def test_resource_is_the_runs_where_the_process_wrote_nothing_else(world: World) -> None:
    page = world.process()
    page.add(TRADES)
    resource = world.step()[0].resource

    assert resource["service.name"] == "bot"
    assert resource["zone"] == "eu"
    assert resource["process.pid"] == os.getpid()
    assert resource["service.instance.id"].replace("-", "") == page.name


def test_resource_is_that_of_the_processs_segments(world: World) -> None:
    spool = SpoolWriter(
        world.folder.path,
        describe=lambda writer: encode_record(Resource({"service.name": "mine"})),
        site_payload=lambda number: b"",
    )
    spool.ordinary.append(99, 0, b"x")
    page = Page(world.folder.path, Writer(world.folder.path, spool.identity, clock=world.clock))
    page.add(TRADES)
    assert world.step()[0].resource == {"service.name": "mine"}
    spool.close()
    for name in world.folder.segments():
        if name.writer == spool.identity.hex():
            (world.folder.path / str(name)).unlink()
    world.reader = world.make_reader()
    assert world.step()[0].resource == {"service.name": "mine"}, "it stays what it was"


def test_functions_are_told_by_their_declared_instruments(world: World) -> None:
    page = world.process()
    count(page.page, CHECK, MILLISECOND, 2 * MILLISECOND, errors=1)
    value = 2 * MILLISECOND
    seen = Exemplar(value, "ab" * 16, "cd" * 8, world.clock.wall(), page.name)
    other = seen._replace(writer="0" * 32)
    world.exemplars = {key_of(CHECK): {0: seen, 1: other}}
    points = [point for point in world.step() if point.time > point.start]
    found = {point.name: point for point in points}

    assert found["tradespan.function.calls"].value == 2
    assert found["tradespan.function.errors"].value == 1
    assert found["tradespan.function.good"].value == 1
    assert found["tradespan.objective.target"].value == CHECK.target
    duration = found["tradespan.function.duration"]
    assert (duration.value, duration.unit) == (2, "s")
    assert duration.sum == pytest.approx(0.003)
    assert duration.labels == {
        "code.function.name": CHECK.name,
        "tradespan.process_group": CHECK.process_group,
    }
    (exemplar,) = duration.exemplars
    assert exemplar.as_double == pytest.approx(0.002)
    assert exemplar.trace_id.hex() == "ab" * 16


def test_exemplar_is_told_once(world: World) -> None:
    page = world.process()
    cells = page.histogram(LATENCY, [0.2])
    put_exemplar(cells, 0.2, world.clock.wall())
    assert [len(point.exemplars) for point in world.step()] == [0, 1]
    assert [len(point.exemplars) for point in world.step()] == [0]
    put_exemplar(cells, 0.3, world.clock.wall(), sequence=4)
    assert [len(point.exemplars) for point in world.step()] == [1]


def test_same_series_declared_twice_is_told_once(world: World) -> None:
    page = world.process()
    page.number(TRADES, 2.0)
    # Another page of the same writer, as after a second `configure()`.
    Page(world.folder.path, page.writer).number(TRADES, 3.0)
    assert told(world.step(), TRADES.name) == [0, 5.0]


def test_agents_own_counters_are_zero_before_they_come(world: World) -> None:
    world.process().add(TRADES)
    reading = Reading(TRADESPAN_FORWARD_ACCEPTED, (("tradespan.sink", "one"),), 7)
    world.own = [reading]
    world.clock.step(5.0)
    served = Served(world.folder, frozenset([METRICS]), lambda: True)
    name = TRADESPAN_FORWARD_ACCEPTED.name

    world.reader.work([served])
    assert told(world.recorded(), name) == [7], "nobody knows since when"
    world.own = [reading, reading._replace(labels=(("tradespan.sink", "two"),), value=1)]
    world.clock.step(5.0)
    world.reader.work([served])
    assert told(world.recorded(), name) == [0, 7, 1]


def test_agent_says_nothing_of_itself_by_runs_that_are_over(world: World) -> None:
    world.live = False
    world.process().add(TRADES)
    world.step()
    assert {point.service for point in world.recorded()} == set()


@pytest.mark.parametrize("content", ["", "[]", '{"writers": 7}', '{"writers": {"a": 1, "b": {}}}'])
def test_damaged_file_of_what_was_read_means_that_nothing_was(world: World, content: str) -> None:
    (world.folder.path / READINGS).write_text(content)
    world.process().add(TRADES, 2)
    assert told(world.step(), TRADES.name) == [0, 2]


def test_clock_that_goes_back_makes_no_point_older_than_the_last(world: World) -> None:
    page = world.process()
    page.add(TRADES)
    before = world.step()[-1].time
    world.reader.close()
    world.reader = world.make_reader(wall=lambda: before - 3_600 * SECOND)
    (point,) = world.step()
    assert point.time > before


def test_many_series_are_read_in_steps(world: World) -> None:
    page = world.process()
    for number in range(3_000):
        page.number(TRADES.__class__("many", "counter", labels=(("n", str(number)),)), 1.0)
    world.clock.step(5.0)
    served = Served(world.folder, frozenset([METRICS]), lambda: False)
    ticks = itertools.count()
    world.reader = world.make_reader(now=lambda: float(next(ticks)))
    steps, found = 0, 0
    while found < 3_000:
        world.reader.work([served])
        steps += 1
        found += len([p for p in world.recorded() if p.name == "many" and p.value == 1])
        assert steps < 100
    assert steps > 5
