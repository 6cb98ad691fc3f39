"""The source panel: the function, the frames of a failure, and why something is hidden."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient

from tests.unit.store import builders as stored
from tests.unit.web.builders import NOON, make_span
from tests.unit.web.conftest import ADDRESS, TOKEN
from tradespan.core.records import Event, Failure, Frame, Resource, SourceFile
from tradespan.core.sourcefiles import describe_file
from tradespan.store.rows import SpanDetail, SpanEvent
from tradespan.store.store import Store
from tradespan.web.server import build_app
from tradespan.web.sources import LONGEST_BODY, show_source

BOT = '''\
import venue

@watched
@retried(
    times=3,
)
def submit(order):
    """Send it."""

    if order:
        venue.send(order)
    return None


def other():
    pass
'''
VENUE = "\n".join(f"line_{number} = {number}" for number in range(1, 31)) + "\n"
DECORATED, DEFINED = 3, 7
RESOURCE = {"service.name": "bot", "service.instance.id": "one"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = Path(os.path.realpath(tmp_path)) / "project"
    folder.mkdir()
    (folder / "bot.py").write_text(BOT)
    (folder / "venue.py").write_text(VENUE)
    return folder


def facts_of(path: Path) -> SourceFile:
    facts = describe_file(str(path))
    assert facts is not None
    return facts


def call(path: Path, line: int = DECORATED, span: str = "a", **facts: Any) -> SpanDetail:
    """A span of a function whose definition begins at a line of a file."""
    attributes = {"code.file.path": str(path), "code.line.number": line}
    base: dict[str, Any] = {
        "attributes": attributes,
        "resource": RESOURCE,
        "source": facts_of(path),
    }
    return make_span(span, **(base | facts))


def fail(folder: Path, **attributes: Any) -> list[SpanEvent]:
    stacktrace = f"""Traceback (most recent call last):
  File "{folder}/bot.py", line 11, in submit
  File "/usr/lib/python3.11/socket.py", line 5, in connect
  File "{folder}/venue.py", line 20, in send
