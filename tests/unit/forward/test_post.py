"""How often a destination's thread looks for records."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.fakes import ListSink, MemoryCursors
from tests.unit.forward.builders import Bot
from tests.unit.sinks.signals import make_log
from tradespan.core.records import Kind, Span
from tradespan.forward.courier import Courier
from tradespan.forward.post import RARELY, Destination, Post
from tradespan.wire.codec import encode_record
from tradespan.wire.signals import SIGNALS

POLL = 30.0
"""Seconds; nobody here waits for it."""


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    stop = threading.Event()
    yield stop
    stop.set()


def start_post(kind: Kind, stop: threading.Event) -> Post:
    sink: ListSink[Span] = ListSink()
    courier = Courier(sink, MemoryCursors(), kind, SIGNALS[kind].decode)
    return Post(Destination("otlp", "x"), courier, stop, POLL)


def end(post: Post, stop: threading.Event) -> None:
    stop.set()
    post.wake.set()
    post.thread.join(10)
    assert not post.thread.is_alive()


@pytest.mark.parametrize(
    ("kind", "pause"),
    [(Kind.SPAN, POLL), (Kind.LOG, RARELY * POLL), (Kind.METRIC, RARELY * POLL)],
)
def test_what_was_never_written_is_looked_for_rarely(
    stop: threading.Event, kind: Kind, pause: float
) -> None:
    post = start_post(kind, stop)
    assert post.pause == pause
    end(post, stop)


def test_who_has_written_logs_once_has_them_looked_for_as_often_as_spans(
    stop: threading.Event, bot: Bot
) -> None:
    bot.spool.ordinary.append(int(Kind.LOG), 0, encode_record(make_log(1)))
    post = start_post(Kind.LOG, stop)
    post.folders = [bot.folder]
    post.wake.set()
    patience = time.monotonic() + 20
    while not post.courier.has_delivered:
        post.wake.set()
        assert time.monotonic() < patience
        os.sched_yield()
    assert post.pause == POLL
    end(post, stop)
