"""Which calls become exemplars, how long they stay, and what an agent that starts again knows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.fakes import ListSink, SteppingClock
from tradespan.core.delivery import Batch, Origin, Parked, Retry, Slice
from tradespan.core.records import OPEN, Kind, Lane, Resource, Site, Span
from tradespan.declare.names import TRADESPAN_PROCESS_GROUP
from tradespan.forward.exemplars import (
    Exemplar,
    Exemplars,
    FunctionKey,
    merge_exemplars,
    place_of,
    read_exemplars,
)
from tradespan.pages.metrics import DURATION_BOUNDS, MOST_SERIES
from tradespan.spool.folder import EXEMPLARS, RunFolder

MICROSECOND, MILLISECOND = 1_000, 1_000_000
WRITER = "ab" * 16
DECIDE = FunctionKey("bot.decide", "strategy")
SITES = {
    1: Site(
        1,
        "tradespan",
        name="bot.decide",
        attributes={"code.function.name": "bot.decide", TRADESPAN_PROCESS_GROUP: "strategy"},
    ),
    2: Site(2, "tradespan", name="order", attributes={"code.function.name": "bot.send"}),
    3: Site(3, "by.hand"),
}


def make_span(
    span_id: int, duration: int, *, site: int = 1, flags: int = 0x100, start: int = 0
) -> Span:
    return Span(site, bytes([span_id]) * 16, span_id, 0, start, duration, flags)


def make_batch(folder: Path, spans: Sequence[Span], kind: Kind = Kind.SPAN) -> Batch[Span]:
    origin = Origin(WRITER, Lane.ORDINARY, Resource({}))
    return Batch(str(folder), kind, [Slice(origin, SITES, list(spans), "x.seg", 0)])


def saved(exemplars: Exemplars, folder: Path) -> dict[FunctionKey, dict[int, Exemplar]]:
    exemplars.save()
    return read_exemplars(folder)


def test_exemplar_names_the_call_and_stands_in_its_bucket(tmp_path: Path) -> None:
    exemplars = Exemplars()
    exemplars.observe(make_batch(tmp_path, [make_span(7, 3 * MILLISECOND, start=100)]))
    place = place_of(3 * MILLISECOND)
    assert saved(exemplars, tmp_path) == {
        DECIDE: {
            place: Exemplar(3 * MILLISECOND, "07" * 16, f"{7:016x}", 100 + 3 * MILLISECOND, WRITER)
        }
    }
    assert DURATION_BOUNDS[place - 1] < 3 * MILLISECOND <= DURATION_BOUNDS[place]


@pytest.mark.parametrize("bound", [DURATION_BOUNDS[0], DURATION_BOUNDS[-1]])
def test_bucket_of_a_duration_is_the_one_in_which_it_was_counted(bound: int) -> None:
    # `pages/durations.py`: the first whose bound is not under it.
    place = DURATION_BOUNDS.index(bound)
    assert [place_of(bound), place_of(bound + 1)] == [place, place + 1]


def test_each_bucket_keeps_the_call_that_ended_last_whatever_came_last(tmp_path: Path) -> None:
    exemplars = Exemplars()
    late = make_span(1, MILLISECOND, start=900)
    early = make_span(2, MILLISECOND, start=100)
    slow = make_span(3, 80 * MILLISECOND)
    exemplars.observe(make_batch(tmp_path, [late, slow, early]))
    buckets = saved(exemplars, tmp_path)[DECIDE]
    assert {place: each.span_id for place, each in buckets.items()} == {
        place_of(MILLISECOND): f"{1:016x}",
        place_of(80 * MILLISECOND): f"{3:016x}",
    }


def test_call_that_is_not_over_is_none(tmp_path: Path) -> None:
    exemplars = Exemplars()
    exemplars.observe(make_batch(tmp_path, [make_span(1, 0, flags=0x100 | OPEN)]))
    assert saved(exemplars, tmp_path) == {}
    exemplars.observe(make_batch(tmp_path, [make_span(1, MILLISECOND)]))
    assert [*saved(exemplars, tmp_path)[DECIDE]] == [place_of(MILLISECOND)]


def test_span_of_no_watched_function_is_none(tmp_path: Path) -> None:
    exemplars = Exemplars()
    exemplars.observe(make_batch(tmp_path, [make_span(1, 5, site=3)]))
    assert saved(exemplars, tmp_path) == {}
    assert not (tmp_path / EXEMPLARS).exists()


def test_function_with_a_name_of_its_own_is_named_as_its_series_is(tmp_path: Path) -> None:
    exemplars = Exemplars()
    exemplars.observe(make_batch(tmp_path, [make_span(1, 5, site=2)]))
    key = FunctionKey("order", "", (("code.function.name", "bot.send"),))
    assert [*saved(exemplars, tmp_path)] == [key]


def test_only_what_a_sink_accepted_is_looked_at(tmp_path: Path) -> None:
    exemplars = Exemplars()
    inner: ListSink[Span] = ListSink(name="inner")
    inner.answers.extend([Retry("busy"), Parked("never")])
    sink = exemplars.watch(inner)
    assert sink.name == "inner"
    batch = make_batch(tmp_path, [make_span(1, 5)])
    assert sink.deliver(batch) == Retry("busy")
    assert sink.deliver(batch) == Parked("never")
    assert saved(exemplars, tmp_path) == {}
    sink.deliver(batch)
    assert [*saved(exemplars, tmp_path)] == [DECIDE]
    assert inner.offered == [batch] * 3


def test_other_kinds_of_record_pass(tmp_path: Path) -> None:
    exemplars = Exemplars()
    exemplars.watch(ListSink[Span]()).deliver(make_batch(tmp_path, [make_span(1, 5)], Kind.LOG))
    assert saved(exemplars, tmp_path) == {}


def test_batch_that_cannot_be_looked_at_is_delivered_all_the_same(tmp_path: Path) -> None:
    inner: ListSink[Span] = ListSink()
    batch = make_batch(tmp_path, [])
    batch.slices[0].records.append("no span")  # type: ignore[arg-type]
    Exemplars().watch(inner).deliver(batch)
    assert inner.taken == [batch]


# ── the file ────────────────────────────────────────────────────────────────────────────────────


def test_file_is_written_every_few_seconds_and_when_the_destination_closes(tmp_path: Path) -> None:
    clock = SteppingClock()
    exemplars = Exemplars(save_every=5.0, now=clock.seconds)
    inner: ListSink[Span] = ListSink()
    sink = exemplars.watch(inner)
    folders = [RunFolder(tmp_path)]

    def looks_after(seconds: float, span_id: int) -> str:
        clock.step(seconds)
        sink.deliver(make_batch(tmp_path, [make_span(span_id, 5, start=span_id)]))
        exemplars.work(folders)
        (exemplar,) = read_exemplars(tmp_path)[DECIDE].values()
        return exemplar.span_id

    assert looks_after(0.0, 1) == f"{1:016x}"
    assert looks_after(4.9, 2) == f"{1:016x}"
    assert looks_after(0.2, 3) == f"{3:016x}"
    assert looks_after(0.1, 4) == f"{3:016x}"
    sink.close()
    assert inner.closed
    (exemplar,) = read_exemplars(tmp_path)[DECIDE].values()
    assert exemplar.span_id == f"{4:016x}"


def test_folder_that_is_over_is_saved_at_once_and_forgotten(tmp_path: Path) -> None:
    clock = SteppingClock()
    exemplars = Exemplars(now=clock.seconds)
    exemplars.observe(make_batch(tmp_path, [make_span(1, 5)]))
    exemplars.work([RunFolder(tmp_path)])
    exemplars.observe(make_batch(tmp_path, [make_span(2, 5, start=9)]))
    exemplars.work([])
    (exemplar,) = read_exemplars(tmp_path)[DECIDE].values()
    assert exemplar.span_id == f"{2:016x}"
    (tmp_path / EXEMPLARS).unlink()
    exemplars.observe(make_batch(tmp_path, [make_span(3, MILLISECOND)]))
    assert [*saved(exemplars, tmp_path)[DECIDE]] == [place_of(MILLISECOND)]


def test_agent_that_starts_again_goes_on_from_the_file(tmp_path: Path) -> None:
    first = Exemplars()
    first.observe(make_batch(tmp_path, [make_span(1, 5), make_span(2, MILLISECOND, start=50)]))
    first.save()
    again = Exemplars()
    again.observe(make_batch(tmp_path, [make_span(3, MILLISECOND, start=10)]))
    again.observe(make_batch(tmp_path, [make_span(4, 80 * MILLISECOND)]))
    buckets = saved(again, tmp_path)[DECIDE]
    assert [int(each.span_id, 16) for _, each in sorted(buckets.items())] == [1, 2, 4]


def test_folder_that_was_deleted_is_no_error(tmp_path: Path) -> None:
    exemplars = Exemplars()
    exemplars.observe(make_batch(tmp_path / "gone", [make_span(1, 5)]))
    exemplars.save()
    assert not (tmp_path / "gone").exists()


def test_file_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    exemplars = Exemplars()
    (tmp_path / EXEMPLARS).mkdir()
    exemplars.observe(make_batch(tmp_path, [make_span(1, 5)]))
    with pytest.raises(OSError, match="directory"):
        exemplars.save()
    (tmp_path / EXEMPLARS).rmdir()
    assert [*saved(exemplars, tmp_path)] == [DECIDE]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"functions": 3}',
        '{"functions": [1, null, {"name": "x"}]}',
        '{"functions": [{"name": "x", "group": "", "attributes": [], "exemplars": [[]]}]}',
        '{"functions": [{"name": "x", "group": "", "attributes": [], "exemplars":'
        ' [{"value": 1, "trace_id": "zz", "span_id": "", "time": 1, "writer": ""}]}]}',
    ],
)
def test_file_with_anything_in_it_is_no_error(tmp_path: Path, content: str) -> None:
    (tmp_path / EXEMPLARS).write_text(content)
    assert read_exemplars(tmp_path) == {}


def test_functions_of_a_run_are_bounded(tmp_path: Path) -> None:
    exemplars = Exemplars()
    count = MOST_SERIES + 5
    sites = {
        n: Site(n, "tradespan", name=f"f{n}", attributes={"code.function.name": f"f{n}"})
        for n in range(count)
    }
    spans = [Span(n, bytes(16), 1, 0, 0, 5, 0x100) for n in range(count)]
    origin = Origin(WRITER, Lane.ORDINARY, Resource({}))
    exemplars.observe(Batch(str(tmp_path), Kind.SPAN, [Slice(origin, sites, spans, "x.seg", 0)]))
    assert len(saved(exemplars, tmp_path)) == MOST_SERIES


def test_several_runs_give_the_latest_of_each_bucket(tmp_path: Path) -> None:
    def of(run: str, *spans: Span) -> dict[FunctionKey, dict[int, Exemplar]]:
        (tmp_path / run).mkdir()
        exemplars = Exemplars()
        exemplars.observe(make_batch(tmp_path / run, spans))
        return saved(exemplars, tmp_path / run)

    one = of("one", make_span(1, 5, start=10), make_span(2, MILLISECOND, start=10))
    other = of("other", make_span(3, 5, start=20), make_span(4, MILLISECOND, start=5))
    for several in ([one, other], [other, one]):
        buckets = merge_exemplars(several)[DECIDE]
        assert [int(each.span_id, 16) for _, each in sorted(buckets.items())] == [3, 2]
    assert len(one[DECIDE]) == 2
