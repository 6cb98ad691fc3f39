"""Delivery to one sink that refuses: split, park, and a sink that fails in itself."""

from __future__ import annotations

import errno

import pytest

from tests.support.fakes import ListSink, MemoryCursors, SteppingClock
from tests.unit.forward.builders import (
    Bot,
    ids,
    make_courier,
    parked_files,
    parked_ids,
    taken,
    work_on,
)
from tradespan.core.delivery import Accepted, Batch, Cursor, Outcome, Parked, Retry, Split
from tradespan.core.records import Span
from tradespan.forward.cutting import halve
from tradespan.spool.folder import RunFolder, read_json
from tradespan.spool.reader import SegmentReader
from tradespan.wire.codec import decode_span

DOWN = Retry("connection refused")


def refuse_poison(*poison: int, most: int = 10_000) -> ListSink[Span]:
    """Takes no batch with poison in it, nor one of more than `most` records."""

    def rule(batch: Batch[Span]) -> Outcome:
        if batch.count > most or set(ids(batch)) & set(poison):
            return Split("HTTP 413: too large")
        return Accepted()

    return ListSink(rule=rule)


def test_batch_that_is_too_large_is_delivered_in_parts_and_in_order(bot: Bot) -> None:
    bot.record(300)
    sink = refuse_poison(most=50)
    work_on(make_courier(sink), bot.folder)
    assert taken(sink) == list(range(1, 301))
    assert max(batch.count for batch in sink.taken) <= 50
    assert parked_files(bot.folder) == []


def test_poison_record_alone_is_parked(bot: Bot, caplog: pytest.LogCaptureFixture) -> None:
    bot.record(300)
    sink = refuse_poison(77, 250)
    keeper = MemoryCursors()
    work_on(make_courier(sink, keeper), bot.folder)
    assert taken(sink) == [number for number in range(1, 301) if number not in (77, 250)]
    assert sorted(parked_ids(bot.folder)) == [77, 250]
    cursor = keeper.kept[str(bot.folder.path)]
    assert (cursor.accepted, cursor.parked) == (298, 2)
    assert len(sink.offered) < 60
    assert caplog.text.count("parked") == 2


def test_parts_already_accepted_are_not_sent_again_while_the_rest_waits(
    bot: Bot, clock: SteppingClock
) -> None:
    bot.record(100)
    sink = refuse_poison(most=50)
    courier = make_courier(sink, clock=clock)
    sink.answers.extend([Split("too large"), Accepted(), DOWN, DOWN])
    for _ in range(4):
        courier.work([bot.folder])
        clock.step(60)
    assert taken(sink) == list(range(1, 101))
    assert [ids(batch) for batch in sink.offered[2:5]] == [list(range(51, 101))] * 3
    assert courier.cursor(bot.folder).accepted == 100


def test_parked_file_is_a_segment_with_its_reason_beside(bot: Bot) -> None:
    bot.record(3)
    bot.record(2, failed=True)
    sink = ListSink[Span](rule=lambda batch: Parked("HTTP 400: bad field"))
    work_on(make_courier(sink), bot.folder)
    origins = set()
    for path in parked_files(bot.folder):
        reader = SegmentReader(path)
        assert reader.header.closed
        assert reader.writer_is_gone()
        stretch = reader.read(0)
        spans = [decode_span(record.payload) for record in stretch.records]
        assert {reader.sites[span.site].name for span in spans} == {"decide"}
        assert reader.origin.resource.attributes == {"service.name": "bot"}
        assert reader.read(stretch.end).finished
        assert reader.damaged_bytes == 0
        reader.close()
        facts = read_json(path.with_suffix(".json"))
        assert facts is not None
        assert (facts["reason"], facts["sink"]) == ("HTTP 400: bad field", "list")
        assert facts["records"] == facts["refused"] == len(spans)
        origins.add((facts["writer"], reader.origin.writer == facts["writer"]))
        assert facts["segment"] in [str(name) for name in bot.folder.segments()]
    assert sorted(parked_ids(bot.folder)) == [1, 2, 3, 4, 5]
    assert origins == {(bot.spool.identity.hex(), False)}


def test_parked_folder_can_be_sent_like_any_other(bot: Bot, sink: ListSink[Span]) -> None:
    bot.record(5)
    work_on(make_courier(ListSink(rule=lambda batch: Parked("no"))), bot.folder)
    work_on(make_courier(sink), RunFolder(bot.folder.path / "parked" / "list"))
    assert taken(sink) == [1, 2, 3, 4, 5]


