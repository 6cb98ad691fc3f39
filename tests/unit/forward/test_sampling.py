"""The agent's sampling: whole traces, judged when they are known, safe on disk meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.fakes import MemoryCursors, SteppingClock
from tests.unit.forward.builders import SMALL, Bot
from tradespan.core.delivery import Cursor
from tradespan.core.records import OPEN, Kind, Span
from tradespan.forward.books import add_up
from tradespan.forward.sampling import SampledSource, SamplingPolicy, Verdicts
from tradespan.spool.folder import ENDED, replace_json
from tradespan.wire.codec import decode_span, encode_record

SECOND = 10**9
NONE = SamplingPolicy(share=0.0, slow=1.0, wait=5.0)


class Traces(Bot):
    """A bot whose traces have ids of their own."""

    def span(
        self,
        trace: int,
        *,
        duration: int = 10,
        failed: bool = False,
        attributes: dict[str, str] | None = None,
        flags: int = 0x100,
    ) -> int:
        """Record one span of a trace; its id."""
        self.recorded += 1
        span = Span(
            1,
            trace_id(trace),
            self.recorded,
            0,
            1_000,
            duration,
            flags | (2 if failed else 0),
            attributes=attributes,
        )
        lane = self.spool.errors if failed else self.spool.ordinary
        lane.append(int(Kind.SPAN), 1, encode_record(span))
        return self.recorded


def trace_id(number: int) -> bytes:
    return number.to_bytes(2, "big") + bytes(7) + (number * 2**56 // 700 % 2**56).to_bytes(7, "big")


@pytest.fixture
def bot(tmp_path: Path) -> Traces:
    return Traces(tmp_path, limits=SMALL)


class Delivery:
    """A sampled source that is taken from, and its clock."""

    def __init__(self, bot: Bot, policy: SamplingPolicy, keeper: MemoryCursors | None = None):
        self.clock = SteppingClock()
        self.keeper = keeper or MemoryCursors()
        self.folder = bot.folder
        self.source = SampledSource(
            bot.folder,
            Kind.SPAN,
            decode_span,
            self.keeper.load(str(bot.folder.path)),
            policy=policy,
            now=self.clock.seconds,
        )

    def take(self) -> list[int]:
        """What is given now; accepted, and the cursor kept."""
        taken = []
        while (found := self.source.next_batch()) is not None:
            batch, ahead = found
            taken += [span.span_id for part in batch.slices for span in part.records]
            self.source.accept(ahead)
        self.keeper.save(str(self.folder.path), self.source.cursor)
        self.source.unsaved = False
        return taken

    def cursor(self) -> Cursor:
        return self.source.cursor


def test_records_wait_on_disk_until_their_trace_can_be_judged(bot: Traces) -> None:
    bot.span(1, duration=2 * SECOND)
    delivery = Delivery(bot, NONE)
    assert delivery.take() == []
    delivery.clock.step(4.9)
    assert delivery.take() == []
    delivery.clock.step(0.2)
    assert delivery.take() == [1]


def test_a_late_error_keeps_the_spans_of_its_trace_that_came_before(bot: Traces) -> None:
    early, other = bot.span(1), bot.span(2)
    delivery = Delivery(bot, NONE)
    assert delivery.take() == []
    failed = bot.span(1, failed=True)
    assert delivery.take() == [failed], "an error waits for nobody"
    delivery.clock.step(6)
    assert delivery.take() == [early]
    assert other not in delivery.take()


@pytest.mark.parametrize(
    "reason",
    [
        {"duration": SECOND},
        {"attributes": {"trading.order.client_id": "A-1"}},
        {"attributes": {"tradespan.exemplar": True}},
        {"flags": 0x100 | OPEN},
    ],
    ids=["slow", "order", "exemplar", "durable"],
)
def test_one_remarkable_span_keeps_its_whole_trace(bot: Traces, reason: dict[str, object]) -> None:
    whole = [bot.span(1), bot.span(1, **reason), bot.span(1)]  # type: ignore[arg-type]
    bot.span(2)
    delivery = Delivery(bot, NONE)
    delivery.take()
    delivery.clock.step(6)
    assert delivery.take() == whole


def test_a_share_of_the_others_is_kept_by_their_ids_whole(bot: Traces) -> None:
    for _ in range(2):
        for trace in range(700):
            bot.span(trace)
    delivery = Delivery(bot, SamplingPolicy(share=0.3))
    delivery.take()
    delivery.clock.step(6)
    kept = [(number - 1) % 700 for number in delivery.take()]
    assert sorted(kept) == sorted(2 * list(set(kept))), "a trace is kept whole or not at all"
    assert 700 * 0.2 < len(set(kept)) < 700 * 0.4


def test_books_balance_with_what_was_left_out_told_apart(bot: Traces) -> None:
    for trace in range(100):
        bot.span(trace, duration=2 * SECOND if trace < 30 else 10)
    bot.span(200, failed=True)
    delivery = Delivery(bot, NONE)
    delivery.take()
    before = add_up(bot.folder, {"otlp": delivery.cursor()})
    assert (before.sinks["otlp"].on_disk, before.sinks["otlp"].unaccounted) == (100, 0)
    delivery.clock.step(6)
    delivery.take()
    after = add_up(bot.folder, {"otlp": delivery.cursor()}).sinks["otlp"]
    assert (after.accepted, after.sampled, after.on_disk, after.unaccounted) == (31, 70, 0, 0)
    assert after.discarded == {}
    again = Cursor.from_json(delivery.cursor().to_json())
    assert add_up(bot.folder, {"otlp": again}).sinks["otlp"] == after


def test_a_kill_between_reading_and_verdict_loses_nothing(bot: Traces) -> None:
    early = bot.span(1)
    first = Delivery(bot, NONE)
    first.take()
    failed = bot.span(1, failed=True)
    bot.span(2)
    # It is gone, with all that it knew: what it had not delivered is where its cursor stands.
    second = Delivery(bot, NONE, first.keeper)
    assert second.take() == [failed]
    second.clock.step(6)
    assert second.take() == [early]
    assert add_up(bot.folder, {"otlp": second.cursor()}).balanced


def test_at_the_end_of_a_run_nothing_waits(bot: Traces) -> None:
    slow = bot.span(1, duration=2 * SECOND)
    bot.span(2)
    bot.close()
    replace_json(bot.folder.path / ENDED, {"status": 0})
    delivery = Delivery(bot, NONE)
    assert delivery.take() == [slow]
    assert len(delivery.source.finished) == len(bot.folder.segments())


def test_who_is_in_a_hurry_gets_verdicts_by_what_is_known(bot: Traces) -> None:
    slow = bot.span(1, duration=2 * SECOND)
    delivery = Delivery(bot, NONE)
    assert delivery.take() == []
    delivery.source.hurry()
    assert delivery.take() == [slow]


def test_segments_are_finished_though_all_of_them_was_left_out(bot: Traces) -> None:
    for trace in range(300):
        bot.span(trace)
    bot.close()
    delivery = Delivery(bot, NONE)
    delivery.take()
    delivery.clock.step(6)
    assert delivery.take() == []
    assert len(delivery.source.finished) == len(bot.folder.segments()) > 1


def test_verdicts_forget_the_oldest_traces_and_fall_back_to_the_coin() -> None:
    verdicts = Verdicts(SamplingPolicy(share=1.0), most=2)
    assert verdicts.keeps(trace_id(1))
    assert not Verdicts(NONE).keeps(trace_id(1))
