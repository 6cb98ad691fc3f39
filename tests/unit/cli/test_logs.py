"""`tradespan logs` shows lines by time, those that match, and nothing that a terminal obeys."""

from __future__ import annotations

import gzip
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tradespan.cli import main

NOW = datetime.now(UTC)


def make_line(minutes: float, message: str, **fields: Any) -> bytes:
    """A line that was logged so many minutes ago."""
    time = NOW - timedelta(minutes=minutes)
    given = {"timestamp": f"{time:%Y-%m-%dT%H:%M:%S.%f}Z", "level": "INFO", "logger": "bot"}
    return json.dumps({**given, "message": message, **fields}).encode() + b"\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with the files of two services, one of them rotated."""
    logs = tmp_path / "root" / "logs"
    logs.mkdir(parents=True)
    rotated = f"{NOW - timedelta(minutes=45):%Y%m%dT%H%M%S.%f}Z"
    old = make_line(60, "oldest", trace_id="ab" * 16)
    (logs / f"bot-{rotated}.jsonl.gz").write_bytes(gzip.compress(old))
    (logs / "bot.jsonl").write_bytes(
        make_line(30, "middle", logger="bot.orders", level="ERROR")
        + b"no line of ours\n"
        + make_line(10, "newest", level="WARNING")
        + b'{"timestamp":"half a li'
    )
    (logs / "feed.jsonl").write_bytes(make_line(20, "of another", logger="feed", service="feeder"))
    return tmp_path / "root"


def show(capsys: pytest.CaptureFixture[str], *words: object, status: int = 0) -> str:
    assert main(["logs", *map(str, words)]) == status
    return capsys.readouterr().out


def words_of(text: str) -> list[str]:
    """The messages of lines for people."""
    known = ("oldest", "middle", "of another", "newest")
    lines = text.splitlines()
    return [word for line in lines for word in known if f"  {word}" in line]


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ([], ["oldest", "middle", "of another", "newest"]),
        (["--level", "warning"], ["middle", "newest"]),
        (["--level", "error"], ["middle"]),
        (["--trace", "ABAB"], ["oldest"]),
        (["--logger", "bot"], ["oldest", "middle", "newest"]),
        (["--logger", "bot.orders"], ["middle"]),
        (["--since", "25m"], ["of another", "newest"]),
        (["--service", "feeder"], ["of another"]),
        (["-n", "1"], ["newest"]),
        (["--since", "40m", "--logger", "bot", "-n", "1"], ["newest"]),
    ],
)
def test_lines_that_match_are_shown_by_time(
    root: Path, capsys: pytest.CaptureFixture[str], options: list[str], shown: list[str]
) -> None:
    assert words_of(show(capsys, "--root", root, *options)) == shown


def test_one_file_can_be_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert words_of(show(capsys, root / "logs" / "feed.jsonl")) == ["of another"]


def test_where_services_share_a_root_each_line_says_whose_it_is(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert re.search(r"INFO +feeder +feed +of another", show(capsys, "--root", root))
    assert "feeder" not in show(capsys, "--root", root, "--service", "feeder")
    assert "feeder" not in show(capsys, root / "logs" / "feed.jsonl")


def test_json_is_the_lines_as_they_are(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = show(capsys, "--root", root, "--json").splitlines()
    assert json.loads(shown[0])["message"] == "oldest"
    assert len(shown) == 4


def test_nothing_that_matches_is_told_and_fails(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["logs", "--root", str(root), "--trace", "ffff"]) == 1
    assert "no line that satisfies this" in capsys.readouterr().err


def test_a_root_in_which_nobody_logged_and_a_file_that_is_not_there_are_told_as_such(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["logs", "--root", str(tmp_path)]) == 0
    assert f"no program has logged below {tmp_path}" in capsys.readouterr().err
    assert main(["logs", str(tmp_path / "bot.jsonl")]) == 2
    assert f"there is no file {tmp_path / 'bot.jsonl'}" in capsys.readouterr().err


def test_what_a_file_holds_is_shown_safely_whoever_wrote_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.jsonl"
    nasty = "\x1b]0;owned\x07\n\u202e"
    path.write_bytes(
        make_line(1, nasty, level=nasty, logger=nasty, trace_id=nasty, data={nasty: 1})
    )
    shown = show(capsys, path)
    assert len(shown.splitlines()) == 2
    assert shown.replace("\n", "").isprintable()


def test_lines_of_another_shape_are_shown_as_far_as_it_goes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.jsonl"
    odd: dict[str, Any] = {"data": "text", "exception": [1], "level": 5, "logger": None, "tags": 3}
    path.write_bytes(make_line(1, "odd", **odd))
    assert "  odd  tags=3" in show(capsys, path)


def test_the_date_stands_before_the_first_line_of_each_day(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(make_line(60 * 50, "a") + make_line(60 * 25, "b") + make_line(60 * 25, "c"))
    assert show(capsys, path).count("-- 20") == 2


@pytest.mark.parametrize("content", [b"", b"[]\n", b'{"timestamp":5}\n', b"\xff\xfe\n", b"{}\n"])
def test_a_file_without_lines_of_ours_is_no_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    assert show(capsys, path) == ""
