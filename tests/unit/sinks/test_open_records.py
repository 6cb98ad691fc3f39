"""Starts of calls that are not over: no receiver sees them, and all of them are accounted for."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from tests.support.fakes import MemoryCursors
from tests.support.faults import AcceptPartly, Refuse
from tests.support.receiver import Receiver
from tests.unit.sinks.builders import make_batch, make_span
from tradespan.core.delivery import Accepted, Batch, Cursor, Parked, Retry, Sink, Split
from tradespan.core.records import OPEN, Kind, Lane, Resource, Site, Span
from tradespan.forward.books import add_up
from tradespan.forward.courier import Courier
from tradespan.sinks.finished import keep_finished
from tradespan.sinks.otlp_http import OtlpHttpSink
from tradespan.sinks.store import StoreSink
from tradespan.spool.folder import RunFolder
from tradespan.spool.writer import SpoolWriter
from tradespan.store.store import Store
from tradespan.wire.codec import decode_span, encode_record

BAD = b"short"
"""A trace id that OTLP cannot say."""


def make_start(number: int) -> Span:
    return make_span(number, duration=0, flags=OPEN | 1 << 8)


def mix(finished: Iterable[int], begun: Iterable[int]) -> Batch[Span]:
    return make_batch([*map(make_start, begun), *map(make_span, finished)])


def sent(receiver: Receiver) -> list[int]:
    return [int(span.span_id, 16) for span in receiver.spans]


def test_starts_are_left_out_and_the_rest_is_sent(receiver: Receiver, sink: OtlpHttpSink) -> None:
    assert sink.deliver(mix(finished=[1, 2], begun=[2, 3])) == Accepted()
    assert sent(receiver) == [1, 2]


def test_batch_of_nothing_but_starts_is_accepted_without_a_request(
    receiver: Receiver, sink: OtlpHttpSink
) -> None:
    assert sink.deliver(mix(finished=[], begun=[1, 2])) == Accepted()
    assert receiver.requests == []


def test_starts_say_nothing_about_a_receiver_that_is_down(
    receiver: Receiver, sink: OtlpHttpSink
) -> None:
    receiver.play(Refuse(503))
    assert isinstance(sink.deliver(make_batch()), Retry)
    since = sink.failing_since
    assert since is not None
    assert sink.deliver(mix(finished=[], begun=[1])) == Accepted()
    assert (sink.failing_since, sink.last_error) == (since, "HTTP 503: scripted")


def test_a_batch_without_starts_is_not_copied() -> None:
    batch = make_batch(3)
    assert keep_finished(batch) is batch


def test_what_is_refused_is_no_more_than_what_was_sent(
    receiver: Receiver, sink: OtlpHttpSink
) -> None:
    receiver.play(Refuse(400, words="bad span"))
    assert sink.deliver(mix(finished=[1, 2], begun=[3])) == Parked("HTTP 400: bad span", 2)
    receiver.play(AcceptPartly(1, "too old"))
    assert sink.deliver(mix(finished=[1, 2], begun=[3])) == Parked("partial success: too old", 1)


def test_one_record_that_cannot_be_said_is_parked_beside_starts(sink: OtlpHttpSink) -> None:
    outcome = sink.deliver(make_batch([make_start(1), make_span(2, trace_id=BAD)]))
    assert isinstance(outcome, Parked)
    assert outcome.count == 1
    two = [make_start(1), make_span(2, trace_id=BAD), make_span(3)]
    assert isinstance(sink.deliver(make_batch(two)), Split)


def record(folder: Path, spans: Iterable[Span]) -> None:
    """Write spans to a run's folder, as the bot does."""
    spool = SpoolWriter(
        folder,
        describe=lambda writer: encode_record(Resource({"service.name": "bot"})),
        site_payload=lambda number: encode_record(Site(number, "tradespan", name="decide")),
    )
    for span in spans:
        lane = spool.errors if span.status == 2 else spool.ordinary
        lane.append(int(Kind.SPAN), span.site, encode_record(span))
    spool.close()


def deliver(folder: Path, sink: Sink[Span]) -> Cursor:
    courier = Courier(sink, MemoryCursors(), Kind.SPAN, decode_span)
    run = RunFolder(folder)
    while courier.work([run]):
        pass
    return courier.cursor(run)


def test_every_start_counts_as_accepted(
    receiver: Receiver, sink: OtlpHttpSink, tmp_path: Path
) -> None:
    record(tmp_path, [make_start(1), make_start(2), make_span(1, flags=2), make_start(3)])
    cursor = deliver(tmp_path, sink)
    assert sent(receiver) == [1]
    assert (cursor.accepted, cursor.parked) == (4, 0)
    books = {key[-1]: (book.highest, book.read) for key, book in cursor.books.items()}
    assert sorted(books.values()) == [(1, 1), (3, 3)]
    assert len(books) == len(Lane)


def test_starts_in_a_batch_that_is_halved_are_accepted_and_the_refused_span_parked(
    receiver: Receiver, sink: OtlpHttpSink, tmp_path: Path
) -> None:
    receiver.play(Refuse(413, words="too large"), times=100)
    record(tmp_path, [make_start(1), make_span(1), make_start(2), make_start(3), make_span(4)])
    cursor = deliver(tmp_path, sink)
    assert (cursor.accepted, cursor.parked) == (3, 2)


def test_starts_beside_spans_that_are_refused_for_good_are_accepted(
    receiver: Receiver, sink: OtlpHttpSink, tmp_path: Path
) -> None:
    receiver.play(Refuse(400, words="no"), times=100)
    record(tmp_path, [make_start(1), make_span(1), make_start(2)])
    cursor = deliver(tmp_path, sink)
    assert (cursor.accepted, cursor.parked) == (2, 1)


def test_books_of_every_destination_balance_with_starts_as_records(
    sink: OtlpHttpSink, tmp_path: Path
) -> None:
    # The end that failed is in the error lane, which is read first.
    failed = make_span(1, flags=2 | 1 << 8)
    record(tmp_path / "run", [make_start(1), make_start(2), failed, make_start(3), make_span(3)])
    store = StoreSink(Store.open(tmp_path / "store.db"))
    with closing(store):
        cursors = {each.name: deliver(tmp_path / "run", each) for each in (sink, store)}
    books = add_up(RunFolder(tmp_path / "run"), cursors)
    assert (books.recorded, books.balanced) == (5, True)
    assert {book.accepted for book in books.sinks.values()} == {5}
    with Store.open(tmp_path / "store.db", readonly=True) as read:
        summary = read.summary()
    assert (summary.spans, summary.running, summary.errors) == (3, 1, 1)
