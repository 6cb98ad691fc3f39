"""What waits for a sink is counted, and warned of once."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.fakes import ListSink, SteppingClock
from tests.unit.forward.builders import SPAN, Bot, deliver, make_courier, make_span
from tests.unit.forward.roots import Root, always_down
from tests.unit.spool.builders import read_segment
from tradespan.core import guard
from tradespan.core.delivery import Cursor
from tradespan.core.records import Kind, LogRecord, MetricReading, Span
from tradespan.forward.backlog import BacklogWatch, Queue, Waiting, count_roughly, find_oldest
from tradespan.forward.books import Bookkeeper
from tradespan.forward.courier import Courier
from tradespan.spool.folder import read_json
from tradespan.spool.writer import SpoolLimits
from tradespan.wire.codec import encode_record


@dataclass
class Scene:
    """One run, one sink that can be down, one watch, one clock for all."""

    bot: Bot
    clock: SteppingClock
    sink: ListSink[Span] = field(default_factory=ListSink)
    live: bool = True
    asked: int = 0
    """How often the books were asked."""

    def __post_init__(self) -> None:
        self.courier: Courier[Span] = make_courier(self.sink, clock=self.clock)
        self.watch = BacklogWatch(self.count, 100, self.clock)
        self._keeper = Bookkeeper(self.bot.folder)

    def count(self, queue: Queue) -> Waiting:
        self.asked += 1
        books = self._keeper.add_up({"list": self.courier.cursor(self.bot.folder)})
        return Waiting(books.sinks["list"].on_disk, self._keeper.queue_warning_threshold)

    def look(self) -> None:
        queue = Queue(self.bot.folder, "http://receiver", self.courier, self.live)
        self.watch.look([queue])

    def fail(self) -> None:
        """The sink is down, and has been asked."""
        self.sink.rule = always_down
        self.courier.work([self.bot.folder])

    def recover(self) -> None:
        """The sink takes all that waits."""
        self.sink.rule = ListSink[Span]().rule
        self.courier.hurry(self.bot.folder)
        deliver(self.courier, self.bot.folder)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    clock = SteppingClock()
    scene = Scene(Bot(tmp_path / "run", clock=clock), clock)
    scene.bot.folder.path.mkdir(exist_ok=True)
    yield scene
    scene.courier.close()
    scene.bot.close()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]


def test_warning_comes_with_the_record_that_reaches_the_threshold(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.bot.record(99)
    scene.fail()
    scene.look()
    assert (warnings(caplog), scene.watch.undelivered) == ([], {"list": 99})
    scene.bot.record(1)
    scene.look()
    assert len(warnings(caplog)) == 1
    assert (scene.watch.undelivered, scene.watch.warnings) == ({"list": 100}, {"list": 1})


def test_warning_names_run_sink_count_age_and_cause(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    first = Span(1, b"t" * 16, 1, 0, scene.clock.wall(), 10, 0x100)
    scene.bot.spool.ordinary.append(SPAN, 1, encode_record(first))
    scene.bot.recorded = 1
    for number in range(2, 121):
        later = Span(1, b"t" * 16, number, 0, scene.clock.wall() + 10**9, 10, 0x100)
        scene.bot.spool.ordinary.append(SPAN, 1, encode_record(later))
    scene.fail()
    scene.clock.step(95)
    scene.look()
    (sentence,) = warnings(caplog)
    assert sentence == (
        "run run: 120 records wait for list (http://receiver), the oldest for 95 s:"
        " connection refused (queue_warning_threshold 100)"
    )


def test_oldest_is_the_first_that_was_not_taken(scene: Scene) -> None:
    for number in range(1, 202):
        made = scene.clock.wall() if number <= 101 else scene.clock.wall() + 60 * 10**9
        span = Span(1, b"t" * 16, number, 0, made, 0, 0x100)
        scene.bot.spool.ordinary.append(SPAN, 1, encode_record(span))
        if number == 101:
            deliver(scene.courier, scene.bot.folder)
    scene.fail()
    scene.clock.step(90)
    scene.look()
    (backlog,) = scene.watch.standing
    assert (backlog.waiting, backlog.oldest) == (100, 30.0)


@pytest.mark.parametrize(
    ("kind", "record", "made"),
    [
        (Kind.SPAN, Span(1, b"t" * 16, 1, 0, 40, 2, 0x100), 42),
        (Kind.LOG, LogRecord(0, 43, 99), 43),
        (Kind.LOG, LogRecord(0, 0, 44), 44),
        (Kind.METRIC, MetricReading(45, 7, 1, b"points"), 45),
    ],
)
def test_oldest_is_of_the_kind_that_the_sink_takes(
    tmp_path: Path, kind: Kind, record: Span | LogRecord | MetricReading, made: int
) -> None:
    bot = Bot(tmp_path / "run")
    lane = bot.spool.ordinary
    # Segments of other kinds, then one of its own among them.
    other = Kind.LOG if kind == Kind.SPAN else Kind.SPAN
    payload = encode_record(LogRecord(0, 1) if kind == Kind.SPAN else make_span(1))
    for _ in range(400):
        lane.append(other, 0, payload)
    lane.append(kind, 0, encode_record(record))
    assert len(bot.folder.segments()) > 2
    assert find_oldest(bot.folder, Cursor(kind=kind), frozenset()) == made
    beside = next(each for each in (Kind.LOG, Kind.METRIC) if each not in (kind, other))
    assert find_oldest(bot.folder, Cursor(kind=beside), frozenset()) is None


def test_oldest_is_behind_a_segment_that_is_taken_and_there_still(tmp_path: Path) -> None:
    bot = Bot(tmp_path / "run")
    bot.record(400)
    first, second, *_ = bot.folder.segments()
    taken = {str(first): (bot.folder.path / str(first)).stat().st_size}
    number = read_segment(bot.folder.path / str(second))[0].sequence
    assert find_oldest(bot.folder, Cursor(taken), frozenset()) == make_span(number).end


def test_oldest_is_not_looked_for_without_end(tmp_path: Path) -> None:
    bot = Bot(tmp_path / "run", limits=SpoolLimits(1 << 20, 1 << 20))
    for _ in range(40):
        bot.spool.ordinary.append(Kind.LOG, 0, encode_record(LogRecord(0, 1, body="x" * 60_000)))
    bot.record(1)
    assert find_oldest(bot.folder, Cursor(), frozenset()) is None


def test_warning_is_given_once_until_half_and_again_after(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.bot.record(150)
    scene.fail()
    for _ in range(3):
        scene.look()
        scene.bot.record(10)
    assert len(warnings(caplog)) == 1
    scene.recover()
    scene.look()
    assert (scene.watch.standing, scene.watch.undelivered) == ((), {"list": 0})
    scene.bot.record(100)
    scene.clock.step(60)
    scene.fail()
    scene.look()
    assert len(warnings(caplog)) == 2
    assert [each.number for each in scene.watch.standing] == [2]
    assert scene.watch.warnings == {"list": 2}


def test_backlog_between_half_and_all_of_the_threshold_still_stands(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = SteppingClock()
    scene = Scene(Bot(tmp_path / "run", clock=clock), clock)
    taken = [0]
    scene.watch = BacklogWatch(lambda queue: Waiting(200 - taken[0], 0), 100, clock)
    scene.bot.record(200)
    scene.fail()
    for taken[0], stands in ((0, True), (120, True), (150, True), (151, False), (101, False)):
        scene.look()
        assert bool(scene.watch.standing) is stands, taken
    taken[0] = 100
    scene.look()
    assert len(warnings(caplog)) == 2
    scene.courier.close()
    scene.bot.close()


@pytest.mark.parametrize("met_by", ["the courier", "the books"])
def test_smallest_threshold_of_the_functions_counts(
    tmp_path: Path, met_by: str, caplog: pytest.LogCaptureFixture
) -> None:
    clock = SteppingClock()
    scene = Scene(Bot(tmp_path / "run", clock=clock, thresholds={1: 60, 2: 30}), clock)
    scene.bot.folder.path.mkdir()
    scene.bot.folder.describe(queue_warning_threshold=5_000)
    if met_by == "the courier":
        scene.bot.record(3)
        deliver(scene.courier, scene.bot.folder)
        scene.bot.record(30)
        scene.fail()
    else:
        # Held up by a record of another function, the courier reads no further.
        scene.bot.spool.ordinary.append(SPAN, 3, encode_record(Span(3, b"t" * 16, 1, 0, 1, 1, 0)))
        scene.fail()
        scene.bot.record(29)
    scene.look()
    assert [each.threshold for each in scene.watch.standing] == [30]
    assert len(warnings(caplog)) == 1
    scene.courier.close()
    scene.bot.close()


def test_threshold_of_the_functions_does_not_raise_that_of_the_setting(tmp_path: Path) -> None:
    clock = SteppingClock()
    scene = Scene(Bot(tmp_path / "run", clock=clock, thresholds={1: 90_000}), clock)
    scene.bot.record(100)
    scene.fail()
    scene.look()
    assert [each.threshold for each in scene.watch.standing] == [100]
    scene.courier.close()
    scene.bot.close()


@pytest.mark.parametrize("told", [None, "many", -1, 0, [100]])
def test_description_that_tells_no_threshold_leaves_the_agents_own(
    scene: Scene, told: object
) -> None:
    scene.bot.folder.describe(queue_warning_threshold=told)
    scene.bot.record(100)
    scene.fail()
    scene.look()
    assert [each.threshold for each in scene.watch.standing] == [100]


def test_what_an_ended_run_left_is_counted_but_not_warned_of(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.live = False
    scene.bot.record(500)
    scene.fail()
    scene.look()
    assert (warnings(caplog), scene.watch.undelivered) == ([], {"list": 500})


def test_records_that_were_lost_are_no_backlog(scene: Scene) -> None:
    scene.bot.record(150)
    (segment, *_) = scene.bot.folder.segments()
    scene.bot.die()
    (scene.bot.folder.path / str(segment)).unlink()
    deliver(scene.courier, scene.bot.folder)
    assert count_roughly(scene.bot.folder, scene.courier.cursor(scene.bot.folder)) > 0
    scene.watch = BacklogWatch(scene.count, 10, scene.clock)
    scene.look()
    assert (scene.watch.standing, scene.watch.undelivered) == ((), {"list": 0})


def test_books_are_left_alone_while_the_sink_keeps_up(scene: Scene) -> None:
    for _ in range(20):
        scene.bot.record(40)
        scene.look()
        deliver(scene.courier, scene.bot.folder)
        scene.look()
    assert scene.asked == 0


def test_burst_that_the_sink_takes_at_once_is_not_warned_of(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        scene.bot.record(500)
        scene.look()
        deliver(scene.courier, scene.bot.folder)
        scene.look()
    assert warnings(caplog) == []


def test_slow_sink_is_told_apart_from_a_dead_one(scene: Scene) -> None:
    scene.bot.record(100)
    scene.look()
    assert list(scene.watch.standing) == []
    scene.look()
    assert [each.cause for each in scene.watch.standing] == ["they come faster than it takes them"]
    scene.courier.sending_since = scene.clock.seconds() - 12
    scene.look()
    assert [each.cause for each in scene.watch.standing] == ["it has not answered for 12 s"]


def test_queue_that_cannot_be_looked_at_stays_as_it_was_and_hides_no_other(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = guard.raise_errors(False)
    other = Scene(Bot(tmp_path / "other", clock=scene.clock), scene.clock)
    queues: list[Queue] = []
    for one in (scene, other):
        one.bot.record(100)
        one.fail()
        queues.append(Queue(one.bot.folder, "http://receiver", one.courier, live=True))
    scene.watch = BacklogWatch(lambda queue: Waiting(100, 0), 100, scene.clock)
    scene.watch.look(queues)
    assert len(scene.watch.standing) == 2

    def break_down(folder: object) -> None:
        raise OSError("the disk is gone")

    with monkeypatch.context() as patched:
        patched.setattr(scene.courier, "source", break_down)
        scene.clock.step(10)
        scene.watch.look(queues)
    stuck, moved = scene.watch.standing
    assert (stuck.oldest or 0) < (moved.oldest or 0)
    other.courier.close()
    other.bot.close()
    guard.raise_errors(before)


def test_agent_tells_of_backlogs_and_counts_in_its_status(root: Root) -> None:
    root.sink("dead", always_down)
    bot = root.start("run", "dead", "alive", queue_warning_threshold=50)
    bot.record(60)
    root.step_until(lambda: (read_json(root.path / "agent.json") or {}).get("backlogs"))
    told = read_json(root.path / "agent.json") or {}
    (backlog,) = told["backlogs"]
    assert (backlog["run"], backlog["sink"], backlog["waiting"]) == ("run", "dead", 60)
    assert backlog["folder"] == str(bot.folder.path)
    assert "60 records wait for dead" in backlog["sentence"]
    assert (told["sinks"]["dead"]["undelivered"], told["sinks"]["dead"]["queue_warnings"]) == (
        60,
        1,
    )
    root.step_until(
        lambda: (read_json(root.path / "agent.json") or {})["sinks"]["alive"]["undelivered"] == 0
    )
    bot.close()
