"""Cursors in files: kept as one step, and read whatever is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tradespan.core.delivery import Cursor, LaneBook
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
    ["", "{", "[]", '{"positions": 3}', '{"books": {"a": {"unknown": 1}}}', '{"accepted": "x"}'],
)
def test_cursor_that_is_none_means_sending_again_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: str
) -> None:
    (tmp_path / "cursor-one.json").write_text(content)
    assert FileCursors("one").load(str(tmp_path)) == Cursor()
    assert "will be sent again" in caplog.text


def test_cursor_that_cannot_be_kept_says_so(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        FileCursors("one").save(str(tmp_path / "missing"), CURSOR)
