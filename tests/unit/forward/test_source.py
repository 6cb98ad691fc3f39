"""Reading a folder for one sink: what comes first, what a restart repeats, what cannot be read."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from tests.support.fakes import MemoryCursors
from tests.unit.forward.builders import (
    ONE_AT_A_TIME,
    SPAN,
    Bot,
    drain,
    ids,
    make_source,
    make_span,
    open_files,
)
from tests.unit.spool.builders import (
    frame_offsets,
    overwrite,
    record_frames,
    resource_frame,
    write_segment,
)
from tests.unit.spool.test_reader import raise_version
from tradespan.core.delivery import Cursor
from tradespan.core.records import Kind, Lane, Site
from tradespan.forward.source import BatchLimits
from tradespan.spool.folder import RunFolder
from tradespan.spool.layout import pack_frame
from tradespan.wire.codec import encode_record


@pytest.fixture
def bot(tmp_path: Path) -> Bot:
    return Bot(tmp_path)


def test_errors_come_first_then_what_is_oldest(bot: Bot) -> None:
    ordinary = bot.record(200)
    errors = bot.record(100, failed=True)
    later = bot.record(50)
    later_errors = bot.record(10, failed=True)
    source = make_source(bot.folder)
    assert drain(source) == errors + later_errors + ordinary + later


def test_errors_recorded_meanwhile_overtake_what_waits(bot: Bot) -> None:
    ordinary = bot.record(300)
    source = make_source(bot.folder, limits=ONE_AT_A_TIME)
    given = source.next_batch()
    assert given is not None
    first = ids(given[0])
    assert 0 < len(first) < 300
    source.accept(given[1])
    errors = bot.record(5, failed=True)
    assert drain(source) == errors + ordinary[len(first) :]


def test_batch_ends_with_the_read_that_reaches_a_limit(bot: Bot) -> None:
    bot.record(500)
    source = make_source(bot.folder, limits=BatchLimits(records=100))
    given = source.next_batch()
    assert given is not None
    batch, ahead = given
    assert 100 <= batch.count < 200
    assert ahead.accepted == batch.count
    assert batch.ahead is ahead


def test_batch_not_accepted_is_read_again_whole(bot: Bot) -> None:
    # It once marked segments as taken when they were read, and passed over them the next time.
    bot.record(300)
    bot.close()
    source = make_source(bot.folder)
    first, second = source.next_batch(), source.next_batch()
    assert first is not None
    assert second is not None
    assert ids(first[0]) == ids(second[0]) == list(range(1, 301))
    assert first[1] == second[1]
    assert source.finished == frozenset()
    assert source.cursor == Cursor()


def test_segments_are_finished_only_when_their_records_are_accepted(bot: Bot) -> None:
    bot.record(300)
    bot.close()
    names = {str(name) for name in bot.folder.segments()}
    source = make_source(bot.folder)
    given = source.next_batch()
    assert given is not None
    assert source.finished == frozenset()
    source.accept(given[1])
    assert source.finished == names
    assert source.next_batch() is None


def test_segment_of_a_living_writer_is_never_finished(bot: Bot) -> None:
    bot.record(3)
    source = make_source(bot.folder)
    assert drain(source) == [1, 2, 3]
    assert source.finished == frozenset()
    bot.record(2)
    assert drain(source) == [4, 5]
    bot.die()
    assert drain(source) == []
    assert source.unsaved
    assert source.finished == frozenset(), "the cursor that is kept does not know it yet"
    source.unsaved = False
    assert source.finished == {str(name) for name in bot.folder.segments()}


def test_restart_from_the_cursor_gives_exactly_the_rest(bot: Bot) -> None:
    bot.record(250)
    bot.record(50, failed=True)
    source = make_source(bot.folder, limits=BatchLimits(records=60))
    keeper = MemoryCursors()
    found: list[int] = []
    while (given := source.next_batch()) is not None:
        batch, ahead = given
        found += ids(batch)
        source.accept(ahead)
        restored = Cursor.from_json(ahead.to_json())
        assert restored == ahead
        keeper.save(str(bot.folder.path), restored)
        # A new process each time: nothing but the cursor is known.
        source.close()
        source = make_source(bot.folder, keeper, BatchLimits(records=60))
    assert sorted(found) == list(range(1, 301))
    assert source.cursor.accepted == 300


def test_spans_after_a_restart_have_their_sites(bot: Bot) -> None:
    bot.record(10)
    source = make_source(bot.folder)
    given = source.next_batch()
    assert given is not None
    keeper = MemoryCursors()
    keeper.save(str(bot.folder.path), given[1])
    bot.record(1)
    again = make_source(bot.folder, keeper).next_batch()
    assert again is not None
    (part,) = again[0].slices
    assert part.sites[part.records[0].site] == Site(
        part.records[0].site, "tradespan", name="decide"
    )


def test_span_whose_site_was_damaged_has_a_site_without_facts(bot: Bot) -> None:
    # A sink once failed on it for ever, and with it everything behind.
    bot.record(4)
    bot.close()
    path = bot.folder.path / str(bot.folder.segments()[0])
    overwrite(path, frame_offsets(path)[1] + 18, b"\xff\xff")
    source = make_source(bot.folder)
    given = source.next_batch()
    assert given is not None
    (part,) = given[0].slices
    assert ids(given[0]) == [1, 2, 3, 4]
    assert part.sites[part.records[0].site] == Site(part.records[0].site, "")


def test_positions_of_segments_that_are_gone_are_forgotten(bot: Bot) -> None:
    bot.record(300)
    bot.close()
    source = make_source(bot.folder)
    drain(source)
    assert len(source.cursor.positions) == len(bot.folder.segments()) > 1
    for name in bot.folder.segments()[:-1]:
        (bot.folder.path / str(name)).unlink()
    assert source.next_batch() is None
    assert list(source.cursor.positions) == [str(name) for name in bot.folder.segments()]
    assert source.finished == set(source.cursor.positions)


def test_descriptors_of_finished_and_deleted_segments_are_closed(bot: Bot) -> None:
    bot.record(2_000)
    source = make_source(bot.folder)
    before = open_files(bot.folder.path)
    drain(source)
    names = bot.folder.segments()
    assert len(names) > 10
    assert open_files(bot.folder.path) == sorted([*before, str(names[-1])])
    for name in names:
        (bot.folder.path / str(name)).unlink()
    assert source.next_batch() is None
    assert len(open_files(bot.folder.path)) == len(before)


# ── what cannot be read ─────────────────────────────────────────────────────────────────────────


def test_damage_is_booked_with_the_row_and_remembered_though_no_record_follows(bot: Bot) -> None:
    bot.record(5)
    bot.close()
    path = bot.folder.path / str(bot.folder.segments()[0])
    source = make_source(bot.folder)
    assert drain(source) == [1, 2, 3, 4, 5]
    source = make_source(bot.folder)
    overwrite(path, frame_offsets(path)[-1] + 17, b"\xff\xff")
    given = source.next_batch()
    assert given is not None
    source.accept(given[1])
    assert not source.unsaved
    assert source.next_batch() is None
    # (With the first batch: the segment is closed, and read to its end at once.)
    (book,) = source.cursor.books.values()
    assert (book.read, book.highest) == (4, 4)
    assert book.damaged > 0


def test_cursor_that_passed_damage_only_is_to_be_saved(tmp_path: Path) -> None:
    path = write_segment(tmp_path, [resource_frame(), *record_frames(2)])
    for offset in frame_offsets(path)[1:]:
        overwrite(path, offset, b"\xff" * 4)
    source = make_source(RunFolder(tmp_path))
    assert source.next_batch() is None
    assert source.unsaved
    assert source.finished == set(), "a kill would forget the damage"
    source.unsaved = False
    assert source.finished == {path.name}


def test_record_that_does_not_decode_is_passed_over_counted_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = [pack_frame(n, SPAN, 0, encode_record(make_span(n))) for n in (1, 3)]
    bad = pack_frame(2, SPAN, 0, b"\xc1 no message")
    write_segment(tmp_path, [resource_frame(), good[0], bad, good[1]])
    source = make_source(RunFolder(tmp_path))
    assert drain(source) == [1, 3]
    (book,) = source.cursor.books.values()
    assert (book.read, book.highest, book.damaged) == (2, 3, 12)
    assert "record 2 is unreadable" in caplog.text


def test_records_of_other_kinds_are_left_to_others(tmp_path: Path) -> None:
    frames = [
        resource_frame(),
        pack_frame(1, Kind.LOG, 0, b"\xa3log"),
        pack_frame(2, SPAN, 0, encode_record(make_span(2))),
    ]
    write_segment(tmp_path, frames)
    assert drain(make_source(RunFolder(tmp_path))) == [2]


def test_file_that_is_no_segment_is_set_aside_and_holds_up_no_other(
    bot: Bot, caplog: pytest.LogCaptureFixture
) -> None:
    bot.record(3)
    bad = write_segment(bot.folder.path, [resource_frame()])
    overwrite(bad, 0, b"nonsense")
    source = make_source(bot.folder)
    assert drain(source) == [1, 2, 3]
    assert not bad.exists()
    assert bad.with_name(f"{bad.name}.damaged").read_bytes()[:8] == b"nonsense"
    assert caplog.text.count("set aside as") == 1
    assert source.next_batch() is None


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_only_has_the_name_of_a_segment_is_set_aside(bot: Bot, kind: str) -> None:
    # A link once stopped all delivery of its sink.
    bot.record(3)
    target = bot.folder.path / "elsewhere"
    target.write_text("secret")
    trap = bot.folder.path / f"{1:019d}-{'a' * 32}-e-000001.seg"
    if kind == "link":
        trap.symlink_to(target)
    elif kind == "pipe":
        os.mkfifo(trap)
    else:
        trap.mkdir()
    assert drain(make_source(bot.folder)) == [1, 2, 3]
    assert not os.path.lexists(trap)
    assert os.path.lexists(f"{trap}.damaged")
    assert target.read_text() == "secret"


def test_segment_of_a_later_version_is_left_alone_and_said_once(
    bot: Bot, caplog: pytest.LogCaptureFixture
) -> None:
    bot.record(3)
    path = write_segment(bot.folder.path, [resource_frame(), *record_frames(2)])
    raise_version(path)
    before = path.read_bytes()
    source = make_source(bot.folder)
    assert drain(source) == [1, 2, 3]
    assert source.next_batch() is None
    assert path.read_bytes() == before
    assert path.name not in source.finished
    assert caplog.text.count("is left alone") == 1


def test_segment_that_cannot_be_opened_now_is_read_when_it_can(
    bot: Bot, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    errors = bot.record(2, failed=True)
    ordinary = bot.record(3)
    real = os.open

    def refuse(path: str | Path, flags: int, mode: int = 0o777) -> int:
        if f"-{'oe'[Lane.ERROR]}-" in str(path):
            raise PermissionError(13, "Permission denied")
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", refuse)
    source = make_source(bot.folder)
    assert drain(source) == ordinary
    assert source.next_batch() is None
    assert len([r for r in caplog.records if r.levelno == logging.WARNING]) == 1
    monkeypatch.undo()
    assert drain(source) == errors


def test_folder_that_was_deleted_has_nothing(bot: Bot, tmp_path: Path) -> None:
    source = make_source(RunFolder(tmp_path / "missing"))
    assert source.next_batch() is None
