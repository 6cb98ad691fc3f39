"""Trackers that several threads use, and what a forked child has of them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from random import Random

import pytest

from tradespan.signals.analytics.limits import Limit, LimitWatch
from tradespan.signals.analytics.moments import WindowMoments
from tradespan.signals.analytics.ordered import OrderedNumbers
from tradespan.signals.analytics.risk import RiskTracker
from tradespan.signals.analytics.window import Method

COUNT = 3_000


def in_child(work: Callable[[], bool]) -> bool:
    """Whether it is true in a forked child, which is ended if it hangs."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(30)
            status = 0 if work() else 1
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def filled(window: int = 100) -> RiskTracker:
    tracker = RiskTracker(window=window)
    random = Random(1)
    for ts in range(window):
        tracker.record(random.gauss(0, 0.01), ts=ts)
    return tracker


def agrees(tracker: RiskTracker) -> bool:
    """Whether the figures are those of the returns that the window holds."""
    fresh = RiskTracker(window=tracker.definition.window)
    for ts, each in enumerate(tracker._window.returns):  # noqa: SLF001 - what there is to compare
        fresh.record(each, ts=ts)
    methods: list[Method] = ["historical", "parametric"]
    return tracker.losses(methods=methods) == fresh.losses(methods=methods)


def test_threads_lose_and_mix_nothing() -> None:
    tracker = RiskTracker(window=4 * COUNT)
    stop = threading.Event()
    read: list[int] = []

    def write(seed: int) -> None:
        random = Random(seed)
        for _ in range(COUNT):
            tracker.record(random.gauss(0, 0.01), ts=1)

    def look() -> None:
        while not stop.is_set():
            read.append(len(tracker.to_dict()) + len(tracker.losses()))

    threads = [threading.Thread(target=write, args=(seed,)) for seed in range(4)]
    reader = threading.Thread(target=look)
    for each in (reader, *threads):
        each.start()
    for each in threads:
        each.join()
    stop.set()
    reader.join()
    assert tracker.observations == 4 * COUNT
    assert agrees(tracker)
    assert read


def test_a_crossing_is_told_to_one_thread() -> None:
    watch, crossings = LimitWatch([Limit("loss", 100)]), list[object]()
    together = threading.Barrier(4)

    def use() -> None:
        together.wait()
        for ts in range(500):
            if crossing := watch.use("loss", 90, ts=ts).crossing:
                crossings.append(crossing)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(crossings) == 1


def test_a_forked_child_goes_on_from_what_it_inherits() -> None:
    tracker, watch = filled(), LimitWatch([Limit("loss", 100)])
    watch.use("loss", 90, ts=1)
    before = tracker.losses()

    def work() -> bool:
        same = tracker.losses() == before
        tracker.record(-0.5, ts=200)
        told_again = watch.use("loss", 90, ts=2).crossing is not None
        return same and tracker.losses() != before and agrees(tracker) and not told_again

    assert in_child(work)
    assert tracker.losses() == before


def test_a_child_forked_in_the_middle_of_an_update_is_whole() -> None:
    """The other thread's half of an update stays behind with its lock."""
    tracker = filled()
    window = tracker._window  # noqa: SLF001 - where the update is stopped
    insert = window._ordered.insert  # noqa: SLF001
    arrived, go_on = threading.Event(), threading.Event()

    class Stopped:
        def insert(self, number: float) -> None:
            arrived.set()
            go_on.wait(30)
            insert(number)

        def __len__(self) -> int:
            return len(ordered)

        def __getattr__(self, name: str) -> object:
            return getattr(ordered, name)

    ordered = window._ordered  # noqa: SLF001
    window._ordered = Stopped()  # type: ignore[assignment]  # noqa: SLF001
    thread = threading.Thread(target=tracker.record, args=(-0.5,), kwargs={"ts": 200})
    thread.start()
    assert arrived.wait(30)
    try:
        assert in_child(lambda: agrees(tracker) and tracker.record(0.01, ts=201))
    finally:
        go_on.set()
        thread.join()
    assert tracker.observations == 100


def test_a_signal_in_the_middle_of_an_update_leaves_the_window_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tracker = filled()
    add, interruptions = WindowMoments.add, [KeyboardInterrupt()]

    def interrupted(moments: WindowMoments, value: float) -> None:
        if interruptions:
            raise interruptions.pop()
        add(moments, value)

    monkeypatch.setattr(WindowMoments, "add", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tracker.record(-0.5, ts=200)
    assert agrees(tracker)
    assert tracker.record(0.01, ts=201)
    assert agrees(tracker)


@pytest.mark.parametrize("place", [OrderedNumbers.insert, OrderedNumbers.remove, WindowMoments.add])
def test_a_signals_handler_may_read_and_write_in_the_middle_of_an_update(
    place: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker, holder = filled(), OrderedNumbers if "Ordered" in place.__qualname__ else WindowMoments
    handled, seen = threading.Event(), list[int]()

    def interrupted(held: object, value: float) -> None:
        if not handled.is_set():
            handled.set()
            seen.extend([len(tracker.losses()), len(tracker.to_dict())])
            tracker.record(0.02, ts=300)
        place(held, value)

    monkeypatch.setattr(holder, place.__name__, interrupted)
    tracker.record(-0.5, ts=200)
    assert seen == [6, 5]
    assert list(tracker._window.returns)[-2:] == [-0.5, 0.02]  # noqa: SLF001 - as above
    assert agrees(tracker)


@pytest.mark.parametrize("place", [OrderedNumbers.insert, OrderedNumbers.remove])
def test_a_child_forked_by_a_signals_handler_ends_the_update_that_it_interrupted(
    place: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker, children = filled(), list[int]()

    def interrupted(held: object, value: float) -> None:
        if not children:
            children.append(-1)
            children.append(os.fork())
        place(held, value)

    monkeypatch.setattr(OrderedNumbers, place.__name__, interrupted)
    whole = False
    try:
        tracker.record(-0.5, ts=200)
        whole = agrees(tracker) and tracker._window.returns[-1] == -0.5  # noqa: SLF001 - as above
    finally:
        if children[1] == 0:
            os._exit(0 if whole else 1)
    assert whole
    assert os.waitstatus_to_exitcode(os.waitpid(children[1], 0)[1]) == 0