def test_partial_success_counts_what_was_refused_and_keeps_the_whole_batch(bot: Bot) -> None:
    bot.record(10)
    keeper = MemoryCursors()
    sink = ListSink[Span](rule=lambda batch: Parked("partial success: 3", 3))
    work_on(make_courier(sink, keeper), bot.folder)
    cursor = keeper.kept[str(bot.folder.path)]
    assert (cursor.accepted, cursor.parked) == (7, 3)
    assert parked_ids(bot.folder) == list(range(1, 11))
    facts = read_json(parked_files(bot.folder)[0].with_suffix(".json"))
    assert facts is not None
    assert (facts["records"], facts["refused"]) == (10, 3)


def test_what_cannot_be_parked_is_not_acknowledged(
    bot: Bot, clock: SteppingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot.record(5)
    keeper = MemoryCursors()
    sink = ListSink[Span](rule=lambda batch: Parked("no"))
    courier = make_courier(sink, keeper, clock=clock)
    (bot.folder.path / "parked").write_text("in the way")
    for _ in range(3):
        assert not courier.work([bot.folder])
        clock.step(60)
    assert keeper.kept == {}
    assert courier.finished(bot.folder) == frozenset()
    assert "cannot be parked" in courier.state.last_error
    (bot.folder.path / "parked").unlink()
    courier.work([bot.folder])
    assert parked_ids(bot.folder) == [1, 2, 3, 4, 5]
    assert keeper.kept[str(bot.folder.path)].parked == 5


def test_halves_are_together_the_batch(bot: Bot, sink: ListSink[Span]) -> None:
    bot.record(41)
    bot.record(20, failed=True)
    work_on(make_courier(sink), bot.folder)
    (batch,) = sink.taken
    first, second = halve(batch)
    assert abs(first.count - second.count) <= 1
    assert ids(first) + ids(second) == ids(batch)
    assert (first.ahead, second.ahead) == (None, None)


# ── a sink that fails in itself ─────────────────────────────────────────────────────────────────


def test_record_on_which_a_sink_fails_is_found_and_parked(
    bot: Bot, clock: SteppingClock, quiet_guard: None
) -> None:
    def rule(batch: Batch[Span]) -> Outcome:
        if 33 in ids(batch):
            raise KeyError("site")
        return Accepted()

    bot.record(64)
    sink = ListSink(rule=rule)
    courier = make_courier(sink, clock=clock)
    for _ in range(40):
        courier.work([bot.folder])
        clock.step(60)
    assert taken(sink) == [number for number in range(1, 65) if number != 33]
    assert parked_ids(bot.folder) == [33]


def test_sink_that_fails_once_is_asked_again(
    bot: Bot, sink: ListSink[Span], clock: SteppingClock, quiet_guard: None
) -> None:
    bot.record(5)
    sink.answers.append(MemoryError())
    courier = make_courier(sink, clock=clock)
    courier.work([bot.folder])
    clock.step(60)
    courier.work([bot.folder])
    assert [ids(batch) for batch in sink.taken] == [[1, 2, 3, 4, 5]]


def test_cursor_that_cannot_be_kept_makes_no_flood_and_is_kept_later(
    bot: Bot, sink: ListSink[Span], quiet_guard: None
) -> None:
    # A full disk: the receiver has the batch, and must not get it ten times a second.
    bot.record(20)
    bot.close()
    keeper = MemoryCursors()
    keeper.fault = OSError(errno.ENOSPC, "No space left on device")
    courier = make_courier(sink, keeper)
    for _ in range(20):
        courier.work([bot.folder])
    assert [ids(batch) for batch in sink.offered] == [list(range(1, 21))]
    # Were the segment deleted now, a kill would leave a cursor that knows nothing of its records.
    assert courier.finished(bot.folder) == set()
    assert courier.cursor(bot.folder).accepted == 20
    keeper.fault = None
    courier.work([bot.folder])
    assert courier.finished(bot.folder) == {str(name) for name in bot.folder.segments()}
    assert keeper.kept[str(bot.folder.path)].accepted == 20
    assert keeper.saves == 1


def test_cursor_that_cannot_be_read_is_asked_for_again(
    bot: Bot, sink: ListSink[Span], clock: SteppingClock
) -> None:
    class Locked(MemoryCursors):
        locked = True

        def load(self, folder: str) -> Cursor:
            if self.locked:
                raise OSError("database is locked")
            return super().load(folder)

    bot.record(5)
    keeper = Locked()
    courier = make_courier(sink, keeper, clock=clock)
    assert not courier.work([bot.folder])
    assert courier.state.failing_since is not None
    keeper.locked = False
    clock.step(60)
    work_on(courier, bot.folder)
    assert taken(sink) == [1, 2, 3, 4, 5]