OSError: reset
"""
    facts = {"exception.type": "OSError", "exception.stacktrace": stacktrace}
    return [SpanEvent("exception", NOON, {**facts, **attributes})]


def show(span: SpanDetail, *others: SpanDetail, roots: list[str] | None) -> dict[str, Any]:
    return show_source(span, [span, *others], lambda instance: roots if instance == "one" else None)


def test_function_is_shown_from_its_decorators_to_its_end(folder: Path) -> None:
    shown = show(call(folder / "bot.py"), roots=[str(folder)])["function"]
    assert (shown["first"], shown["line"], shown["why"]) == (DECORATED, DEFINED, "")
    assert shown["lines"] == BOT.split("\n")[DECORATED - 1 : 12]


@pytest.mark.parametrize(
    ("text", "line", "shown"),
    [
        ("double = watch(lambda x: x * 2)\nrest = 1\n", 1, ["double = watch(lambda x: x * 2)"]),
        ("def broken(:\n  '''\nnever closed", 1, ["def broken(:", "  '''", "never closed"]),
        ("def last(): pass", 1, ["def last(): pass"]),
        ("def one(): pass\n", 99, []),
    ],
)
def test_text_of_any_shape_is_shown_as_far_as_it_goes(
    folder: Path, text: str, line: int, shown: list[str]
) -> None:
    (folder / "odd.py").write_text(text)
    function = show(call(folder / "odd.py", line), roots=[str(folder)])["function"]
    assert function["lines"] == shown


def test_long_function_is_cut(folder: Path) -> None:
    (folder / "long.py").write_text("def f():\n" + "    x = 1\n" * 500)
    lines = show(call(folder / "long.py", 1), roots=[str(folder)])["function"]["lines"]
    assert len(lines) == LONGEST_BODY
    (folder / "wide.py").write_text("def f(): return '" + "x" * 10_000 + "'\n")
    (line,) = show(call(folder / "wide.py", 1), roots=[str(folder)])["function"]["lines"]
    assert len(line) < 500


def test_failed_span_shows_the_frames_of_known_files_innermost_first(folder: Path) -> None:
    span = call(folder / "bot.py", events=fail(folder), status="ERROR")
    sender = call(folder / "venue.py", 1, "b")
    send, submit = show(span, sender, roots=[str(folder)])["frames"]
    assert (send["name"], send["line"], send["first"]) == ("send", 20, 15)
    assert send["lines"] == [f"line_{number} = {number}" for number in range(15, 26)]
    assert (submit["line"], submit["lines"][11 - submit["first"]].strip()) == (
        11,
        "venue.send(order)",
    )


def test_file_of_another_process_of_the_trace_is_not_taken_for_ours(folder: Path) -> None:
    span = call(folder / "bot.py", events=fail(folder))
    foreign = call(folder / "venue.py", 1, "b", resource={"service.instance.id": "two"})
    assert [frame["name"] for frame in show(span, foreign, roots=[str(folder)])["frames"]] == [
        "submit"
    ]


def test_captured_lines_need_no_file(folder: Path) -> None:
    captured = [
        {"file": f"{folder}/venue.py", "line": 20, "source": {"19": "then", "20": "raise it"}},
        {"file": "/gone/bot.py", "line": 1, "source": {"1": "no frame of the traceback"}},
    ]
    events = fail(folder, **{"tradespan.exception.source": json.dumps(captured)})
    span = call(folder / "bot.py", events=events, source=None)
    (folder / "venue.py").unlink()
    shown = show(span, roots=None)
    assert shown["function"] is None
    (send,) = shown["frames"]
    assert (send["first"], send["line"], send["lines"]) == (19, 20, ["then", "raise it"])
    assert send["captured"] is True


@pytest.mark.parametrize(
    "text", ["", "{", "3", "[3]", '[{"file":1}]', '[{"file":"a","line":1,"source":{"x":"y"}}]',
             '[{"file":"a","line":1,"source":{"1":"", "999999999":""}}]']
)  # fmt: skip
def test_captured_lines_of_any_shape_do_no_harm(folder: Path, text: str) -> None:
    events = fail(folder, **{"tradespan.exception.source": text})
    span = call(folder / "bot.py", events=events)
    assert [frame["captured"] for frame in show(span, roots=[str(folder)])["frames"]] == [False]


def test_reason_is_given_where_nothing_is_shown(folder: Path) -> None:
    span = call(folder / "bot.py", events=fail(folder))
    outside = show(span, roots=["/srv"])
    assert outside["function"]["why"] == "outside of the run's folders"
    assert outside["frames"][0]["why"] == "outside of the run's folders"
    assert "the run's folder is gone" in show(span, roots=None)["function"]["why"]
    (folder / "bot.py").write_text(BOT + "# edited\n")
    changed = show(span, roots=[str(folder)])
    assert (changed["function"]["why"], changed["function"]["lines"]) == ("changed since", [])


def test_span_without_source_has_none() -> None:
    assert show(make_span("a"), roots=["/"]) == {"function": None, "frames": []}


@pytest.fixture
def client(folder: Path, store: Store) -> Iterator[TestClient]:
    """A store with one failed call of `submit`, and a stranger."""
    path = folder / "bot.py"
    facts = {"code.file.path": str(path), "code.line.number": DECORATED}
    site = msgspec.structs.replace(stored.DECIDE, attributes=facts, source=facts_of(path))
    failure = Failure("OSError", "reset", [Frame(str(path), 11, "submit")])
    span = stored.make_span(1, 10, failed=True, events=[Event("exception", NOON, {}, failure)])
    batch = stored.make_batch([span], sites={site.number: site}, resource=Resource(RESOURCE))
    store.insert(batch, batch.ahead)
    app = build_app(
        lambda: store, token=TOKEN, find_roots=lambda instance: [str(folder)], instance="test"
    )
    with TestClient(app, base_url=ADDRESS) as client:
        yield client


TRACE, SPAN = f"{1:032x}", f"{10:016x}"
BEARER = {"authorization": f"Bearer {TOKEN}"}


def test_source_is_asked_for_by_trace_and_span(client: TestClient) -> None:
    where = {"trace": TRACE, "span": SPAN}
    answer = client.get("/api/v1/source", params=where, headers=BEARER).json()
    assert answer["function"]["lines"][4] == "def submit(order):"
    assert [frame["line"] for frame in answer["frames"]] == [11]
    span = client.get(f"/api/v1/traces/{TRACE}/spans/{SPAN}", headers=BEARER).json()
    assert span["source"] is True


def test_source_needs_the_token(client: TestClient) -> None:
    assert client.get("/api/v1/source", params={"trace": TRACE, "span": SPAN}).status_code == 401


@pytest.mark.parametrize(
    ("where", "status"),
    [
        ({"trace": "f" * 32, "span": SPAN}, 404),
        ({"trace": TRACE, "span": "../../etc/passwd"}, 404),
        ({"trace": "../..", "span": SPAN}, 404),
        ({"trace": TRACE}, 422),
    ],
)
def test_source_of_what_is_not_there_is_refused(
    client: TestClient, where: dict[str, str], status: int
) -> None:
    assert client.get("/api/v1/source", params=where, headers=BEARER).status_code == status
