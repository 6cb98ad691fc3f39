"""Cursors in files: kept as one step, and read whatever is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tradespan.core.delivery import Cursor, LaneBook
from tradespan.core.records import Kind
from tradespan.forward.cursors import FileCursors

CURSOR = Cursor({"a.seg": 96}, 5, 1, {"aa-o": LaneBook(highest=6, read=6, segments=1, ordinal=1)})


def test_cursor_comes_back_as_it_was_kept_for_each_sink_alone(tmp_path: Path) -> None:
    FileCursors("one").save(str(tmp_path), CURSOR)
    FileCursors("other").save(str(tmp_path), Cursor())
    assert FileCursors("one").load(str(tmp_path)) == CURSOR
    assert FileCursors("other").load(str(tmp_path)) == Cursor()


def test_folder_without_a_cursor_is_read_from_the_beginning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert FileCursors("one").load(str(tmp_path)) == Cursor()
    assert caplog.text == ""


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"positions": 3}', '{"books": {"a": 1}}', '{"accepted": "x"}'],
)
def test_cursor_that_is_none_means_sending_again_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: str
) -> None:
    (tmp_path / "cursor-one.json").write_text(content)
    assert FileCursors("one").load(str(tmp_path)) == Cursor()
    assert "will be sent again" in caplog.text


def test_cursor_of_an_earlier_version_is_read_and_of_a_later_one_as_far_as_it_is_known(
    tmp_path: Path,
) -> None:
    row = '{"highest": 6, "read": 6, "damaged": 0, "segments": 1, "ordinal": 1, "later": 1}'
    places = '"positions": {"a.seg": 96}, "accepted": 5, "parked": 1'
    content = f'{{{places}, "books": {{"aa-o": {row}}}}}'
    (tmp_path / "cursor-one.json").write_text(content)
    assert FileCursors("one").load(str(tmp_path)) == CURSOR


def test_kinds_that_were_passed_over_and_what_was_discarded_come_back(tmp_path: Path) -> None:
    book = LaneBook(9, 9, other={17: 4}, discarded={"limit_age": 2})
    cursor = Cursor({"a.seg": 96}, 3, 0, {"aa-o": book}, {"a.seg": {16: 5, 17: 4}}, Kind.SPAN)
    FileCursors("one").save(str(tmp_path), cursor)
    assert FileCursors("one").load(str(tmp_path)) == cursor
    assert book.taken == 3


def test_cursor_that_cannot_be_kept_says_so(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        FileCursors("one").save(str(tmp_path / "missing"), CURSOR)
