from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest

from tradespan.core.records import Site, SourceFile
from tradespan.wire.codec import decode_site
from tradespan.wire.sites import SiteTable

SCOPE = ("bot", "1", "")
SOURCE = SourceFile("/srv/bot.py", 300, 1_772_366_400_000_000_000, bytes(range(32)))


@pytest.fixture
def frequent_switches() -> Iterator[None]:
    """Threads that meet between any two steps."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_sites_are_numbered_from_one_as_they_are_declared() -> None:
    table = SiteTable()
    assert [table.declare(SCOPE, name=name) for name in ("a", "b", "c")] == [1, 2, 3]


def test_the_same_facts_have_the_same_number_and_other_facts_another() -> None:
    table = SiteTable()
    facts: dict[str, Any] = {"name": "decide", "attributes": {"line": 1}, "parameters": ["price"]}
    number = table.declare(SCOPE, **facts)
    assert table.declare(SCOPE, **facts) == number
    others = [
        table.declare(("bot", "2", ""), **facts),
        table.declare(SCOPE, **facts, scope_attributes={"a": 1}),
        table.declare(SCOPE, **facts, queue_warning_threshold=100),
        table.declare(SCOPE, **facts, source=SOURCE),
        table.declare(SCOPE, **{**facts, "attributes": {"line": True}}),
        table.declare(SCOPE, **{**facts, "attributes": {"line": 1.0}}),
        table.declare(SCOPE, **{**facts, "parameters": []}),
    ]
    assert len({number, *others}) == 8


def test_a_payload_says_what_the_site_is() -> None:
    table = SiteTable()
    number = table.declare(
        SCOPE, name="decide", attributes={"line": 1}, parameters=iter(["a", "b"])
    )
    expected = Site(1, *SCOPE, {}, "decide", {"line": 1}, ("a", "b"))
    assert table.site(number) == decode_site(table.payload(number)) == expected


def test_what_was_declared_does_not_change_with_what_was_given() -> None:
    table = SiteTable()
    attributes: dict[str, Any] = {"line": 1}
    number = table.declare(SCOPE, attributes=attributes)
    attributes["line"] = 2
    assert table.site(number).attributes == {"line": 1}
    assert table.declare(SCOPE, attributes={"line": 1}) == number


def test_a_file_whose_name_is_no_unicode_can_be_declared() -> None:
    table = SiteTable()
    number = table.declare(SCOPE, attributes={"code.file.path": "/srv/b\udcf6t.py"})
    assert decode_site(table.payload(number)).attributes == {"code.file.path": "/srv/b?t.py"}


@pytest.mark.usefixtures("frequent_switches")
def test_threads_that_declare_at_once_agree_on_the_numbers() -> None:
    table, threads = SiteTable(), 8
    together = threading.Barrier(threads)
    found: list[list[int]] = []

    def declare() -> None:
        together.wait()
        found.append([table.declare(SCOPE, name=str(n)) for n in range(300)])

    workers = [threading.Thread(target=declare) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all(numbers == found[0] for numbers in found)
    assert [table.site(number).name for number in found[0]] == [str(n) for n in range(300)]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
def test_a_signal_handler_may_declare_while_the_program_declares() -> None:
    table = SiteTable()
    handled: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        handled.append(table.declare(SCOPE, name=f"handler {len(handled)}"))

    before = signal.signal(signal.SIGALRM, handle)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        named: dict[int, str] = {}
        while len(handled) < 50:
            name = str(len(named))
            named[table.declare(SCOPE, name=name)] = name
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert not named.keys() & set(handled)
    assert all(table.site(number).name == name for number, name in named.items())


def test_threshold_and_source_are_read_back_and_left_off_where_there_are_none() -> None:
    table = SiteTable()
    plain, full = (
        table.declare(SCOPE, name="decide", queue_warning_threshold=threshold, source=source)
        for threshold, source in ((0, None), (100, SOURCE))
    )
    assert decode_site(table.payload(full)) == table.site(full)
    assert table.site(full).source == SOURCE
    assert b"decide" in table.payload(plain)[-8:]
